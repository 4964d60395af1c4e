"""The process that starts programs for `children`, and the socket to it."""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from controller.render import errors, launcher, limits

_START_S = 30.0
"""The launcher starts in 20 ms; a starved machine takes longer."""

Resources = Mapping[str, tuple[int, int]]
"""What the kernel bounds in each process: the limit's name → soft and hard limit."""


class Launcher:
    """The process that starts programs, and the socket to it."""

    def __init__(self, resources: Resources, *, network: bool) -> None:
        """`resources`: the limits that most programs have. `network`: leave them the network."""
        if sys.platform != "linux":
            raise errors.MissingError("renderers: run on Linux only (it has what their sandbox is made of)")
        self.control, theirs = socket.socketpair()
        self.control.settimeout(_START_S)
        with theirs:
            script = pathlib.Path(launcher.__file__)
            cut = "open" if network else "cut"
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", script, str(theirs.fileno()), cut, json.dumps(resources)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # a Ctrl-C is the caller's to handle
            )
        try:
            self.cut: bool = self.answer()["cut"]
        except BaseException:
            self.close()
            raise

    def start(self, request: Mapping[str, Any], fds: list[int]) -> None:
        """Start a program."""
        data = json.dumps(request).encode()
        try:
            socket.send_fds(self.control, [launcher.RUN], fds)
            self.control.sendall(launcher.LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise lost() from error

    def kill(self) -> None:
        """End the program that runs."""
        with contextlib.suppress(OSError):
            self.control.sendall(launcher.KILL)

    def answer(self) -> dict[str, Any]:
        """What the launcher has to say; raise ChildError if it is gone, or says nothing in time."""
        try:
            header = self.control.recv(launcher.LENGTH.size, socket.MSG_WAITALL)
            if len(header) == launcher.LENGTH.size:
                data = self.control.recv(launcher.LENGTH.unpack(header)[0], socket.MSG_WAITALL)
                answer: dict[str, Any] = json.loads(data)
                return answer
        except (OSError, ValueError) as error:
            raise lost() from error
        raise lost()

    def close(self) -> None:
        """End it; it takes along what runs."""
        self.control.close()
        try:
            self._process.wait(limits.CHILD_LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def lost() -> errors.ChildError:
    """It is gone, or does not answer."""
    return errors.ChildError("renderers: the process that starts them ended (killed?)", errors.Cause.START)
