"""Nothing is deleted because something was missing, and the reason is there to read (I1).

One fleet goes through every odd state of Git in turn; after each it is repaired and goes on.
"""

import pathlib
from typing import Any

import pytest

from controller.demo import repository
from protocol import ids
from tests.fixtures import content, processes
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

EVERYTHING = {**story.STAYING, **story.LEAVING}
SETTINGS = "apps/storefront/settings.yaml"


async def test_an_odd_state_of_git_deletes_nothing_and_says_why(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        commit = await _begin(realm)
        before = await realm.uids(EVERYTHING)
        gone = tmp_path / "moved-away.git"

        (tmp_path / "fleet.git").rename(gone)
        assert "cannot be fetched" in await _reason(realm, "failing")
        gone.rename(tmp_path / "fleet.git")
        await _reason(realm, "resolved")

        await realm.merge({"README.md": "nothing else\n"}, "empty the repository")
        assert "paths entry" in await _reason(realm, "failing")
        realm.repository.reset(commit)
        await _reason(realm, "resolved")

        without = {path: text for path, text in content.second().items() if not path.startswith("platform/")}
        await realm.merge(without, "a path vanishes")
        assert "platform/*" in await _reason(realm, "failing")
        realm.repository.reset(commit)
        await _reason(realm, "resolved")

        assert await realm.uids(EVERYTHING) == before
        assert (await realm.fold()).ledger.sets == {}


async def test_what_left_git_beside_a_broken_bundle_is_kept_until_it_is_whole(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await realm.uids(EVERYTHING)

        broken = {**content.third(), "platform/policies/quota.yaml": "kind: [\n"}
        commit = await realm.merge(broken, "drop the promotion, and break another bundle")
        await _completed(realm, commit)
        kept = [
            (await realm.ask(lambda name=name: realm.api.get(f"clusters/{name}")))["kept"]
            for name in processes.CLUSTERS
        ]
        assert [len(one) for one in kept] == [1, 1]
        assert "promotion" in kept[0][0]
        assert "platform/policies/quota.yaml" in await _reason(realm, "degraded")
        assert await realm.uids(EVERYTHING) == before

        await realm.rolled_out(await realm.merge(content.third(), "mend it"))

        async def pruned() -> bool:
            return not await realm.uids({"promotion": EVERYTHING["promotion"]})

        await processes.until("the promotion is pruned", pruned)


async def test_an_object_that_moves_keeps_its_uid(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await realm.uids(EVERYTHING)
        files = content.second()

        renamed = {("apps/storefront/renamed.yaml" if path == SETTINGS else path): text for path, text in files.items()}
        await realm.rolled_out(await realm.merge(renamed, "another file"))
        moved = {("apps/checkout/settings.yaml" if path == SETTINGS else path): text for path, text in files.items()}
        moved["apps/checkout/flotilla.yaml"] = "name: checkout\ndefaultNamespace: shop\n"
        await realm.rolled_out(await realm.merge(moved, "another bundle"))
        newer = {**moved, "apps/checkout/disruption.yaml": moved["apps/checkout/disruption.yaml"] + "# changed\n"}
        await realm.rolled_out(await realm.merge(newer, "and on"))

        assert await realm.uids(EVERYTHING) == before
        assert (await realm.fold()).ledger.sets == {}


async def test_an_unrelated_history_touches_nothing_until_it_is_accepted(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await realm.uids(EVERYTHING)
        stranger = repository.Repository(tmp_path / "stranger.git")
        strange = {path: text for path, text in content.second().items() if not path.startswith("apps/checkout/")}
        seen = stranger.merge(strange, "another beginning", at=processes.bootstrap.utc_now())
        (tmp_path / "fleet.git").rename(tmp_path / "moved-away.git")
        (tmp_path / "stranger.git").rename(tmp_path / "fleet.git")

        reason = await _reason(realm, "waiting")
        await realm.ask(lambda: realm.api.post(f"sources/{processes.SOURCE}/sync", {}))
        assert seen in reason
        assert f"flotilla source accept {processes.SOURCE}" in reason
        assert await realm.uids(EVERYTHING) == before
        await realm.ask(lambda: realm.api.post(f"sources/{processes.SOURCE}/accept", {"commit": seen}))
        await _completed(realm, seen)

        # What the other history lacks is a whole bundle: its deletion is held, as ever.
        assert await realm.uids(EVERYTHING) == before
        assert len((await realm.fold()).ledger.sets) == 1
        assert (await realm.fold()).sources[ids.SourceName(processes.SOURCE)].unrelated_seen == ""


async def _begin(realm: processes.Realm) -> str:
    """The second commit everywhere: it holds all that the tests look at."""
    spec = {**story.SPEC, "url": realm.repository.url}
    commit = realm.repository.merge(content.second(), "begin", at=processes.bootstrap.utc_now())
    await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
    await realm.rolled_out(commit)
    assert len(await realm.uids(EVERYTHING)) == len(EVERYTHING) * len(processes.CLUSTERS)
    return commit


async def _reason(realm: processes.Realm, state: str) -> str:
    """Wait until the source is in this state; what it says about it."""
    found: dict[str, Any] = {}

    async def reached() -> bool:
        found.update((await realm.ask(lambda: realm.api.items("sources")))[0])
        return str(found["state"]).lower() == state

    await processes.until(f"the source is {state}", reached)
    detail = await realm.ask(lambda: realm.api.get(f"sources/{processes.SOURCE}"))
    return f"{found['reason']} {detail['problems']}"


async def _completed(realm: processes.Realm, commit: str) -> None:
    async def complete() -> bool:
        rollouts = await realm.ask(lambda: realm.api.items("rollouts"))
        return any(commit in one["revision"] and one["phase"] == "completed" for one in rollouts)

    await processes.until(f"the rollout of {commit[:12]}", complete)
