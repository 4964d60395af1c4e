"""The page on a hub in memory: signing in, filters, the keyboard, themes, and texts that would like to be markup."""

import re

import pytest

from controller.domain import tokens
from protocol import bundles, ids, reports, status
from protocol.canonical import Digest
from protocol.events import deletions as deletion_events
from protocol.events import tokens as token_events
from tests.browser.conftest import TOKEN
from tests.fixtures import hub as hubs
from tests.fixtures.browser import NewWindow, Window

pytestmark = [pytest.mark.browser]

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
CELL = "[data-grid] a"


async def fleet_of(hub: hubs.Hub, *names: str) -> None:
    """Clusters that are well, but for those whose name says otherwise."""
    catalog = await hub.resolve("shop", "apps/storefront", url="https://github.com/example/shop.git")
    for name in names:
        cluster = await hub.add_cluster(name, env=name.partition("-")[0])
        hub.publish(cluster, 43, catalog)
        if "late" in name:
            hub.say(cluster, generation=41)
        elif "ill" in name:
            broken = ids.ObjectId(group="apps", kind="Deployment", namespace="shop", name="storefront")
            failure = reports.ObjectFailure(object=broken, reason="ImagePullBackOff", message=EVIL)
            hub.say(cluster, health=status.Health.DEGRADED, failures=(failure,))
        elif "mute" not in name:
            hub.say(cluster)


@pytest.fixture
async def window(hub: hubs.Hub, address: str, new_window: NewWindow) -> Window:
    """Signed in, on a small fleet."""
    await fleet_of(hub, "dev-1", "dev-2", "prod-1", "prod-2", "prod-ill", "prod-late", "prod-mute")
    made = await new_window(address)
    await made.sign_in(TOKEN)
    await made.sees(CELL)
    return made


async def shown(window: Window) -> list[str]:
    """Names and state letters of the cells, in order."""
    found = await window.page.locator(CELL).all()
    return [f"{await one.locator('.name').inner_text()} {await one.locator('.letter').inner_text()}" for one in found]


async def test_every_state_has_a_letter_a_word_and_a_reason(window: Window) -> None:
    assert await shown(window) == [
        "dev-1 R",
        "dev-2 R",
        "prod-1 R",
        "prod-2 R",
        "prod-ill D",
        "prod-late O",
        "prod-mute U",
    ]

    said = await window.page.locator(CELL, has_text="prod-late").get_attribute("aria-label")
    assert said is not None
    assert said.startswith("prod-late: Out of sync, at generation 41 of 43")


async def test_a_wrong_token_is_told_and_nothing_is_shown(address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.sign_in("wrong")

    await window.sees(".banner", "sign-in: no such token")
    assert await window.page.locator("nav").count() == 0
    assert await window.runs("() => document.activeElement.name") == "token"
    window.forgive("status of 401")


async def test_an_old_link_is_told(address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.open("#/sign-in/used-long-ago")

    await window.sees(".banner", "the link was used already")
    assert await window.runs("() => location.hash") == "#/"
    window.forgive("status of 401")


async def test_signing_out_leaves_nothing_behind(window: Window) -> None:
    await window.page.get_by_role("button", name="Sign out").click()

    await window.sees("h1", "Sign in")
    await window.open("#/clusters/prod-1")
    await window.sees("h1", "Sign in")


async def test_a_page_ends_with_its_token(hub: hubs.Hub, address: str, new_window: NewWindow) -> None:
    await hub.write(token_events.TokenIssued(name="ada", scope=token_events.Scope.READ, digest=tokens.digest("ada's")))
    window = await new_window(address)
    await window.sign_in("ada's")
    await window.sees(".who", "ada")

    await hub.write(token_events.TokenRevoked(name="ada", reason="left"))

    await window.sees("h1", "Sign in")
    await window.sees(".banner", "its token was revoked")
    window.forgive("status of 401")


async def test_a_filter_is_in_the_address_and_comes_back_from_it(window: Window, new_window: NewWindow) -> None:
    await window.page.get_by_label("Labels").fill("env in (prod, staging)")
    await window.page.locator("[data-filter=state]").select_option("degraded")
    await window.page.wait_for_function("() => document.querySelectorAll('[data-grid] a').length === 1")
    address = window.page.url

    assert await shown(window) == ["prod-ill D"]
    assert "state=degraded" in address
    await window.page.goto(address.replace("state=degraded", "state=unknown"))
    await window.page.reload()
    await window.page.wait_for_function("() => document.querySelector('[data-grid] .name')?.innerText === 'prod-mute'")
    assert await window.page.get_by_label("Labels").input_value() == "env in (prod, staging)"


async def test_a_selector_that_makes_no_sense_is_explained(window: Window) -> None:
    await window.page.get_by_label("Labels").fill("= =")

    await window.sees("[role=alert]", "is no selector")
    assert await window.page.get_by_label("Labels").get_attribute("aria-invalid") == "true"


async def test_a_bundle_shows_the_clusters_that_should_have_it(window: Window) -> None:
    await window.page.locator("[data-filter=bundle]").select_option("shop/apps/storefront")

    await window.page.wait_for_function(
        "() => document.querySelector('[data-grid] a.degraded')?.title.includes('Failed')"
    )
    assert len(await shown(window)) == 7


async def test_the_keyboard_is_enough(window: Window) -> None:
    keys = window.page.keyboard
    focused = "() => document.activeElement.querySelector('.name')?.innerText ?? document.activeElement.localName"

    await window.page.reload()
    await window.sees(CELL)
    await keys.press("Tab")
    assert await window.runs("() => document.activeElement.className") == "skip"
    await keys.press("Enter")
    assert await window.runs("() => document.activeElement.id") == "main"
    await keys.press("/")
    await keys.type("prod")
    await window.page.wait_for_function("() => document.querySelectorAll('[data-grid] a').length === 5")
    await keys.press("Escape")
    await window.page.wait_for_function("() => document.querySelectorAll('[data-grid] a').length === 7")
    await keys.press("Escape")
    assert await window.runs(focused) == "dev-1"
    await keys.press("ArrowRight")
    await keys.press("ArrowRight")
    assert await window.runs(focused) == "prod-1"
    await keys.press("ArrowDown")
    assert await window.runs(focused) == "prod-mute"
    await keys.press("Home")
    await keys.press("End")
    await keys.press("Enter")
    await window.sees("h1", "prod-mute")
    assert await window.runs("() => document.activeElement.id") == "main"


async def test_the_focus_stays_where_it_is_when_the_fleet_changes(window: Window, hub: hubs.Hub) -> None:
    await window.page.locator(CELL, has_text="prod-2").focus()
    await hub.add_cluster("aaa-new", env="dev")

    await window.sees(CELL, "aaa-new")
    assert await window.runs("() => document.activeElement.querySelector('.name').innerText") == "prod-2"


async def test_texts_stay_texts(window: Window) -> None:
    await window.go("#/clusters/prod-ill")
    reason = await window.sees(".reason", "ImagePullBackOff")

    assert EVIL in await reason.inner_text()
    assert await window.page.locator("main img, main script").count() == 0


async def test_light_and_dark_follow_the_system_and_can_be_chosen(
    hub: hubs.Hub, address: str, new_window: NewWindow
) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    window = await new_window(address, color_scheme="dark")
    await window.sign_in(TOKEN)
    await window.sees("h1", "Fleet")

    assert await window.runs(ground) == "rgb(15, 20, 27)"
    toggle = window.page.get_by_role("button", name=re.compile("^Theme"))
    await toggle.click()
    await toggle.click()
    assert await window.runs(ground) == "rgb(244, 246, 249)"
    await window.page.reload()
    await window.sees("h1", "Fleet")
    assert await window.runs(ground) == "rgb(244, 246, 249)"


async def test_an_empty_hub_teaches_the_first_command(hub: hubs.Hub, address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.sign_in(TOKEN)

    await window.sees("pre", "flotilla cluster add")
    for route, command in {
        "rollouts": "source add",
        "bundles": "render",
        "sources": "diff",
        "deletions": "diff",
    }.items():
        await window.go(f"#/{route}")
        await window.sees("pre", f"flotilla {command}" if command != "diff" else "flotilla diff")


async def test_a_state_leads_to_its_event_and_its_commit(window: Window) -> None:
    await window.go("#/clusters/prod-1")
    commit = await window.sees("a.revision")
    assert await commit.get_attribute("href") == f"https://github.com/example/shop/commit/{hubs.COMMIT}"

    await (await window.sees(".basis a")).click()
    await window.sees("h1", "prod-1 said hello for the first time")
    await window.sees("pre.json", "ClusterIdentified")
    await window.go("#/events")
    await window.sees(".feed li", "shop resolved to 3f1c9a7be2")


async def hold(hub: hubs.Hub, digest: str) -> None:
    """A bundle that left Git, and waits for a person; again, with another digest: the set grew."""
    clusters = tuple(hub.world.clusters)
    quota = ids.ObjectId(group="", kind="ResourceQuota", namespace="shop", name="shop")
    bundle = ids.bundle_id(ids.SourceName("shop"), "apps/storefront")
    member = deletion_events.Member(
        bundle=bundle, objects=(quota,), clusters=clusters, prune=bundles.Prune.OWNED, whole_bundle=True
    )
    planned = deletion_events.DeletionsPlanned(
        set=ids.DeletionSetId("shop-1"),
        topic="shop-3f1c9a7b",
        source=ids.SourceName("shop"),
        revision=f"main@sha1:{hubs.COMMIT}",
        members=(member,),
        digest=Digest(digest * 32),
        held=("whole bundles leave clusters: shop/apps/storefront",),
    )
    await hub.write(planned)


async def test_a_hold_is_rejected_on_the_page(window: Window, hub: hubs.Hub) -> None:
    await hold(hub, "5c")
    await window.go("#/deletions/shop-1")

    await window.page.get_by_role("button", name="Reject").click()
    await window.sees("dialog", "will stay")
    await window.page.locator("dialog button.primary").click()
    await window.sees("h1 .badge", "rejected")
    assert await window.page.get_by_role("button", name="Approve").count() == 0


async def test_what_grew_while_a_person_read_it_is_not_approved(window: Window, hub: hubs.Hub) -> None:
    await hold(hub, "5c")
    await window.go("#/deletions/shop-1")
    await window.page.get_by_role("button", name="Approve").click()
    await window.sees("dialog .digest", "5c5c")

    await hold(hub, "7d")
    await window.page.locator("dialog button.danger").click()

    await window.sees(".banner.notice", "shop-1")
    await window.sees("h1 .badge", "held")
    await window.sees(".facts code.digest", "7d7d")
    window.forgive("status of 409")


@pytest.mark.parametrize("route", ["", "clusters/prod-ill", "bundles", "bundles/shop%2Fapps%2Fstorefront", "events"])
async def test_whoever_listens_to_the_page_hears_what_everything_is(window: Window, route: str) -> None:
    await window.go(f"#/{route}")
    await window.sees("h1" if route else CELL)
    await window.page.wait_for_function("() => !document.querySelector('main').innerText.includes('Loading')")

    assert await window.runs(AUDIT) == []


async def test_a_name_that_leads_nowhere_says_so(window: Window) -> None:
    await window.go("#/clusters/no-such")
    await window.sees(".empty", "no-such")
    await window.go("#/no/such/view")
    await window.sees("h1", "Not here")
    window.forgive("status of 404")


async def test_thousands_of_clusters_fit_and_are_filtered(hub: hubs.Hub, address: str, new_window: NewWindow) -> None:
    await fleet_of(hub, *(f"prod-{number:04}" for number in range(2000)), "prod-ill-1")
    window = await new_window(address)
    await window.sign_in(TOKEN)

    await window.page.wait_for_function("() => document.querySelectorAll('[data-grid] a').length === 2001")
    await window.page.fill("[data-filter=q]", "ill")

    await window.page.wait_for_function("() => document.querySelectorAll('[data-grid] a').length === 1")


async def test_selectors_and_commit_addresses_mean_what_they_say(address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.open()

    fits = (
        "async ([text, labels]) => { const filters = await import('/ui/scripts/filters.js');"
        " return filters.selector(text).every((test) => test(labels)); }"
    )
    labels = {"env": "prod", "region": "eu"}
    found = {text: await window.runs(fits, [text, labels]) for text in SELECTORS}
    assert found == SELECTORS

    at = "async (url) => (await import('/ui/scripts/links.js')).commitAddress(url, 'abc')"
    assert {url: await window.runs(at, url) for url in ADDRESSES} == ADDRESSES


AUDIT = """() => {
  const said = (one) => one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || one.title;
  const found = [];
  for (const one of document.querySelectorAll("a, button, input, select, nav, section, table, dialog[open]")) {
    const labelled = one.getAttribute("aria-labelledby");
    const named = labelled ? document.getElementById(labelled)?.innerText : said(one);
    if (!named?.trim()) found.push(`no name: ${one.outerHTML.slice(0, 120)}`);
    if (one.tabIndex > 0) found.push(`out of order: ${one.outerHTML.slice(0, 120)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids.filter((one, place) => ids.indexOf(one) !== place)) found.push(`id twice: ${id}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (document.querySelector("svg:not([aria-hidden]):not([aria-label])")) found.push("a picture without words");
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window");
  return found;
}"""

SELECTORS = {
    "": True,
    "env=prod": True,
    "env==prod,region": True,
    "env!=prod": False,
    "team!=web": True,
    "!team": True,
    "!env": False,
    "env in (dev, prod), region notin (us)": True,
    "region notin (us, eu)": False,
}

ADDRESSES = {
    "https://github.com/example/shop.git": "https://github.com/example/shop/commit/abc",
    "git@github.com:example/shop.git": "https://github.com/example/shop/commit/abc",
    "ssh://git@gitlab.com:22/group/sub/shop.git": "https://gitlab.com/group/sub/shop/-/commit/abc",
    "https://gitea.example.com/example/shop": "https://gitea.example.com/example/shop/commit/abc",
    "https://git.example.com/shop.git": "",
    "file:///srv/shop.git": "",
}
