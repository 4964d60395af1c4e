"""Polling real repositories: whatever goes wrong with a source, its last good catalog stays in force."""

import datetime
import pathlib
import random

import msgspec
import pytest

from controller import errors
from controller.domain import catalogs, retries, sources
from controller.domain.views import sources as sources_view
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool
from protocol import ids, specs
from protocol.events import sources as events
from tests.controller import repositories as origins
from tests.controller.reactors import rig
from tests.controller.reactors.pollers import FEWER, FILES, SHOP, Poller, commit_of, head_of, loops


async def test_a_commit_is_resolved_once_with_all_its_blobs(poller: Poller) -> None:
    await poller.poll()
    await poller.poll()

    [resolved] = await poller.written()
    assert isinstance(resolved, events.RevisionResolved)
    assert (resolved.bundles, resolved.objects, resolved.rollback) == (1, 2, False)
    library = poller.hub.shared.library
    await library.need_catalogs([resolved.catalog])
    await library.need_indexes([origins.content(entry) for entry in library.catalogs[resolved.catalog].entries])
    [index] = library.indexes.values()
    for entry in index.objects:
        assert await library.plain("manifest", entry.manifest)


async def test_a_hub_that_starts_again_resolves_anew_and_brings_lost_blobs_back(
    poller: Poller, store: mirrors.Mirrors, workers: pool.Pool
) -> None:
    await poller.poll()
    streams = poller.hub.streams
    head, stored = await streams.log.last_sequence(), dict(streams.blobs.stored)
    streams.blobs.stored.clear()
    again = Poller(await rig.started(streams), poller.origin, store, workers)

    await again.poll()

    assert await streams.log.last_sequence() == head
    assert streams.blobs.stored.keys() == stored.keys()


async def test_a_failure_is_written_down_once_per_reason_and_the_last_catalog_stays(
    poller: Poller, tmp_path: pathlib.Path
) -> None:
    await poller.look()
    good = poller.source
    poller.origin.path.rename(tmp_path / "away.git")
    await poller.look(2)
    assert "cannot be fetched" in poller.source.failure_reason
    (tmp_path / "away.git").rename(poller.origin.path)
    empty = poller.origin.commit({"README.md": "nothing else\n"})
    await poller.look(2)
    assert "paths entry" in poller.source.failure_reason
    assert (poller.source.catalog, poller.source.revision) == (good.catalog, good.revision)
    poller.origin.commit(FEWER, parents=[empty])
    await poller.look()

    assert [type(one).__name__ for one in await poller.written()] == [
        "RevisionResolved", "ResolveFailed", "ResolveFailed", "RevisionResolved",
    ]  # fmt: skip
    assert poller.source.failure is None


async def test_a_remote_that_answers_again_with_the_same_commit_ends_the_failure(
    poller: Poller, tmp_path: pathlib.Path
) -> None:
    await poller.look()
    poller.origin.path.rename(tmp_path / "away.git")
    await poller.look()
    (tmp_path / "away.git").rename(poller.origin.path)
    await poller.look()

    assert [type(one).__name__ for one in await poller.written()] == [
        "RevisionResolved", "ResolveFailed", "ResolveRecovered",
    ]  # fmt: skip


async def test_a_bundle_in_error_keeps_its_content_with_the_error_beside_it(poller: Poller) -> None:
    await poller.poll()
    before = await _catalog(poller)
    poller.origin.commit({**FEWER, "apps/web/b.yaml": "kind: [\n"})

    await poller.poll()

    [entry] = (await _catalog(poller)).entries
    assert entry.variants == before.entries[0].variants
    assert [problem.path for problem in poller.source.problems] == ["apps/web/b.yaml"]


async def test_what_the_machine_could_not_do_is_tried_again_later_and_later(poller: Poller) -> None:
    """Nobody here has helm. What else is committed meanwhile does not wait for it."""
    chart = {"apps/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"}
    first = poller.origin.commit(chart)
    counts = []
    for waited_s in (0, 29, 1, 59, 1):
        poller.hub.streams.later(waited_s)
        await poller.poll()
        counts.append(poller.retry.count)
    due = poller.retry.due
    poller.origin.commit({**chart, "apps/api/a.yaml": origins.config_map("a")}, parents=[first])
    await poller.poll()
    told = sources_view.detail(poller.hub.shared.looking(), poller.source)

    assert counts == [0, 0, 1, 1, 2]
    assert [type(one).__name__ for one in await poller.written()] == ["RevisionResolved"] * 2
    assert (poller.retry.count, poller.retry.due) == (2, due)
    assert due - poller.hub.streams.now == datetime.timedelta(seconds=120)
    assert [one.endswith(f"(tried again at {due:%Y-%m-%dT%H:%M:%SZ})") for one in told.problems] == [True]
    assert told.source.reason == told.problems[0]


async def test_a_source_is_polled_when_a_bundle_is_to_be_tried_again(
    poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its interval: here an hour."""
    monkeypatch.setattr(retries, "PAUSE_S", 0.001)
    poller.origin.commit({"apps/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"})
    poller.hub.shared.clock = lambda: datetime.datetime.now(datetime.UTC)

    async with loops(poller):
        await poller.begun(3)

    assert poller.source.problem_count == 1


@pytest.mark.parametrize("rewritten", [False, True])
async def test_a_ref_that_moved_back_counts_at_the_second_poll(poller: Poller, rewritten: bool) -> None:
    first = head_of(poller.origin)
    second = poller.origin.commit(FEWER)
    await poller.poll()
    back = (
        poller.origin.commit({**FILES, "apps/web/c.yaml": origins.config_map("c")}, parents=[first])
        if rewritten
        else first
    )
    poller.origin.point(origins.MAIN, back)

    await poller.poll()
    assert commit_of(poller.source) == second
    await poller.poll()

    assert commit_of(poller.source) == back
    [_, seen, resolved] = await poller.written()
    assert isinstance(seen, events.RollbackSeen)
    assert isinstance(resolved, events.RevisionResolved)
    assert (seen.commit, seen.unrelated, resolved.rollback) == (back, False, True)


async def test_a_ref_that_moved_back_and_forth_was_never_moved_back(poller: Poller) -> None:
    first = head_of(poller.origin)
    second = poller.origin.commit(FEWER)
    await poller.poll()
    for _ in range(2):
        poller.origin.point(origins.MAIN, first)
        await poller.poll()
        poller.origin.point(origins.MAIN, second)
        await poller.poll()

    assert commit_of(poller.source) == second
    resolved = [one for one in await poller.written() if isinstance(one, events.RevisionResolved)]
    assert len(resolved) == 1


async def test_what_cannot_be_stored_is_not_written_down_and_the_next_poll_does_both(poller: Poller) -> None:
    poller.hub.streams.blobs.faults.fail()
    with pytest.raises(errors.Transient):
        await poller.poll()
    assert await poller.written() == []

    await poller.poll()

    assert [type(one).__name__ for one in await poller.written()] == ["RevisionResolved"]


async def test_a_source_on_the_same_ref_is_woken_by_the_first_to_resolve_a_commit(poller: Poller) -> None:
    sibling = ids.SourceName("team")
    await poller.hub.declare("team", url=poller.origin.url, paths=("apps/*",), interval_s=3600.0)
    signal = poller.hub.shared.subscribe()

    async with loops(poller):
        while not all(commit_of(poller.hub.world.sources[one]) for one in (SHOP, sibling)):
            await signal.wait()
        newer = poller.origin.commit(FEWER)
        poller.reactor.wake(SHOP)
        while {commit_of(poller.hub.world.sources[one]) for one in (SHOP, sibling)} != {newer}:
            await signal.wait()

    assert sorted(set(poller.opened)) == [SHOP, sibling]


async def test_when_a_source_was_polled_last_is_known_also_if_it_failed(poller: Poller) -> None:
    shared = poller.hub.shared
    assert shared.polled == {}

    await poller.look()
    assert list(shared.polled) == [SHOP]

    shared.polled.clear()
    poller.origin.path.rename(poller.origin.path.with_name("gone.git"))
    await poller.look()
    assert list(shared.polled) == [SHOP]
    assert poller.source.failure is not None


async def test_a_suspended_source_is_not_polled_until_it_is_resumed(poller: Poller) -> None:
    command = specs.ManagedBy.COMMAND
    await poller.hub.run(lambda world: sources.suspend(world.sources[SHOP], "of the test", by=command))
    await poller.hub.declare("other", url=poller.origin.url, interval_s=3600.0)
    signal = poller.hub.shared.subscribe()

    async with loops(poller):
        while not commit_of(poller.hub.world.sources[ids.SourceName("other")]):
            await signal.wait()
        assert commit_of(poller.source) == ""
        await poller.hub.run(lambda world: sources.resume(world.sources[SHOP]))
        while not commit_of(poller.source):
            await signal.wait()

    assert poller.opened == [ids.SourceName("other"), SHOP]


async def test_a_source_that_is_added_again_is_resolved_again(poller: Poller) -> None:
    await poller.poll()
    spec, command = poller.source.spec, specs.ManagedBy.COMMAND
    await poller.hub.run(lambda world: sources.remove(world.sources[SHOP], prune=False, by=command))
    await poller.hub.run(lambda world: sources.declare(world.sources[SHOP], SHOP, spec, by=command))
    assert not poller.source.catalog

    await poller.poll()

    assert (commit_of(poller.source), bool(poller.source.catalog)) == (head_of(poller.origin), True)


async def test_a_changed_declaration_begins_anew(poller: Poller) -> None:
    signal = poller.hub.shared.subscribe()
    narrower = msgspec.structs.replace(poller.source.spec, paths=("nowhere/*",))

    async with loops(poller):
        while not commit_of(poller.source):
            await signal.wait()
        await poller.hub.run(
            lambda world: sources.declare(world.sources[SHOP], SHOP, narrower, by=specs.ManagedBy.COMMAND)
        )
        while poller.source.failure is None:
            await signal.wait()

    assert "nowhere/*" in poller.source.failure_reason
    assert poller.source.catalog
    assert poller.opened == [SHOP, SHOP]


@pytest.mark.parametrize(
    ("interval_s", "failures", "expected"),
    [(60.0, 0, 60.0), (60.0, 1, 120.0), (60.0, 3, 480.0), (60.0, 4, 600.0), (60.0, 5000, 600.0), (3600.0, 9, 3600.0)],
)
def test_a_source_that_fails_is_asked_less_and_less_often(interval_s: float, failures: int, expected: float) -> None:
    pause = polling.pause_s(interval_s, failures, chance=random.Random(1))

    assert expected * (1 - polling.JITTER) <= pause <= expected * (1 + polling.JITTER)


async def _catalog(poller: Poller) -> catalogs.Catalog:
    await poller.hub.shared.library.need_catalogs([poller.source.catalog])
    return poller.hub.shared.library.catalogs[poller.source.catalog]
