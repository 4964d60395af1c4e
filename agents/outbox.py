"""Reports that wait for the hub: on the disk, in the order in which they were said, bounded by number and by bytes.

  say ─▶ fresh (memory) ─▶ one transaction ─▶ disk ─▶ window (memory) ─▶ delivered ─▶ forgotten, some at a time

A report is on the disk before it is sent, so a kill loses none that was said before the last transaction; one that was
delivered and not forgotten yet is delivered again, which changes nothing. Where the disk takes nothing, reports wait in
memory, within the same bounds: a disk that is full must not silence the agent that would tell of it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from agents import errors

WINDOW = 8
"""Letters read from the disk at a time: enough to hide the reading behind the sending, and a few megabytes at most."""


class Letter(msgspec.Struct, frozen=True):
    """One report as it will be sent."""

    subject: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.body)


class Bounds(msgspec.Struct, frozen=True):
    """How much may wait."""

    letters_max: int
    bytes_max: int


class Stored(msgspec.Struct, frozen=True):
    """A letter on the disk; the numbers of letters have no gaps."""

    number: int
    letter: Letter


class Drawer(msgspec.Struct, frozen=True):
    """What lay on the disk when it was opened."""

    first: int = 1
    """Number of the oldest letter, or of the next one where there is none."""
    sizes: tuple[int, ...] = ()
    """Of the letters, the oldest first."""
    lost: int = 0
    """Letters that were ever dropped for want of room."""


class Store(Protocol):
    """The disk."""

    async def drawer(self) -> Drawer:
        """What lies there."""

    async def post(self, letters: Sequence[Stored], *, first: int, lost: int) -> None:
        """Keep these letters and forget those below `first`, durably and in one step; `lost` replaces the number."""

    async def letters(self, after: int, count: int) -> list[Stored]:
        """The oldest letters above a number."""


class Outbox:
    """Letters in their order. Nothing else may deliver from it at the same time."""

    def __init__(self, store: Store, bounds: Bounds) -> None:
        self._store = store
        self._bounds = bounds
        self._fresh: deque[Letter] = deque()
        """Said, and not on the disk."""
        self._window: deque[Stored] = deque()
        """The oldest of those on the disk, read."""
        self._first = 1
        """Number of the oldest letter that waits on the disk."""
        self._sizes: deque[int] = deque()
        """Of the letters that wait on the disk."""
        self._bytes = 0
        """Of all letters that wait."""
        self._unwritten = 0
        """Letters that were delivered or dropped, and that the disk still has."""
        self._opened = False
        self._complained = False
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger()
        self.lost = 0
        """Letters that were ever dropped for want of room."""

    def __len__(self) -> int:
        return len(self._sizes) + len(self._fresh)

    async def open(self) -> None:
        """Learn what waits since the last run."""
        found = await self._store.drawer()
        assert not self._opened, "an outbox is opened once"
        self._first, self._opened = found.first, True
        self._sizes.extend(found.sizes)
        self._bytes += sum(found.sizes)
        self.lost += found.lost
        self._trim()

    def add(self, letter: Letter) -> int:
        """Put a letter behind the others; how many of the oldest had to go for it."""
        self._fresh.append(letter)
        self._bytes += letter.size
        return self._trim()

    async def next(self) -> Letter | None:
        """The oldest letter, on the disk by now; None: there is none."""
        if self._fresh:
            await self.save()
        if not self._window and self._sizes:
            await self._read()
        if self._window:
            return self._window[0].letter
        return self._fresh[0] if self._fresh else None

    def delivered(self, letter: Letter) -> None:
        """This letter, which `next` gave, need not be kept any more; it may have been dropped meanwhile."""
        if self._window and self._window[0].letter is letter:
            self._forget_oldest()
        elif self._fresh and self._fresh[0] is letter:
            self._bytes -= self._fresh.popleft().size

    async def rest(self) -> None:
        """Nothing is to be delivered now: forget what was, once it is worth a transaction."""
        if self._unwritten > WINDOW:
            await self.save()

    async def save(self) -> None:
        """Bring the disk up to date. What it does not take stays in memory."""
        async with self._turn:
            if self._opened and (self._fresh or self._unwritten):
                await self._save()

    async def _save(self) -> None:
        fresh, number = list(self._fresh), self._first + len(self._sizes)
        stored = [Stored(number + offset, letter) for offset, letter in enumerate(fresh)]
        first, lost = self._first, self.lost
        try:
            await self._store.post(stored, first=first, lost=lost)
        except errors.DiskFailed as error:
            self._complain("reports wait in memory", error)
            return
        self._complained = False
        self._moved(stored)
        self._unwritten = (self._first - first) + (self.lost - lost)

    def _moved(self, stored: Sequence[Stored]) -> None:
        """These are on the disk now; some of them may have been dropped while they were written."""
        kept = {id(letter) for letter in self._fresh}
        whole = len(self._window) == len(self._sizes)
        for one in stored:
            if id(one.letter) not in kept:
                self._first = max(self._first, one.number + 1)
                continue
            self._fresh.popleft()
            self._sizes.append(one.letter.size)
            if whole and len(self._window) < WINDOW:
                self._window.append(one)
            else:
                whole = False

    async def _read(self) -> None:
        try:
            found = await self._store.letters(self._first - 1, WINDOW)
        except errors.DiskFailed as error:
            self._complain("waiting reports cannot be read", error)
            return
        # Some may have been dropped while they were read.
        self._window.extend(one for one in found if one.number >= self._first)

    def _complain(self, event: str, error: errors.DiskFailed) -> None:
        """Once, until the disk takes something again: each letter would say it anew."""
        if not self._complained:
            self._log.warning(event, reason=str(error), letters=len(self))
        self._complained = True

    def _trim(self) -> int:
        dropped = 0
        while len(self) > self._bounds.letters_max or self._bytes > self._bounds.bytes_max:
            if len(self) == 1:
                break  # the newest is never dropped: it may be the one that says what was lost
            if self._sizes:
                self._forget_oldest()
            else:
                self._bytes -= self._fresh.popleft().size
            dropped += 1
        if dropped:
            self.lost += dropped
            self._unwritten += dropped
        return dropped

    def _forget_oldest(self) -> None:
        self._bytes -= self._sizes.popleft()
        if self._window and self._window[0].number == self._first:
            self._window.popleft()
        self._first += 1
        self._unwritten += 1
