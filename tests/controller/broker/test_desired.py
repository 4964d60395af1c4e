"""Publishing desired states: fenced, in batches and one by one, and what a stale fence does to the others."""

import uuid

import pytest

from controller.broker import desired, doors
from controller.reactors import publishing
from controller.store import records
from protocol import ids

pytestmark = pytest.mark.nats

CLUSTERS = [ids.ClusterId(f"A{number:A>55}") for number in range(60)]


def state(cluster: ids.ClusterId, expected: int = 0, *, body: bytes = b"state") -> publishing.Outgoing:
    return publishing.Outgoing(
        cluster=cluster, body=body, headers={records.ID_HEADER: str(uuid.uuid4())}, expected=expected
    )


@pytest.mark.parametrize("count", [1, desired.BATCH_MIN - 1, desired.BATCH_MIN, 60])
async def test_each_state_is_stored_and_answers_with_its_sequence(hub: doors.Doors, count: int) -> None:
    results = await hub.desired.publish([state(cluster) for cluster in CLUSTERS[:count]])

    stored = await hub.desired.all()
    assert sorted(results) == list(range(1, count + 1))
    assert {one.subject.rpartition(".")[2]: one.sequence for one in stored} == dict(
        zip(CLUSTERS[:count], results, strict=True)
    )


@pytest.mark.parametrize("count", [5, 40])
async def test_a_stale_fence_is_told_and_stops_nobody_else(hub: doors.Doors, count: int) -> None:
    [sequence] = await hub.desired.publish([state(CLUSTERS[3], body=b"of another hub")])

    results = await hub.desired.publish([state(cluster) for cluster in CLUSTERS[:count]])

    assert results[3] == publishing.Stale(sequence)
    assert [type(result) for number, result in enumerate(results) if number != 3] == [int] * (count - 1)
    stored = await hub.desired.last(CLUSTERS[3])
    assert stored is not None
    assert stored.body == b"of another hub"


@pytest.mark.parametrize("count", [5, 40])
async def test_publishing_the_same_again_finds_what_is_stored(hub: doors.Doors, count: int) -> None:
    states = [state(cluster) for cluster in CLUSTERS[:count]]

    first = await hub.desired.publish(states)

    assert await hub.desired.publish(states) == first


async def test_only_the_last_state_of_a_cluster_is_kept(hub: doors.Doors) -> None:
    [first] = await hub.desired.publish([state(CLUSTERS[0])])
    assert isinstance(first, int)
    [second] = await hub.desired.publish([state(CLUSTERS[0], first, body=b"newer")])

    assert [(one.sequence, one.body) for one in await hub.desired.all()] == [(second, b"newer")]


async def test_a_cluster_without_a_state_has_none(hub: doors.Doors) -> None:
    assert await hub.desired.last(CLUSTERS[0]) is None
    assert await hub.desired.all() == []
