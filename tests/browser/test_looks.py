"""How the page looks in a narrow window, and what a person's hands meet there."""

import pytest

from protocol.events import clusters as cluster_events
from tests.browser.conftest import TOKEN
from tests.browser.test_page import AUDIT, CELL, fleet_of, hold
from tests.fixtures import hub as hubs
from tests.fixtures.browser import NewWindow, Window

pytestmark = [pytest.mark.browser]

LONG = "a-cluster-whose-name-is-as-long-as-a-dns-label-may-be-eu-west-1"

CAUSE = "main@sha1:d9edb239da95eb1566c3cd9aaad9be809584de7f"

SIDEWAYS = "() => document.documentElement.scrollWidth > window.innerWidth"

CELLS_NARROW = """() => [...document.querySelectorAll("td, .feed li, .facts dd")]
  .filter((one) => one.offsetParent && one.textContent.trim() && one.clientWidth < 100)
  .map((one) => `${one.clientWidth}: ${one.textContent.slice(0, 60)}`)"""


@pytest.fixture
async def phone(hub: hubs.Hub, address: str, new_window: NewWindow) -> Window:
    """A narrow window, signed in."""
    await fleet_of(hub, "dev-1", "prod-ill", "prod-late", "prod-mute", LONG)
    await hold(hub, "5c")
    made = await new_window(address, viewport={"width": 390, "height": 844})
    await made.sign_in(TOKEN)
    await made.sees(CELL)
    return made


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        ("", CELL),
        ("clusters/prod-ill", ".reason"),
        (f"clusters/{LONG}", "h1:text('a-cluster')"),
        ("bundles", "td"),
        ("bundles/shop%2Fapps%2Fstorefront", "td"),
        ("deletions?all=true", "td"),
        ("deletions/shop-1", ".digest"),
        ("events", ".feed li"),
        ("sources", "td"),
        ("at/9/prod-ill", "h1:text('event 9')"),
    ],
)
async def test_everything_can_be_read_in_a_narrow_window(phone: Window, route: str, shown: str) -> None:
    await phone.go(f"#/{route}")
    await phone.sees(shown)

    assert await phone.runs(CELLS_NARROW) == []
    assert await phone.runs(AUDIT) == []
    assert await phone.runs(SIDEWAYS) is False


async def test_a_cause_that_is_a_commit_is_cut(hub: hubs.Hub, phone: Window) -> None:
    await hub.write(
        cluster_events.ClusterSuspended(cluster=next(iter(hub.world.clusters)), reason="freeze"), cause=CAUSE
    )
    await phone.go("#/events")

    await phone.sees(".feed .by", "main@sha1:d9edb239da…")
    assert await phone.runs(SIDEWAYS) is False


async def test_a_tile_says_what_is_wrong_rather_than_where(phone: Window) -> None:
    """Its bundle and the kind of the object are on the cluster's page; here is room for a few words."""
    told = phone.page.locator(CELL, has_text="prod-ill").locator(".why")

    assert (await told.inner_text()).startswith("shop/storefront: ImagePullBackOff")


async def test_a_row_drawn_as_a_card_is_still_a_row(phone: Window) -> None:
    await phone.go("#/sources")
    row = phone.page.get_by_role("table", name="Sources").get_by_role("row").filter(has_text="shop")

    await row.wait_for()
    assert await row.get_by_role("cell").filter(has_text="Resolved").count() == 1


async def test_what_is_typed_stays_while_the_page_goes_on(hub: hubs.Hub, address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.page.clock.install()
    await window.open()
    await window.page.get_by_label("Token").fill(TOKEN)
    await window.page.keyboard.press("Tab")
    await window.page.clock.run_for(5000)

    assert await window.page.get_by_label("Token").input_value() == TOKEN
    await window.page.keyboard.press("Enter")
    await window.sees("h1", "Fleet")
