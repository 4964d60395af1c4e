"""The time machine on the page: what a cluster should have held at an event, at a time, or with a commit."""

import re

import pytest

from protocol import bundles, ids
from protocol.canonical import Digest
from protocol.events import deletions as deletion_events
from protocol.events import rollouts as rollout_events
from tests.browser.conftest import TOKEN
from tests.browser.test_page import CELL, fleet_of
from tests.fixtures import hub as hubs
from tests.fixtures.browser import NewWindow, Window

pytestmark = [pytest.mark.browser]

SHOP = ids.SourceName("shop")
QUOTA = ids.ObjectId(group="", kind="ResourceQuota", namespace="shop", name="shop")


async def give(hub: hubs.Hub, cluster: ids.ClusterId) -> int:
    """The cluster gets the source's revision: the place of that event."""
    stage = rollout_events.PlannedStage(name="canary", reason="the first", max_concurrency=1, clusters=(cluster,))
    rollout = ids.RolloutId(await hub.roll_out(SHOP, stage))
    admitted = rollout_events.ClustersAdmitted(
        source=SHOP, rollout=rollout, stage="canary", catalog=hub.world.sources[SHOP].catalog, clusters=(cluster,),
        at=hub.now.isoformat(), reports_sequence=1,
    )  # fmt: skip
    await hub.write(admitted, by="rollouts")
    return hub.world.log_head.sequence


async def approve(hub: hubs.Hub, cluster: ids.ClusterId) -> int:
    """Ada approves a deletion on the cluster: the place of that event."""
    member = deletion_events.Member(
        bundle=ids.bundle_id(SHOP, "apps/storefront"), objects=(QUOTA,), clusters=(cluster,), prune=bundles.Prune.OWNED,
        whole_bundle=False,
    )  # fmt: skip
    planned = deletion_events.DeletionsPlanned(
        set=ids.DeletionSetId("shop-1"), topic="shop-3f1c9a7b", source=SHOP, revision=f"main@sha1:{hubs.COMMIT}",
        members=(member,), digest=Digest("5c" * 32), held=("more than 25 objects",),
    )  # fmt: skip
    await hub.write(planned)
    await hub.write(deletion_events.DeletionsApproved(set=planned.set, digest=planned.digest), by="ada (page)")
    return hub.world.log_head.sequence


@pytest.fixture
async def window(hub: hubs.Hub, address: str, new_window: NewWindow) -> Window:
    """Signed in, on two clusters."""
    await fleet_of(hub, "dev-1", "prod-1")
    made = await new_window(address)
    await made.sign_in(TOKEN)
    await made.sees(CELL)
    return made


async def test_an_event_leads_to_the_desired_state_then_with_who_gave_it(window: Window, hub: hubs.Hub) -> None:
    given_at = await give(hub, hubs.account(1))
    await window.go("#/events")
    item = await window.sees(".feed li", "dev-1 got the revision")
    await item.get_by_role("link", name=f"desired state of dev-1 at event {given_at}").click()

    await window.sees("h1", f"Desired state of dev-1 at event {given_at}")
    row = await window.sees("tbody tr", re.compile(r"shop.*main 3f1c9a7be2.*rollouts.*shop-3f1c9a7b", re.DOTALL))
    assert await row.get_by_role("link", name=f"#{given_at}").count() == 1
    await window.sees("tbody tr", "shop/apps/storefront")

    await window.page.get_by_role("link", name="One event before").click()
    await window.sees("h1", f"at event {given_at - 1}")
    await window.sees("section:has(h2:text('What it was given'))", "nothing yet")
    await window.page.go_back()
    await window.sees("h1", f"at event {given_at}")


async def test_the_approval_that_a_state_rests_on_is_named(window: Window, hub: hubs.Hub) -> None:
    await give(hub, hubs.account(1))
    approved_at = await approve(hub, hubs.account(1))

    await window.go(f"#/at/{approved_at}/dev-1")
    await window.sees("tbody tr", re.compile(rf"shop-1.*approved.*ada \(page\).*#{approved_at}", re.DOTALL))
    await window.go(f"#/at/{approved_at - 1}/dev-1")
    await window.sees("h1", f"at event {approved_at - 1}")
    assert await window.page.locator("h2", has_text="Approvals").count() == 0


async def test_a_commit_and_a_time_are_moments_too(window: Window, hub: hubs.Hub) -> None:
    given_at = await give(hub, hubs.account(1))
    await hub.add_cluster("late-1")

    await window.go("#/clusters/dev-1")
    await (await window.sees("a.button", "Its past")).click()
    await window.sees("h1", "Desired state of dev-1 at event")
    await window.page.get_by_role("textbox", name="At", exact=True).fill(hubs.COMMIT[:7])
    await window.page.keyboard.press("Enter")
    await window.sees("h1", hubs.COMMIT[:7])
    await window.sees(".title .basis", f"event #{given_at}")

    await window.page.get_by_role("textbox", name="At", exact=True).fill("2026-11-06 00:00")
    await window.page.keyboard.press("Enter")
    await window.sees("h1", re.compile("2026-11-0[67]"))
    await window.sees(".title .basis", f"event #{hub.world.log_head.sequence}")

    await window.go(f"#/at/{hubs.COMMIT[:7]}/prod-1")
    await window.sees(".empty", f"it was never given commit {hubs.COMMIT[:7]}")
    window.forgive("status of 404")


async def test_an_event_about_many_asks_of_which_cluster(window: Window, hub: hubs.Hub) -> None:
    await window.go("#/events/1")
    await (await window.sees("a.then")).click()

    await window.sees("h1", "Desired state at event 1")
    await window.go(f"#/at/{hub.world.log_head.sequence}")
    await (await window.sees(".member a", "prod-1")).click()
    await window.sees("h1", "Desired state of prod-1")


async def test_the_log_is_folded_once_for_a_moment_that_is_looked_at(window: Window, hub: hubs.Hub) -> None:
    await give(hub, hubs.account(1))
    asked: list[str] = []
    window.page.on("request", lambda one: asked.append(one.url) if "/past" in one.url else None)
    await window.go("#/at/5/dev-1")
    await window.sees("h1", "at event 5")

    await hub.write(deletion_events.DebtsClosed(debts=(), reports_sequence=1))
    async with window.page.expect_response(lambda answer: "/api/v1/status" in answer.url):
        await hub.add_cluster("new-1")
    await window.go("#/")
    await window.sees(CELL, "new-1")
    assert len(asked) == 1
