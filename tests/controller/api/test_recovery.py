"""The way out of recovery over HTTP: clusters of a lost log are taken back, or it is said why not."""

import aiohttp

from controller.domain import readmission
from protocol.events import fleet as fleet_events
from tests.controller.domain import test_readmission as strangers
from tests.fixtures import hub as hubs

API = "/api/v1"
RECOVERY = fleet_events.RecoveryEntered(reason="the log is empty", cluster="", epoch=0, generation=0)


async def test_recovering_takes_back_who_can_be_and_says_who_cannot(
    hub: hubs.Hub, client: aiohttp.ClientSession
) -> None:
    await hub.write(RECOVERY)
    ready = strangers.stranger(7, name="lost")
    hub.strangers = strangers.by_id(ready, strangers.stranger(8, name="twin"), strangers.stranger(9, name="twin"))

    async with client.post(f"{API}/hub/recover", json={"reason": "the disk was lost"}) as answer:
        found = await answer.json()

    assert (answer.status, found["epoch"], found["recovery"]) == (200, 2, None)
    assert [one.name for one in hub.world.clusters.values()] == ["lost"]
    assert [one["problem"] for one in found["strangers"]] == ["2 accounts claim this name"] * 2
    assert found["strangersCount"] == 2
    assert any("lost was taken back without its labels" in line for line in found["attention"])


async def test_a_hub_that_is_well_takes_nobody_back_by_recovering(hub: hubs.Hub, client: aiohttp.ClientSession) -> None:
    hub.strangers = strangers.by_id(strangers.stranger(7, name="lost"))

    async with client.post(f"{API}/hub/recover", json={"reason": "by mistake"}) as answer:
        assert (await answer.json())["epoch"] == 1

    assert hub.world.clusters == {}


async def test_a_cluster_that_is_added_by_its_name_gets_its_account_back(
    hub: hubs.Hub, client: aiohttp.ClientSession
) -> None:
    one = strangers.stranger(7, name="lost")
    hub.accounts, hub.strangers = readmission.Accounts([one.account]), strangers.by_id(one)

    async with client.post(f"{API}/clusters", json={"name": "lost", "labels": {"env": "prod"}}) as answer:
        found = await answer.json()
        assert (answer.status, found["takenBack"], found["credentials"]) == (201, True, None)

    assert list(hub.world.clusters) == [one.account.id]


async def test_a_name_that_two_accounts_claim_is_not_added(hub: hubs.Hub, client: aiohttp.ClientSession) -> None:
    both = [strangers.stranger(7, name="twin").account, strangers.stranger(8, name="twin").account]
    hub.accounts = readmission.Accounts(both)

    async with client.post(f"{API}/clusters", json={"name": "twin"}) as answer:
        assert answer.status == 409
        assert "2 accounts claim the name" in (await answer.json())["detail"]

    assert hub.world.clusters == {}
