"""Which blobs may go: those that nothing names any more, once they are old.

Named is what lies on some cluster's subject, what the log's present state refers to, and what it referred to within the
retention, for the time machine and for whoever goes back. Age protects what is under way: a blob is always stored, or
stored again, shortly before something names it, or else taken from what is in force until then; so one that is old and
not named will not be named as it is. The same content that is wanted later is stored anew, under another sequence, and
a deletion names the sequence.

Too much counts as named rather than too little, and nothing is decided here from what could not be read (I1).
"""

import datetime
import re
from collections.abc import Collection, Iterable

import msgspec

from controller.domain import assignments, world
from protocol import canonical
from protocol.canonical import Digest
from protocol.events import log
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events

RETENTION_DAYS = 30.0
"""A month: whoever looks for what changed before an incident, or goes back to the release before, finds it."""

GRACE = datetime.timedelta(days=1)
"""From storing a blob to naming it pass seconds, and minutes while NATS is away; a whole day bears clocks that are
hours apart."""

_ID = re.compile(rb'"([0-9a-f]{64})"')


class Held(msgspec.Struct, frozen=True):
    """A stored blob."""

    name: Digest
    """Its public name, not its id."""
    sequence: int
    at: datetime.datetime
    """When it was stored last, by the server's clock."""
    size: int
    """In bytes, as it is stored."""


class Holding(msgspec.Struct, frozen=True):
    """What the stream of blobs says of itself."""

    blobs: int
    size: int
    """In bytes."""
    at: datetime.datetime
    """The server's time."""


class Swept(msgspec.Struct, frozen=True):
    """What one sweep did."""

    blobs: int = 0
    size: int = 0
    """In bytes."""


class Retained:
    """The catalogs that the log refers to since some time, from event to event in order."""

    def __init__(self, since: datetime.datetime) -> None:
        self._since = since
        self._world: world.World | None = world.World()
        self._catalogs: set[Digest] = set()

    def take(self, sequence: int, subject: str, body: bytes) -> None:
        """Fold one event of the log in; raise BrokenChainError if one before it is missing."""
        record = log.RECORD.decode(body)
        if self._world is not None and record.at < self._since:
            self._world.take(sequence, subject, body)
            return
        self._settle()
        self._catalogs |= catalogs_named(record.event)

    def catalogs(self) -> frozenset[Digest]:
        """Those that were in force at that time, and all that were named since."""
        self._settle()
        return frozenset(self._catalogs)

    def _settle(self) -> None:
        if self._world is not None:
            self._catalogs |= assignments.catalog_digests(self._world)
            self._world = None


def catalogs_named(event: log.Event) -> frozenset[Digest]:
    """The catalogs that an event names."""
    match event:
        case source_events.RevisionResolved():
            named = {event.catalog, event.previous}
        case rollout_events.RolloutStarted():
            named = {event.catalog, event.base}
        case rollout_events.ClustersAdmitted() | rollout_events.RolloutCompleted():
            named = {event.catalog}
        case _:
            named = set()
    return frozenset(named - {canonical.NO_DIGEST})


def blobs_named(plain: bytes) -> frozenset[Digest]:
    """Whatever in canonical JSON may be the id of a blob: a field that is new to this hub's version counts, too."""
    return frozenset(Digest(found.decode()) for found in _ID.findall(plain))


def decide(held: Iterable[Held], named: Collection[Digest], *, before: datetime.datetime) -> tuple[Held, ...]:
    """Those that may go. `named`: by their public names; `before`: younger ones stay, whatever names them."""
    return tuple(one for one in held if one.at < before and one.name not in named)
