"""The door to DESIRED: one last value per cluster, published fenced on the one before it.

Many go out as one atomic batch, which costs one sync of the disk. A single stale fence rejects a batch whole and does
not say whose it was: the heads are read again, the stale ones reported, and the rest sent once more.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from controller import errors
from controller.broker import api, batches, connection, pulling
from controller.reactors import publishing
from controller.store import records
from protocol import ids, streams, subjects

BATCH_MAX = 500
"""States in one batch: a few megabytes, staged and committed in some 20 ms."""

BATCH_MIN = 10
"""Below this, messages one by one are faster than a batch."""

CONCURRENT_MAX = 32
"""Requests under way: enough to hide the round trip, few enough to buffer."""

ATTEMPTS_MAX = 5
"""Rounds of sending what is still good before the rest is reported as it stands."""

_STREAM = streams.DESIRED.name
_FENCE = "Nats-Expected-Last-Subject-Sequence"

_log = structlog.get_logger()


Result = int | publishing.Stale
"""The state's new sequence, or the sequence of what somebody else stored."""


class Desired:
    """Publishes and reads desired states."""

    def __init__(self, link: connection.Connection) -> None:
        self._link = link

    async def publish(self, states: Sequence[publishing.Outgoing]) -> list[Result]:
        """Publish each state unless its fence is stale; the results are in the order of the states.

        Raise Unavailable if the server does not answer in time: some may be stored then, and the same call again finds
        them.
        """
        waiting = {state.cluster: state for state in states}
        assert len(waiting) == len(states), "two states for one cluster"
        assert all(len(state.body) < streams.MESSAGE_BYTES_MAX for state in states), "a state larger than a message"
        results: dict[ids.ClusterId, Result] = {}
        for _ in range(ATTEMPTS_MAX):
            results |= await self._send(list(waiting.values()))
            waiting = {cluster: state for cluster, state in waiting.items() if cluster not in results}
            if not waiting:
                return [results[state.cluster] for state in states]
            results |= await self._settle(list(waiting.values()))
            waiting = {cluster: state for cluster, state in waiting.items() if cluster not in results}
        raise errors.Unavailable(f"desired states: {len(waiting)} of {len(states)} not published (no answer in time)")

    async def last(self, cluster: ids.ClusterId) -> records.Stored | None:
        """A cluster's present state, from the stream's leader; None: it has none."""
        return await api.last(self._link, _STREAM, subjects.desired(cluster))

    async def all(self) -> list[records.Stored]:
        """Every cluster's present state, in the order they were published."""
        async with contextlib.aclosing(pulling.read(self._link, _STREAM, after=0)) as states:
            last = {state.subject: state async for state in states}
        return sorted(last.values(), key=lambda state: state.sequence)

    async def _send(self, states: Sequence[publishing.Outgoing]) -> dict[ids.ClusterId, Result]:
        """Those that went through at once; what became of the others is to be found out."""
        results: dict[ids.ClusterId, Result] = {}
        for start in range(0, len(states), BATCH_MAX):
            chunk = states[start : start + BATCH_MAX]
            results |= await (self._send_batch(chunk) if len(chunk) >= BATCH_MIN else self._send_each(chunk))
        return results

    async def _send_batch(self, states: Sequence[publishing.Outgoing]) -> dict[ids.ClusterId, Result]:
        try:
            last = await batches.publish(self._link, [_message(state) for state in states])
        except (api.Fenced, errors.Unavailable) as error:
            _log.info("desired states: batch not stored", states=len(states), reason=str(error))
            return {}
        first = last - len(states) + 1
        return {state.cluster: first + offset for offset, state in enumerate(states)}

    async def _send_each(self, states: Sequence[publishing.Outgoing]) -> dict[ids.ClusterId, Result]:
        async def send(state: publishing.Outgoing) -> Result | None:
            message = _message(state)
            try:
                return await api.publish(self._link, message.subject, message.body, headers=message.headers)
            except (api.Fenced, errors.Unavailable):
                return None

        return await _each(states, send)

    async def _settle(self, states: Sequence[publishing.Outgoing]) -> dict[ids.ClusterId, Result]:
        """Those that are stored after all, and those whose fence is stale; the rest may be sent again."""

        async def settle(state: publishing.Outgoing) -> Result | None:
            try:
                head = await self.last(state.cluster)
            except errors.Unavailable:
                return None
            sequence = head.sequence if head else 0
            if sequence == state.expected:
                return None
            if head and head.headers.get(records.ID_HEADER) == state.headers[records.ID_HEADER]:
                return sequence
            return publishing.Stale(sequence)

        return await _each(states, settle)


async def _each(
    states: Sequence[publishing.Outgoing], ask: Callable[[publishing.Outgoing], Awaitable[Result | None]]
) -> dict[ids.ClusterId, Result]:
    """Ask for each state, a bounded number at a time; those with an answer."""
    results: dict[ids.ClusterId, Result] = {}
    waiting = iter(states)

    async def work() -> None:
        for state in waiting:
            result = await ask(state)
            if result is not None:
                results[state.cluster] = result

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONCURRENT_MAX, len(states))):
            group.create_task(work())
    return results


def _message(state: publishing.Outgoing) -> batches.Outgoing:
    headers = state.headers | {_FENCE: str(state.expected)}
    return batches.Outgoing(subject=subjects.desired(state.cluster), body=state.body, headers=headers)
