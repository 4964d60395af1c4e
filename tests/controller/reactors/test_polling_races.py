"""Between reading a commit and writing down what it says passes time, in which others decide and blobs grow old."""

from collections.abc import Iterable

import pytest

from controller.reactors import polling
from protocol import sealing
from protocol.events import sources as events
from tests.controller.reactors.pollers import FEWER, Poller, commit_of, head_of


async def test_a_commit_that_another_hub_overtook_is_resolved_anew(poller: Poller) -> None:
    """Else the fleet would go back to it, with bundles of a catalog that may not be kept any more."""
    await poller.poll()
    poller.origin.commit(FEWER)

    with pytest.raises(polling.OvertakenError, match="by somebody else"):
        await poller.poll(lambda: poller.hub.resolve({"apps/web": ["c"]}))

    theirs = poller.source.catalog
    assert commit_of(poller.source) != head_of(poller.origin)
    [*_, last] = await poller.written()
    assert isinstance(last, events.RevisionResolved)
    assert last.catalog == theirs


async def test_a_commit_that_another_hub_resolved_alike_needs_no_second_word(poller: Poller) -> None:
    await poller.poll()
    poller.origin.commit(FEWER)

    await poller.poll(poller.poll)

    assert len(await poller.written()) == 2
    assert commit_of(poller.source) == head_of(poller.origin)


async def test_what_was_stored_long_ago_is_not_named_any_more(poller: Poller) -> None:
    """The machine slept meanwhile, and another hub may have deleted it."""
    streams = poller.hub.streams
    put = streams.blobs.put

    async def sleepily(given: Iterable[sealing.Sealed]) -> None:
        await put(given)
        streams.later(13 * 3600)

    streams.blobs.put = sleepily  # type: ignore[method-assign]
    with pytest.raises(polling.OvertakenError, match="did the machine sleep"):
        await poller.poll()
    streams.blobs.put = put  # type: ignore[method-assign]
    assert await poller.written() == []

    await poller.poll()

    assert commit_of(poller.source) == head_of(poller.origin)


async def test_a_catalog_that_is_lost_is_brought_back_without_a_new_commit(poller: Poller) -> None:
    await poller.poll()
    blobs = poller.hub.streams.blobs
    stored = dict(blobs.stored)
    del blobs.stored[sealing.blob_name(poller.source.catalog)]

    await poller.poll()

    assert blobs.stored == stored
    assert len(await poller.written()) == 1
