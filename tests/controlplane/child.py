"""A child process that cannot outlive the test run."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

STOP_S = 5.0
"""How long a child may take to leave after SIGTERM; what it holds is thrown away, so patience buys nothing."""

TAIL_LINES = 15
TAIL_BYTES = 16_384

_PR_SET_PDEATHSIG = 1


def _dies_with(parent: int) -> Callable[[], None] | None:
    """What the child does between fork and exec, so that a killed test run leaves no server behind.

    The library is loaded before the fork: the child of a process with threads must not take a lock.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


class Child:
    """A running program whose output goes to a file."""

    def __init__(self, arguments: list[str | Path], log: Path) -> None:
        # The signal comes when the *thread* that forked ends: an executor's worker would take the child along.
        assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
        self.name = Path(arguments[0]).name
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_dies_with(os.getpid()),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit code, once it has left by itself."""
        return self._process.wait(seconds)

    def tail(self) -> str:
        """The last lines that the program wrote, for the message of an error."""
        text = self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
        return "\n".join(f"  {self.name}: {line}" for line in text.splitlines()[-TAIL_LINES:])

    def stop(self) -> None:
        """Ask it to leave, and make sure that it has left."""
        if self.running():
            self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
