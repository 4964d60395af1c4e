"""One collection of the API server, kept in sight: listed once, then watched, and never trusted to be silent.

  list, page by page ─▶ every member seen, or gone ─▶ watch from there ─▶ each change ─▶ watch again from the last one
        ▲                                                                                      │
        └──────────────────────────────── 410: that version is forgotten ◀────────────────────┘

Nothing is kept here but the version to go on from: objects are asked for without their content, and what passes is a
`Sighting` of a member, which the receiver compares with what it knows. A watch that says nothing, not even a bookmark,
for too long is cut and made anew. What fails is tried again, less and less often, and as late as the server asks.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Protocol, TypeVar

import msgspec
import structlog

from agents import clock
from agents.domain import ownership, retry, scopes
from agents.kube import client, errors
from protocol import ids

T = TypeVar("T")

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

STEADY_S = 5.0
"""A watch that lived so long was a good one: what ends it later begins a new count of failures."""

LISTS_MAX = 3
"""Lists begun anew because they took longer than the server remembers their version, before that counts as failed."""


class Pace(msgspec.Struct, frozen=True):
    """How long everything may take; in seconds."""

    silence_s: float = 180.0
    """Without a word from a watch: the API server sends a bookmark about once a minute, so three were missed."""
    duration_s: float = 300.0
    """A watch is asked to end after one to two times this, as client-go does, so that API servers share the load."""
    base_s: float = 0.5
    """First pause after a failure; doubled each time."""
    ceiling_s: float = 60.0
    """Longest pause between tries."""
    forbidden_s: float = 300.0
    """Pause where watching is not allowed: somebody may allow it, and the resync looks meanwhile."""


class Source(Protocol):
    """The API server, as far as it is read here."""

    async def read(self, path: str, params: Mapping[str, str], *, accept: str) -> bytes:
        """An answer."""

    def watch(
        self, path: str, params: Mapping[str, str], *, accept: str, silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch."""


class Receiver(Protocol):
    """Who is told."""

    def members(self, scope: scopes.Scope) -> Collection[ids.ObjectId]:
        """What to look for in the collection; all else passes unread."""

    def see(self, of: ids.ObjectId, sighting: ownership.Sighting) -> None:
        """A member, as it is now."""

    def refused(self, scope: scopes.Scope) -> None:
        """The collection may not be watched."""

    def vanished(self, scope: scopes.Scope) -> None:
        """The collection is not served, at least not in this version."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    managed_fields: msgspec.Raw = msgspec.Raw(b"null")
    """Read for members only."""


class _Item(msgspec.Struct):
    metadata: _Metadata


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[_Item] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Refusal(msgspec.Struct):
    code: int = 500


_page = msgspec.json.Decoder(_Page)
_event = msgspec.json.Decoder(_Event)
_item = msgspec.json.Decoder(_Item)
_refusal = msgspec.json.Decoder(_Refusal)
_managed = msgspec.json.Decoder(list[dict[str, object]] | None)


class Reflector:
    """Watches one scope."""

    def __init__(
        self,
        api: Source,
        scope: scopes.Scope,
        *,
        receiver: Receiver,
        pace: Pace,
        clocks: clock.Clock,
        chance: random.Random,
    ) -> None:
        self._api = api
        self._scope = scope
        self._receiver = receiver
        self._pace = pace
        self._clock = clocks
        self._chance = chance
        self._version = ""
        """To go on from; empty: the collection has to be listed."""
        self._attempt = 0
        self._told = ""
        self._log = structlog.get_logger().bind(scope=str(scope))
        self.synced = False
        """Whatever happens to a member now is seen, or will be once the connection is back."""

    async def run(self) -> None:
        """Keep the collection in sight, for ever."""
        while True:
            begun = self._clock.monotonic()
            pause_s = 0.0
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except errors.KubeError as error:
                if isinstance(error, errors.Expired | errors.Invalid):
                    self._version = ""  # forgotten (410), or not what this server takes: it would say so for ever
                pause_s = self._failed(error, begun)
            else:
                # A server that ends every watch at once is as bad as one that refuses it.
                pause_s = 0.0 if self._clock.monotonic() - begun >= STEADY_S else self._pause()
            await asyncio.sleep(pause_s)

    def _failed(self, error: errors.KubeError, begun: float) -> float:
        """Seconds to wait after it. What is new is told once, what is usual (a connection broke) is not."""
        if self._clock.monotonic() - begun >= STEADY_S:
            self._attempt = 0
        if isinstance(error, errors.Forbidden):
            self.synced = False
            self._say(error)
            self._receiver.refused(self._scope)
            return retry.jittered(self._pace.forbidden_s, self._chance.random())
        if isinstance(error, errors.NotServed):
            # Its definition was deleted, or serves another version: what comes back later is listed anew.
            self.synced, self._version = False, ""
            self._receiver.vanished(self._scope)
        if self._attempt:
            self._say(error)
        return max(self._pause(), error.retry_after_s)

    def _pause(self) -> float:
        delay = retry.backoff(
            self._attempt, base_s=self._pace.base_s, ceiling_s=self._pace.ceiling_s, chance=self._chance.random()
        )
        self._attempt += 1
        return delay

    def _say(self, error: errors.KubeError) -> None:
        if self._told != error.reason:
            self._told = error.reason
            self._log.warning("not watched; the resync looks instead", reason=error.reason, error=str(error))

    def _seen(self) -> None:
        self._attempt, self._told = 0, ""

    async def _list(self) -> None:
        """Every page of the collection; members that are on none are gone."""
        for attempt in range(LISTS_MAX):
            try:
                self._version = await self._pages()
            except errors.Expired:
                if attempt == LISTS_MAX - 1:
                    raise
            else:
                self.synced = True
                return

    async def _pages(self) -> str:
        members = frozenset(self._receiver.members(self._scope))
        found: set[ids.ObjectId] = set()
        query = {"limit": str(client.PAGE_ITEMS)}
        for _ in range(client.PAGES_MAX):
            body = await self._api.read(self._scope.path, query, accept=f"{client.METADATA_ONLY},{client.JSON}")
            page = _decoded(_page, body, self._scope.path)
            for item in page.items or ():
                of = self._id(item.metadata)
                if of in self._receiver.members(self._scope):
                    found.add(of)
                    self._receiver.see(of, _sighting(item.metadata, gone=False))
            if not page.metadata.continue_:
                # Only what was a member when the list began: what is newer may have been created behind its pages.
                for of in members - found:
                    self._receiver.see(of, ownership.Sighting("", page.metadata.resource_version, 0, gone=True))
                return page.metadata.resource_version
            query["continue"] = page.metadata.continue_
        raise errors.Unexpected(f"{self._scope.path}: more than {client.PAGES_MAX} pages")

    async def _watch(self) -> None:
        """Pass on changes until the server ends the watch."""
        duration_s = self._pace.duration_s * (1 + self._chance.random())
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(duration_s))),
        }
        lines = self._api.watch(self._scope.path, query, accept=METADATA, silence_s=self._pace.silence_s)
        async with contextlib.aclosing(lines):
            async for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        event = _decoded(_event, line, self._scope.path)
        if event.type == "ERROR":
            code = _decoded(_refusal, event.object, self._scope.path).code
            raise errors.from_response(f"WATCH {self._scope.path}", code, body=bytes(event.object), headers={})
        metadata = _decoded(_item, event.object, self._scope.path).metadata
        self._version = metadata.resource_version or self._version
        self._seen()
        if event.type == "BOOKMARK":
            return
        of = self._id(metadata)
        if of in self._receiver.members(self._scope):
            self._receiver.see(of, _sighting(metadata, gone=event.type == "DELETED"))

    def _id(self, metadata: _Metadata) -> ids.ObjectId:
        return ids.ObjectId(self._scope.group, self._scope.kind, metadata.namespace, metadata.name)


def _sighting(metadata: _Metadata, *, gone: bool) -> ownership.Sighting:
    if gone:
        return ownership.Sighting(metadata.uid, metadata.resource_version, ownership.NOTHING_OURS, gone=True)
    entries = _decoded(_managed, metadata.managed_fields, metadata.name) or ()
    return ownership.Sighting(metadata.uid, metadata.resource_version, ownership.owned(entries))


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.Unexpected(f"{what}: the answer is not what the API says") from error
