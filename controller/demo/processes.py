"""The demo's child processes: started, waited for until they say that they are ready, and ended with the demo."""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from controller import errors

READY_TIMEOUT_S = 180.0
"""A start that takes longer has failed; on a busy machine of two cores they take a few seconds."""

STOP_TIMEOUT_S = 60.0
"""For ending in order; then it is killed."""

LAST_WORDS = 12
"""Lines of a dead child's log that the error shows."""


class ChildError(errors.Terminal):
    """A process of the demo did not start, or ended by itself."""


class Child:
    """One running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: pathlib.Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self) -> dict[str, Any]:
        """Wait for its one line of JSON; raise ChildError if it ends or stays silent."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise ChildError(f"{self.name}: not ready after {READY_TIMEOUT_S:g} s (see {self.log})") from error
        if not line:
            raise ChildError(f"{self.name}: ended at its start:\n{self.last_words()}")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    async def ended(self) -> None:
        """Wait until it ends, and raise ChildError: none of them should."""
        code = await self._process.wait()
        raise ChildError(f"{self.name}: ended with code {code}:\n{self.last_words()}")

    async def stop(self) -> None:
        """End it in order; kill it if it does not."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
                self.thaw()  # one that stands still hears nothing
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Let it stand still: for everybody else, it is as if its network were gone."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_WORDS:])


async def start(
    name: str, words: Sequence[str], *, directory: pathlib.Path, environment: Mapping[str, str] | None = None
) -> Child:
    """Start `flotilla WORDS…` in a session of its own: Ctrl-C is the demo's to handle."""
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "protocol.dispatch",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    return Child(name, process, log)


@contextlib.asynccontextmanager
async def family() -> AsyncIterator[list[Child]]:
    """A list of children that are ended, last started first, whatever happens."""
    children: list[Child] = []
    try:
        yield children
    finally:
        for child in reversed(children):
            await asyncio.shield(child.stop())


def on_signal(stop: asyncio.Event) -> None:
    """Set the event on Ctrl-C and on SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
