"""The page on a real hub, with nats-server, Git, agents and clusters: what happens there is seen here."""

import pathlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fixtures import content, processes
from tests.fixtures.browser import NewWindow, Window

pytestmark = [pytest.mark.browser, pytest.mark.nats, pytest.mark.timeout(900)]

CLUSTERS = ("east", "north", "west")
SPEC = {"paths": ["apps/*", "platform/*"], "allClusters": True, "intervalS": 1.0}
CELL = "[data-grid] a"

CHECKOUT = "apis/apps/v1/namespaces/shop/deployments/checkout"
SETTINGS = "api/v1/namespaces/shop/configmaps/storefront-settings"
EDITOR = "kubectl-edit"

APPROVE_ANYWAY = """async ([set, digest]) => {
  const { session } = await (await fetch("/ui/session")).json();
  const headers = { "Content-Type": "application/json", "X-Flotilla-CSRF": session.csrf };
  const path = `/api/v1/deletions/${set}/approve`;
  return (await fetch(path, { method: "POST", headers, body: JSON.stringify({ digest }) })).status;
}"""


@pytest.fixture
async def realm(tmp_path: pathlib.Path) -> AsyncIterator[processes.Realm]:
    """Three clusters and the first commit on each of them."""
    async with processes.realm(tmp_path, names=CLUSTERS) as running:
        commit = running.repository.merge(content.first(), "first", at=processes.bootstrap.utc_now())
        await running.api.post("sources", {"name": processes.SOURCE, "spec": {"url": running.repository.url, **SPEC}})
        await running.rolled_out(commit)
        yield running


async def signed_in(realm: processes.Realm, new_window: NewWindow, **settings: Any) -> Window:
    """A window that a sign-in link opened."""
    window = await new_window(str(realm.hub.said["url"]), **settings)
    await window.open((await realm.api.post("ui/codes", {}))["path"].lstrip("/"))
    await window.sees(f"{CELL}.ready", "east")
    return window


async def everywhere(window: Window, state: str, count: int = len(CLUSTERS)) -> None:
    """Wait until so many cells are in this state."""
    await window.page.wait_for_function(
        "([state, count]) => document.querySelectorAll(`[data-grid] a.${state}`).length === count", arg=[state, count]
    )


async def test_a_commit_arrives_and_the_page_follows(realm: processes.Realm, new_window: NewWindow) -> None:
    window = await signed_in(realm, new_window)
    await everywhere(window, "ready")
    before = int((await window.page.locator(".generation").first.inner_text()).partition("/")[0])
    await window.sees(".connection", "live")
    await window.runs("() => { window.neverReloaded = true }")

    commit = await realm.merge(content.second(), "Storefront 1.5.0")
    await window.page.wait_for_function(
        "(before) => [...document.querySelectorAll('.generation')].every((one) => {"
        " const [here, wanted] = one.innerText.split('/').map(Number); return here > before && here === wanted; })",
        arg=before,
    )
    await everywhere(window, "ready")

    await window.go(f"#/rollouts/{processes.SOURCE}")
    await window.sees("h1 .badge", "completed")
    await window.sees(".revision", commit[:10])
    assert await window.page.locator(".stage .badge.ready", has_text="completed").count() >= 1
    await window.go("#/events")
    await (
        (await window.sees(".feed li", f"Rollout of {processes.SOURCE} started: {commit[:10]}"))
        .get_by_role("link")
        .first.click()
    )
    await window.sees("pre.json", commit)
    await window.sees("dd", "hub")
    assert await window.runs("() => window.neverReloaded") is True


async def test_a_cluster_that_falls_silent_is_unknown_and_comes_back(
    realm: processes.Realm, new_window: NewWindow
) -> None:
    window = await signed_in(realm, new_window)

    await realm.agents["north"].pause()
    await window.sees(f"{CELL}.unknown", "north")
    await window.sees(".tile:has(.unknown) .number", "1")
    await window.go("#/clusters/north")
    await window.sees("h1 .badge.unknown", "Unknown")
    await window.sees(".facts", "Offline")

    await realm.agents["north"].resume()
    await window.sees("h1 .badge.ready", "Ready")


async def test_a_rollout_shows_whom_it_left_out_and_who_joins(realm: processes.Realm, new_window: NewWindow) -> None:
    window = await signed_in(realm, new_window)
    await realm.agents["west"].pause()
    await window.sees(f"{CELL}.unknown", "west")

    commit = await realm.merge(content.second(), "Storefront 1.5.0")
    await window.go(f"#/rollouts/{processes.SOURCE}")
    await window.sees(".revision", commit[:10])
    await window.sees(".stage .key", "1 deferred")
    await window.sees("section:has(h2:text('Deferred')) .member", "west")
    await window.sees("h1 .badge", "completed")
    await window.go("#/clusters/west")
    await window.sees("h1 .badge.unknown", "Unknown")

    await realm.agents["west"].resume()
    await window.sees("h1 .badge.ready", "Ready")
    await window.sees(".facts .revision", commit[:10])


async def test_a_drift_shows_with_its_actor_and_heals(realm: processes.Realm, new_window: NewWindow) -> None:
    window = await signed_in(realm, new_window)
    told = {"apps/checkout/flotilla.yaml": content.first()["apps/checkout/flotilla.yaml"] + "drift: alert\n"}
    await realm.rolled_out(await realm.merge({**content.first(), **told}, "Only tell what differs in the checkout"))

    await realm.clusters["east"].patch(CHECKOUT, {"spec": {"replicas": 7}}, manager=EDITOR)
    await (await window.sees(".urgent a", "east")).click()
    await window.sees(".drift .badge", "Drifted")
    await window.sees(".drift tbody tr", re.compile(r"replicas.*2.*7.*kubectl-edit", re.DOTALL))
    await window.go("#/drift?q=kubectl-edit")
    await window.sees("tbody tr", re.compile(r"east.*checkout.*kubectl-edit.*left as it is", re.DOTALL))
    await realm.clusters["east"].patch(CHECKOUT, {"spec": {"replicas": 2}}, manager=EDITOR)
    await window.sees(".empty", "Nothing drifts")

    await window.go("#/clusters/west")
    await realm.clusters["west"].patch(SETTINGS, {"data": {"theme": "garish"}}, manager=EDITOR)
    await window.sees("tbody tr", re.compile(r"theme.*garish.*classic.*kubectl-edit.*put right", re.DOTALL))
    healed = await realm.clusters["west"].find(SETTINGS)
    assert healed is not None
    assert healed["data"]["theme"] == "classic"


async def test_a_hold_is_approved_on_the_page_by_who_may(realm: processes.Realm, new_window: NewWindow) -> None:
    await realm.merge(content.fourth(), "Remove the policies")
    reader = await realm.api.post("tokens", {"name": "dashboard", "scope": "read"})
    looking = await new_window(str(realm.hub.said["url"]))
    await looking.sign_in(reader["secret"])
    window = await signed_in(realm, new_window)

    await (await window.sees(".urgent a", "deletions")).click()
    await window.sees(".lines", "ResourceQuota")
    digest = await (await window.sees(".facts code.digest")).inner_text()
    set_id = window.page.url.rpartition("/")[2]
    await looking.go(f"#/deletions/{set_id}")
    assert await (await looking.sees("button.danger", "Approve")).is_disabled()
    assert await looking.runs(APPROVE_ANYWAY, [set_id, digest]) == 403
    looking.forgive("status of 403")

    await (await window.sees("button.danger", "Approve")).click()
    await window.sees("dialog .digest", digest)
    await window.page.keyboard.press("Escape")
    await window.page.locator("dialog").wait_for(state="hidden")
    await window.sees("h1 .badge", "held")
    await (await window.sees("button.danger", "Approve")).click()
    await window.page.locator("dialog button.danger").click()
    await window.sees("h1 .badge", "approved")

    async def gone() -> bool:
        path = "api/v1/namespaces/shop/resourcequotas/shop"
        return not any([await cluster.find(path) for cluster in realm.clusters.values()])

    await processes.until("the quota is gone", gone)
    await window.go("#/events?q=DeletionsApproved")
    await window.sees(".feed li", "by admin (page)")


async def test_a_hub_that_is_away_is_said_to_be_away(realm: processes.Realm, new_window: NewWindow) -> None:
    window = await signed_in(realm, new_window)

    await realm.hub.pause()
    await window.sees(".banner.silent", "Not connected")
    await window.sees(".connection", "not connected")
    assert await window.page.locator(CELL).count() == len(CLUSTERS)

    await realm.hub.resume()
    await window.sees("h1", "Sign in")
    await window.sees(".banner", "session is over")
    window.forgive("ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|status of 401|status of 503")
