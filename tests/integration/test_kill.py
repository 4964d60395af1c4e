"""`kill -9` at every named boundary: the fleet converges, nothing is deleted that was not named, no event is lost.

The seed of each case decides when the boundary's process dies; it is printed, and FLOTILLA_SEED repeats one. The
scenario holds creates, an update, a prune, and a whole bundle that is held and then approved.
"""

import os
import pathlib
import random

import pytest

from protocol import canonical
from tests.fixtures import content, processes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

HUB = {"append": 25, "derive": 4, "publish": 4}
AGENT = {"verify": 4, "apply": 10, "prune": 1, "inventory": 6, "report": 6}
"""The boundaries, and about how often the scenario passes each: the seed chooses within it."""

SEED = 7
"""Of builds: it chooses boundaries in the middle of the scenario."""

BASE = "api/v1/namespaces/shop"
STAYING = {
    "settings": f"{BASE}/configmaps/storefront-settings",
    "service": f"{BASE}/services/storefront",
    "storefront": "apis/apps/v1/namespaces/shop/deployments/storefront",
    "checkout": "apis/apps/v1/namespaces/shop/deployments/checkout",
    "account": "api/v1/namespaces/platform/serviceaccounts/log-shipper",
}
LEAVING = {
    "promotion": f"{BASE}/configmaps/promotion",
    "quota": f"{BASE}/resourcequotas/shop",
    "network": "apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/default-deny",
}

SPEC = {"paths": ["apps/*", "platform/*"], "allClusters": True, "intervalS": 1.0}


def seed_of(name: str) -> int:
    """FLOTILLA_SEED, else the same in every build, and a new one for a person; printed, so that it can be repeated."""
    chosen = SEED if os.environ.get("CI") else random.SystemRandom().randrange(10**6)
    seed = int(os.environ.get("FLOTILLA_SEED") or chosen)
    print(f"seed of {name}: FLOTILLA_SEED={seed}")
    return seed


@pytest.mark.parametrize("boundary", HUB)
async def test_a_killed_hub_loses_nothing(boundary: str, tmp_path: pathlib.Path) -> None:
    crash = f"{boundary}:{random.Random(seed_of(boundary)).randint(1, HUB[boundary])}"
    async with processes.realm(tmp_path, hub_crash=crash) as realm:
        await _scenario(realm)

        assert realm.hub.deaths == 1
        await _check_log(realm)


@pytest.mark.parametrize("boundary", AGENT)
async def test_a_killed_agent_loses_nothing(boundary: str, tmp_path: pathlib.Path) -> None:
    crash = f"{boundary}:{random.Random(seed_of(boundary)).randint(1, AGENT[boundary])}"
    async with processes.realm(tmp_path, agent_crash=crash) as realm:
        await _scenario(realm)

        assert realm.agents[processes.CLUSTERS[0]].deaths == 1
        await _check_log(realm)


async def test_a_killed_nats_server_loses_nothing(tmp_path: pathlib.Path) -> None:
    chance = random.Random(seed_of("nats"))
    async with processes.realm(tmp_path) as realm:
        await _scenario(realm, kill_before=chance.randint(1, 4), kill=realm.kill_nats)

        assert realm.nats.deaths == 1
        await _check_log(realm)


async def _scenario(realm: processes.Realm, *, kill_before: int = 0, kill: object = None) -> None:
    """Four merges and an approval; `kill` is called right after merge number `kill_before`."""

    async def merge(number: int, files: dict[str, str]) -> str:
        commit = await realm.merge(files, f"merge {number}")
        if number == kill_before and callable(kill):
            kill()
        return commit

    spec = {**SPEC, "url": realm.repository.url}
    first = realm.repository.merge(content.first(), "merge 1", at=processes.bootstrap.utc_now())
    await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
    if kill_before == 1 and callable(kill):
        kill()
    await realm.rolled_out(first)
    before = await realm.uids(STAYING)
    await realm.rolled_out(await merge(2, content.second()))
    await realm.rolled_out(await merge(3, content.third()))
    await realm.rolled_out(await merge(4, content.fourth()))
    await _approve(realm)

    assert before == await realm.uids(STAYING)
    assert len(STAYING) * len(processes.CLUSTERS) == len(before)


async def _approve(realm: processes.Realm) -> None:
    held = [one for one in await realm.ask(lambda: realm.api.items("deletions")) if one["decision"] == "held"]

    assert [_bundle(one) for one in held] == ["fleet/platform/policies"]
    assert {"east/quota", "east/network", "west/quota", "west/network"} == set(await realm.uids(LEAVING))

    body = {"digest": held[0]["digest"]}
    await realm.ask(lambda: realm.api.post(f"deletions/{held[0]['id']}/approve", body))

    async def gone() -> bool:
        return not await realm.uids(LEAVING)

    async def confirmed() -> bool:
        return all(one["open"] == 0 for one in await realm.ask(lambda: realm.api.items("deletions")))

    await processes.until("the approved objects are gone", gone)
    await processes.until("the clusters have confirmed it", confirmed)


def _bundle(held: dict[str, list[str]]) -> str:
    return held["held"][0].rpartition(" ")[2]


async def _check_log(realm: processes.Realm) -> None:
    """Folding the log from empty follows every hash chain; doing it twice gives the same bytes (I12)."""
    first, second = await realm.fold(), await realm.fold()

    assert canonical.encode(first) == canonical.encode(second)
    assert first.ledger.debts == {}
    assert first.fleet.recovering == ""
