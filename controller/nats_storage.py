"""An embedded nats-server whose disk was full.

A stream that could not be written takes nothing more until its server is started again, whatever room comes back
(nats-server 2.15 keeps the error with the stream). It says so in its log alone, which stands on the same disk: one that
had next to no room is started again, too, for its last words may be lost. Nothing that was acked is in danger: the
store is read anew, and whoever got no ack sends again.
"""

import asyncio
import contextlib
import pathlib
import shutil
import signal
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

from controller import nats_server

STUCK = b"critical write error"
"""What the server writes of a stream that takes nothing more."""

FULL_BYTES = 1024 * 1024
"""Less than so much free, and a write may have failed between two looks."""

ROOM_BYTES = 64 * 1024 * 1024
"""Free again before it is worth a start: two blocks of a stream, and the hub's own files stand on the same disk."""

LOOK_S = 5.0
"""Between two looks: the hub's own attempts to write are as far apart."""

AGAIN_S = 180.0
"""Between two starts for this reason: a disk that fills up again and again must not use up the starts after crashes."""

READ_BYTES_MAX = 1024 * 1024
"""Of the log, at one look: far more than a server writes in that time, and what is left comes at the next."""

_log = structlog.get_logger()


class Watch:
    """Looks after one server."""

    def __init__(
        self,
        server: nats_server.Server,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        """`clock`: seconds, monotonic."""
        self._server = server
        self._clock = clock
        self._look_s = look_s
        self._room_bytes = room_bytes
        self._read = _size(server.log_file)
        self._stuck = 0
        """Process id of the server that cannot write; 0: none."""
        self._began = float("-inf")
        """When a server was last made to start again."""

    async def run(self) -> NoReturn:
        """Have the server started again, by its `keep_running`, once there is room."""
        while True:
            await asyncio.sleep(self._look_s)
            said = await asyncio.to_thread(self._news)
            free = shutil.disk_usage(self._server.log_file.parent).free
            pid = self._server.pid
            if free < FULL_BYTES or any(line.startswith(b"[%d] " % pid) and STUCK in line for line in said):
                self._stuck = pid
            if self._stuck == pid:
                self._act(free)

    def _act(self, free: int) -> None:
        first = not self._server.problem
        self._server.problem = (
            f"its disk was full: {free // 1024**2} MiB are free, and {self._room_bytes // 1024**2} MiB are needed"
        )
        if first:
            _log.error("nats-server cannot write", reason=self._server.problem)
        if free >= self._room_bytes and self._clock() - self._began >= AGAIN_S:
            self._began = self._clock()
            _log.warning("nats-server is stopped, to be started again", reason="its disk has room again")
            with contextlib.suppress(ProcessLookupError):  # it ended by itself: `keep_running` starts it anyway
                self._server.signal(signal.SIGTERM)

    def _news(self) -> list[bytes]:
        """The lines that the log has beyond what was read."""
        path = self._server.log_file
        if _size(path) < self._read:  # it was turned over
            self._read = 0
        if not path.exists():
            return []
        with path.open("rb") as log:
            log.seek(self._read)
            found = log.read(READ_BYTES_MAX)
        whole = found if len(found) == READ_BYTES_MAX else found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0
