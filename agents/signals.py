"""A level, not an edge: "look again", however often it is said before somebody looks."""

import asyncio


class Signal:
    """Raised by many, awaited by one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def raise_(self) -> None:
        """Say that there is something to look at."""
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Until it is raised (True) or the time is over (False); lowers it."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
