"""The log in memory: the same promises as on JetStream, for tests and for simulations."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from controller.store import fences, records


class MemoryStore:
    """The log as a list."""

    def __init__(self) -> None:
        self._events: list[records.Stored] = []
        self._heads: dict[str, int] = {}

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        """Store all events or none, and return the last one's sequence; raise Conflict or BatchTooLarge."""
        fences.check(batch)
        stored = self._stored_already(batch)
        if stored is not None:
            return stored
        expected = {**reads, **{event.subject: event.expected for event in batch if event.expected is not None}}
        for subject, sequence in expected.items():
            found = self._heads.get(subject, 0)
            if found != sequence:
                raise records.Conflict(f"append to {subject}: expected after {sequence} (it is at {found})")
        for event in batch:
            self._store(event)
        return len(self._events)

    async def read(self, after: int) -> AsyncGenerator[records.Stored, None]:
        """All events with a higher sequence up to the last at the time of the call; raise Gap if it ends before."""
        if after > len(self._events):
            raise records.Gap(f"log: ends at {len(self._events)} (event {after} was read before)")
        for event in self._events[after:]:
            yield event

    async def last_sequence(self) -> int:
        """The sequence of the last event; 0: there is none."""
        return len(self._events)

    def _stored_already(self, batch: Sequence[records.Pending]) -> int | None:
        """The last sequence of a batch that is here already: appending it again is no conflict."""
        subject, after = batch[0].subject, batch[0].expected or 0
        first = next((event for event in self._events[after:] if event.subject == subject), None)
        if first is None or first.headers[records.ID_HEADER] != batch[0].headers[records.ID_HEADER]:
            return None
        return first.sequence + len(batch) - 1

    def _store(self, event: records.Pending) -> None:
        sequence = len(self._events) + 1
        self._events.append(
            records.Stored(sequence=sequence, subject=event.subject, body=event.body, headers=dict(event.headers))
        )
        self._heads[event.subject] = sequence
