"""The reflector against a scripted API server: what it asks for, what it passes on, and when it begins anew."""

import asyncio
import contextlib
import gc
import random
import tracemalloc
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from structlog import testing

from agents import clock
from agents.domain import ownership, scopes
from agents.domain.ownership import Sighting
from agents.kube import client, reflector
from protocol import ids
from tests.agents import scripted
from tests.agents.scripted import Script, bookmark, event, metadata, page, status, stream

SCOPE = scopes.Scope("", "ConfigMap", "web", "v1", "configmaps")
PACE = reflector.Pace(silence_s=30, base_s=0.02, ceiling_s=0.1, forbidden_s=0.05)
BYTES_PER_OBJECT_MAX = 400
"""Of memory; 0.3 KB and what the measuring itself costs."""


def name(of: str) -> ids.ObjectId:
    return ids.ObjectId("", "ConfigMap", "web", of)


class Receiver:
    """Writes down what it sees of some members."""

    def __init__(self, *names: str) -> None:
        self.names = {name(one) for one in names}
        self.seen: list[tuple[str, Sighting]] = []
        self.refusals = 0
        self.vanishings = 0

    def members(self, scope: scopes.Scope) -> Collection[ids.ObjectId]:
        assert scope == SCOPE
        return self.names

    def see(self, of: ids.ObjectId, sighting: Sighting) -> None:
        self.seen.append((of.name, sighting))

    def refused(self, scope: scopes.Scope) -> None:
        assert scope == SCOPE
        self.refusals += 1

    def vanished(self, scope: scopes.Scope) -> None:
        assert scope == SCOPE
        self.vanishings += 1

    @property
    def told(self) -> list[tuple[str, str]]:
        """Names, and the versions in which they were seen; those that are gone with a minus."""
        return [(of, f"-{seen.version}" if seen.gone else seen.version) for of, seen in self.seen]


@contextlib.asynccontextmanager
async def running(api: client.Client, receiver: Receiver, pace: reflector.Pace = PACE) -> AsyncIterator[None]:
    made = reflector.Reflector(
        api, SCOPE, receiver=receiver, pace=pace, clocks=clock.SystemClock(), chance=random.Random(1)
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.run())
        try:
            yield
        finally:
            task.cancel()


async def followed(
    tmp_path: Path, receiver: Receiver, script: Script, pace: reflector.Pace = PACE
) -> list[tuple[str, str]]:
    """Run until the script is over. What was asked: lists with where they continue, watches with where they begin."""
    async with scripted.serving(script, tmp_path) as api, running(api, receiver, pace):
        async with asyncio.timeout(60):
            await script.over.wait()
    return [
        (what, query.get("continue", "") if what == "list" else query["resourceVersion"])
        for what, query in script.asked
    ]


async def test_it_lists_page_by_page_and_watches_from_there(tmp_path: Path) -> None:
    """Members that are in the list are seen, others pass unread, and those that are not in it are gone."""
    receiver = Receiver("a", "b", "lost")
    lists = [page(7, metadata("a", 3), metadata("foreign", 4), following="more"), page(7, metadata("b", 5))]
    script = Script(lists, [stream(event("MODIFIED", metadata("a", 8)), event("DELETED", metadata("b", 9)))])

    assert await followed(tmp_path, receiver, script) == [
        ("list", ""),
        ("list", "more"),
        ("watch", "7"),
        ("watch", "9"),
    ]
    assert receiver.told == [("a", "3"), ("b", "5"), ("lost", "-7"), ("a", "8"), ("b", "-9")]
    assert [query["limit"] for what, query in script.asked if what == "list"] == ["500", "500"]
    assert all(query["allowWatchBookmarks"] == "true" for what, query in script.asked if what == "watch")


async def test_what_it_passes_on_is_the_digest_of_our_fields(tmp_path: Path) -> None:
    receiver = Receiver("a")
    changes = [
        event("MODIFIED", metadata("a", 8, uid="u")),
        event("MODIFIED", metadata("a", 9, uid="u", colour="f:red")),
    ]
    await followed(tmp_path, receiver, Script([page(7)], [stream(*changes)]))

    digests = [ownership.digest({"f:data": {colour: {}}}, "") for colour in ("f:blue", "f:red")]
    assert receiver.seen[1:] == [("a", Sighting("u", "8", digests[0])), ("a", Sighting("u", "9", digests[1]))]


async def test_a_bookmark_moves_the_place_to_go_on_from(tmp_path: Path) -> None:
    asked = await followed(tmp_path, Receiver(), Script([page(7)], [stream(bookmark(40))]))

    assert asked == [("list", ""), ("watch", "7"), ("watch", "40")]


@pytest.mark.parametrize(
    "expired",
    [status(410), stream(event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"}))],
    ids=["as an answer", "as an event"],
)
async def test_a_version_that_is_forgotten_makes_it_list_anew(tmp_path: Path, expired: scripted.Answer) -> None:
    """What was deleted meanwhile is found to be gone."""
    receiver = Receiver("a", "b")
    script = Script([page(7, metadata("a", 3), metadata("b", 4)), page(90, metadata("a", 80))], [expired])

    assert await followed(tmp_path, receiver, script) == [("list", ""), ("watch", "7"), ("list", ""), ("watch", "90")]
    assert receiver.told == [("a", "3"), ("b", "4"), ("a", "80"), ("b", "-90")]


async def test_a_version_that_the_server_does_not_take_makes_it_list_anew(tmp_path: Path) -> None:
    """As after another server took its place: it would refuse that version for ever."""
    receiver = Receiver("a")
    script = Script([page(7, metadata("a", 3)), page(9, metadata("a", 8))], [status(400)])

    assert await followed(tmp_path, receiver, script) == [("list", ""), ("watch", "7"), ("list", ""), ("watch", "9")]
    assert receiver.told == [("a", "3"), ("a", "8")]


async def test_a_list_that_takes_too_long_begins_anew_and_tells_nothing_of_what_it_did_not_reach(
    tmp_path: Path,
) -> None:
    receiver = Receiver("a", "b")
    lists = [page(7, metadata("a", 3), following="more"), status(410), page(9, metadata("a", 3), metadata("b", 8))]

    assert await followed(tmp_path, receiver, Script(lists, [])) == [
        ("list", ""),
        ("list", "more"),
        ("list", ""),
        ("watch", "9"),
    ]
    assert receiver.told == [("a", "3"), ("a", "3"), ("b", "8")]


async def test_a_list_that_is_never_whole_is_a_failure_and_tried_again(tmp_path: Path) -> None:
    lists = [page(7, following="more"), status(410)] * reflector.LISTS_MAX + [page(9)]
    asked = await followed(tmp_path, Receiver(), Script(lists, []))

    assert asked[-1] == ("watch", "9")


async def test_a_silent_watch_is_cut_and_made_anew_from_where_it_was(tmp_path: Path) -> None:
    silent = stream(bookmark(8), then=asyncio.Event())
    pace = reflector.Pace(silence_s=1.0, base_s=0.02, ceiling_s=0.1)

    assert (await followed(tmp_path, Receiver(), Script([page(7)], [silent]), pace))[:3] == [
        ("list", ""),
        ("watch", "7"),
        ("watch", "8"),
    ]


async def test_it_waits_as_long_as_the_server_asks_and_does_not_list_again(tmp_path: Path) -> None:
    receiver = Receiver("a")
    busy = status(429, {"Retry-After": "1"})
    begun = asyncio.get_running_loop().time()

    assert await followed(tmp_path, receiver, Script([page(7)], [busy])) == [
        ("list", ""),
        ("watch", "7"),
        ("watch", "7"),
    ]
    assert asyncio.get_running_loop().time() - begun >= 1


async def test_failures_are_tried_again_and_told_once(tmp_path: Path) -> None:
    broken = [status(500), status(500), status(500), stream(event("ERROR", {"code": 500})), stream(b"no json\n")]
    with testing.capture_logs() as logs:
        asked = await followed(tmp_path, Receiver(), Script([status(503), page(7)], [*broken]))

    assert asked == [("list", ""), ("list", ""), *[("watch", "7")] * 6]
    assert [line["reason"] for line in logs if "reason" in line] == ["InternalError", "Unexpected"]


async def test_what_it_may_not_watch_is_told_once_and_asked_again_seldom(tmp_path: Path) -> None:
    receiver = Receiver("a")
    with testing.capture_logs() as logs:
        asked = await followed(tmp_path, receiver, Script([status(403), status(403), page(7)], []))

    assert asked == [("list", "")] * 3 + [("watch", "7")]
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("not watched; the resync looks instead", "Forbidden")
    ]
    assert receiver.refusals == 2


async def test_a_collection_that_is_not_served_is_asked_for_again_soon_and_listed_anew(tmp_path: Path) -> None:
    """Its definition was deleted, and made again: versions of before may mean anything."""
    receiver = Receiver("a")
    lists = [page(7, metadata("a", 3)), status(404), page(4, metadata("a", 4))]
    pace = reflector.Pace(silence_s=30, base_s=0.02, ceiling_s=0.1, forbidden_s=3600)

    assert await followed(tmp_path, receiver, Script(lists, [status(404)]), pace) == [
        ("list", ""),
        ("watch", "7"),
        ("list", ""),
        ("list", ""),
        ("watch", "4"),
    ]
    assert (receiver.told, receiver.vanishings) == ([("a", "3"), ("a", "4")], 2)


async def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_hot_loop(tmp_path: Path) -> None:
    begun = asyncio.get_running_loop().time()
    await followed(tmp_path, Receiver(), Script([page(7)], [stream()] * 8))

    assert asyncio.get_running_loop().time() - begun >= 0.3


async def test_an_event_in_many_pieces_is_one_event(tmp_path: Path) -> None:
    receiver = Receiver("a")
    whole = event("MODIFIED", metadata("a", 8)) + event("MODIFIED", metadata("a", 9))
    pieces = [whole[at : at + 10] for at in range(0, len(whole), 10)]
    await followed(tmp_path, receiver, Script([page(7, metadata("a", 3))], [stream(*pieces)]))

    assert receiver.told == [("a", "3"), ("a", "8"), ("a", "9")]


async def test_what_is_remembered_of_an_object_is_small(tmp_path: Path) -> None:
    """The figure of the design: 0.3 KB, whatever the object weighs."""
    count = 5000
    names = [f"object-{number}" for number in range(count)]
    receiver = Receiver(*names)
    known: dict[ids.ObjectId, Sighting] = {}
    ids_of = {of.name: of for of in receiver.names}
    pages = [
        page(7, *(metadata(one, 100_000_000 + at, uid=f"{at:036}") for one in names[at : at + 500]),
             following="more" if at + 500 < count else "")
        for at in range(0, count, 500)
    ]  # fmt: skip
    script = Script(pages, [])
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    receiver.see = lambda of, sighting: known.__setitem__(ids_of[of.name], sighting)  # type: ignore[method-assign]
    await followed(tmp_path, receiver, script)
    script.asked.clear()
    del pages
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(known) == count
    per_object = (after - before) / count
    print(f"{per_object:.0f} bytes an object")
    assert per_object < BYTES_PER_OBJECT_MAX
