"""A hub that was restored from an old copy deletes nothing, says so, and waits for a person (the paragraph *Restore*).

After the copy was made, three revisions were delivered, with a prune and a re-add in them. Then the copy is put back.
One agent is ahead of it, one is equal to it, one is offline.
"""

import pathlib
import shutil
from typing import Any

import pytest

from tests.fixtures import content, processes
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

AHEAD, EQUAL, OFFLINE = "ahead", "equal", "offline"
NAMES = (AHEAD, EQUAL, OFFLINE)
PROMOTION = story.LEAVING["promotion"]


async def test_a_restored_hub_deletes_nothing_and_waits_for_a_person(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path, names=NAMES) as realm:
        await _begin(realm)
        await realm.agents[EQUAL].pause()
        await _copy(realm)
        await _three_revisions(realm)
        await realm.agents[OFFLINE].pause()
        before = await _everything(realm)
        await _put_back(realm)
        await realm.agents[EQUAL].resume()

        reason = await _recovery(realm)
        assert "cluster ahead" in reason

        commit = await realm.merge(_without_settings(), "after the restore")
        await realm.ask(lambda: realm.api.post(f"sources/{processes.SOURCE}/sync", {}))
        await _resolved(realm, commit)
        assert await _everything(realm) == before

        await realm.ask(lambda: realm.api.post("hub/recover", {"reason": "restored from the backup"}))
        await realm.agents[OFFLINE].resume()
        await realm.rolled_out(commit)

        # What is not in Git any more is an orphan now: it stands, and nobody owes it.
        after = await _everything(realm)
        assert {name: uid for name, uid in after.items() if name in before} == before
        assert (await realm.fold()).ledger.debts == {}


async def test_an_empty_log_beside_existing_clusters_publishes_nothing(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await _everything(realm)
        await realm.hub.pause()
        await realm.nats.pause()
        shutil.rmtree(realm.hub_directory / "nats" / "store")
        await realm.nats.resume()
        await realm.hub.resume()

        assert "the log is empty" in await _recovery(realm)
        assert await _everything(realm) == before


async def test_an_agent_without_its_disk_deletes_nothing(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await _everything(realm)
        agent = realm.agents[processes.CLUSTERS[0]]
        await agent.pause()
        shutil.rmtree(tmp_path / f"agent-{processes.CLUSTERS[0]}")
        await agent.resume()
        commit = await realm.merge(content.second(), "a change for an agent that forgot")
        await realm.rolled_out(commit)

        after = await _everything(realm)
        assert {name: after[name] for name in before} == before


async def _begin(realm: processes.Realm) -> None:
    spec = {**story.SPEC, "url": realm.repository.url}
    first = realm.repository.merge(content.first(), "first", at=processes.bootstrap.utc_now())
    await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
    await realm.rolled_out(first)


async def _copy(realm: processes.Realm) -> None:
    """The data of a day ago: the hub's whole state directory, taken while nothing writes."""
    await realm.hub.pause()
    await realm.nats.pause()
    shutil.copytree(realm.hub_directory, realm.directory / "backup")
    await realm.nats.resume()
    await realm.hub.resume()


async def _three_revisions(realm: processes.Realm) -> None:
    """A new object, its prune, and it is there again; the equal cluster's agent hears nothing of it."""
    for number, files in enumerate((content.second(), content.third(), content.second())):
        commit = await realm.merge(files, f"revision {number}")
        expected = 1 if content.PROMOTION in files else 0

        async def delivered(expected: int = expected) -> bool:
            found = await realm.uids({"promotion": PROMOTION})
            return sum(1 for name in found if not name.startswith(EQUAL)) == 2 * expected

        await processes.until(f"revision {number} ({commit[:12]}) is delivered", delivered)


async def _put_back(realm: processes.Realm) -> None:
    await realm.hub.pause()
    await realm.nats.pause()
    shutil.rmtree(realm.hub_directory)
    shutil.copytree(realm.directory / "backup", realm.hub_directory)
    await realm.nats.resume()
    await realm.hub.resume()


async def _recovery(realm: processes.Realm) -> str:
    async def recovering() -> bool:
        return (await _status(realm))["recovery"] is not None

    await processes.until("the hub is in recovery", recovering)
    return str((await _status(realm))["recovery"]["reason"])


async def _resolved(realm: processes.Realm, commit: str) -> None:
    """In recovery the hub still resolves and shows."""

    async def seen() -> bool:
        rows = await realm.ask(lambda: realm.api.items("sources"))
        return any(commit in (one["revision"] or "") for one in rows)

    await processes.until(f"commit {commit[:12]} is resolved", seen)


async def _status(realm: processes.Realm) -> dict[str, Any]:
    found = await realm.ask(lambda: realm.api.get("status"))
    assert isinstance(found, dict)
    return found


async def _everything(realm: processes.Realm) -> dict[str, str]:
    return await realm.uids({**story.STAYING, **story.LEAVING})


def _without_settings() -> dict[str, str]:
    """The second commit less a ConfigMap that every cluster has."""
    return {path: text for path, text in content.second().items() if path != "apps/storefront/settings.yaml"}
