"""What stands between an agent and the writes that it may not make: open as long as its lease surely holds.

A write that has begun is not cut off with the task that asked for it: whoever closes the gate waits until the last one
has ended, so that nothing of it arrives after somebody else has started.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agents.kube import errors

T = TypeVar("T")


class Gate:
    """Lets writes through."""

    def __init__(self, is_open: Callable[[], bool]) -> None:
        self._is_open = is_open
        self._under_way: set[asyncio.Future[Any]] = set()

    async def through(self, write: Callable[[], Awaitable[T]]) -> T:
        """Carry out a write; raise NotLeading where it may not begin."""
        self.check()
        working = asyncio.ensure_future(write())
        self._under_way.add(working)
        working.add_done_callback(self._ended)
        return await asyncio.shield(working)

    def check(self) -> None:
        """Raise NotLeading where nothing may be sent; asked once more by a write that had to wait before it sends."""
        if not self._is_open():
            raise errors.NotLeading("write: not begun (another agent may act for this cluster)")

    async def drained(self, timeout_s: float) -> bool:
        """Wait until no write is under way; False: some did not end in time, and are broken off."""
        late: set[asyncio.Future[Any]] = set()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=timeout_s)
        for working in late:
            working.cancel()
        return not late

    def _ended(self, working: "asyncio.Future[Any]") -> None:
        self._under_way.discard(working)
        if not working.cancelled():
            working.exception()  # told to whoever asked; after a cancellation there is nobody to tell
