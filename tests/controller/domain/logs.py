"""A world with the log that it was folded from."""

from controller.domain import world
from protocol import canonical
from protocol.events import log
from tests.controller.domain import examples

Stored = tuple[str, bytes]
"""A record's subject, and its body."""


class Log:
    """A world, and the records that it was folded from, chained as the hub chains them."""

    def __init__(self) -> None:
        self.world = world.World()
        self.stored: list[Stored] = []

    def append(self, *events: log.Event) -> None:
        for event in events:
            subject = world.subject_of(event)
            head = self.world.heads.get(subject)
            record = log.Record(
                id=str(len(self.stored)),
                at=examples.AT,
                by="test",
                previous=head.hash if head is not None else canonical.NO_DIGEST,
                event=event,
            )
            body = log.RECORD.encode(record)
            self.world.take(len(self.stored) + 1, subject, body)
            self.stored.append((subject, body))

    def later(self, index: int) -> int | None:
        """The next record of the same aggregate."""
        subject = self.stored[index][0]
        return next((i for i in range(index + 1, len(self.stored)) if self.stored[i][0] == subject), None)
