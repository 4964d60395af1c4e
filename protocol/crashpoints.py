"""Where a process may be killed on purpose, so that tests can show what survives.

The code calls its boundary with a name each time it passes one of the places where the effects before it are durable
and those after it have not begun. In production nothing happens there. With FLOTILLA_CRASH_AT="apply:3" in the
environment the process kills itself, as `kill -9` would, when it passes the boundary `apply` for the third time.
"""

import os
import signal
from collections.abc import Callable, Mapping

VARIABLE = "FLOTILLA_CRASH_AT"

Boundary = Callable[[str], None]
"""Called with the name of the boundary that is being passed."""


class CrashPointError(ValueError):
    """The variable does not name a crash point."""


def ignore(_name: str) -> None:
    """Pass: what production does."""


def from_environment(environment: Mapping[str, str]) -> Boundary:
    """The boundary that the environment asks for; raise CrashPointError if it asks for nonsense."""
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return ignore
    name, colon, times = wanted.partition(":")
    if not name or (colon and not times.isdecimal()) or times == "0":
        raise CrashPointError(f"{VARIABLE}={wanted!r}: not a crash point (name, or name:times, such as apply:3)")
    return _Countdown(name, int(times or 1)).passing


class _Countdown:
    def __init__(self, name: str, times: int) -> None:
        self._name = name
        self._left = times

    def passing(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
