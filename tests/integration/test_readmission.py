"""The drill: the log and the reports are lost, the keys are not. Clusters are taken back as they are, with account, UID
and the agents that run there: by a declaration of their name, or by the way out of recovery.

Nobody gets new credentials, no agent is started again, and nothing is deleted on the way.
"""

import pathlib
import shutil

import pytest

from protocol import streams
from tests.fixtures import content, processes
from tests.integration import test_backup as backing
from tests.integration import test_kill as story
from tests.integration import test_restore as restoring

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

EAST, WEST = processes.CLUSTERS


async def test_the_drill_the_log_is_lost_and_the_keys_are_not(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await restoring._begin(realm)
        await realm.rolled_out(await realm.merge(content.second(), "second"))
        before, accounts = await realm.uids(backing.EVERYTHING), await _accounts(realm)
        held = {name: (tmp_path / f"{name}.json").read_bytes() for name in realm.agents}
        await _lose(realm, streams.LOG.name, streams.REPORTS.name)

        told = await backing._told(realm)
        assert "nothing is published" in told
        await _strangers(realm, EAST, WEST)
        assert f"2 agents of accounts that the log does not know: {EAST}, {WEST}" in _line(
            await backing.flotilla("status", *backing._hub(realm))
        )
        last = realm.repository.merge(restoring._without_settings(), "after", at=processes.bootstrap.utc_now())
        spec = {**story.SPEC, "url": realm.repository.url}
        await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec}))

        # One comes back by a declaration of its name, which knows the labels, the other by the way out of recovery.
        added = _line(await backing.flotilla("cluster", "add", EAST, "--label", "env=prod", *backing._hub(realm)))
        assert added == f"cluster {EAST} taken back; its agent is there, and needs nothing new"
        await _strangers(realm, WEST)
        said = _line(await backing.flotilla("hub", "recover", "--reason", "the log was lost", *backing._hub(realm)))
        assert f"cluster {WEST} was taken back without its labels" in said
        assert await realm.uids(backing.EVERYTHING) == before
        await backing.flotilla("cluster", "label", WEST, "env=prod", *backing._hub(realm))
        await realm.rolled_out(last)

        after = await realm.uids(backing.EVERYTHING)
        assert {name: after.get(name) for name in before} == before
        rows = await realm.ask(lambda: realm.api.items("clusters"))
        assert [(one["name"], one["epoch"], bool(one["orphans"])) for one in rows] == [(EAST, 2, True), (WEST, 2, True)]
        folded = await realm.fold()
        assert (folded.fleet.epoch, folded.fleet.recovering, folded.ledger.debts) == (2, "", {})
        assert {one.name: (one.id, one.uid) for one in folded.clusters.values()} == accounts
        assert all(one.entry.file_key for one in folded.clusters.values()), "the log knows who is let in"
        assert {name: (tmp_path / f"{name}.json").read_bytes() for name in realm.agents} == held
        assert [one.deaths for one in realm.agents.values()] == [0, 0]


async def _lose(realm: processes.Realm, *names: str) -> None:
    await realm.hub.pause()
    await realm.nats.pause()
    for name in names:
        [place] = (realm.hub_directory / "nats" / "store").glob(f"jetstream/*/streams/{name}")
        shutil.rmtree(place)
    await realm.nats.resume()
    await realm.hub.resume()


async def _accounts(realm: processes.Realm) -> dict[str, tuple[str, str]]:
    folded = await realm.fold()
    return {one.name: (one.id, one.uid) for one in folded.clusters.values()}


async def _strangers(realm: processes.Realm, *names: str) -> None:
    """Wait until these agents, and no others, have said who they are and are not known to the log."""

    async def so() -> bool:
        found = (await restoring._status(realm))["strangers"]
        return [one["name"] for one in found if not one["problem"]] == list(names)

    await processes.until(f"the hub hears {names}", so)


def _line(said: str) -> str:
    """Without the breaks of a narrow terminal."""
    return " ".join(said.split())
