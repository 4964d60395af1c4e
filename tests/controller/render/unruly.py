"""Bundles that misbehave while they are rendered, in a worker process: what a file says is done to the process."""

import os
import pathlib
import signal
from collections.abc import Callable

from controller.git import errors as git_errors
from controller.render import commits, discovery, errors, limits, raw, stages, staging, worker

VERSION = "unruly/1"

REFUSALS: dict[str, Callable[[], Exception]] = {
    "corrupt": lambda: git_errors.Corrupt("object 1: not in the mirror"),
    "malformed": lambda: git_errors.Malformed("object 2: a tree says it is a blob, it is another type"),
    "large": lambda: errors.TooLargeError("commit: more than 1 bundles"),
    "bug": lambda: ZeroDivisionError("division by zero"),
    "missing": lambda: errors.MissingError("helm is not installed"),
}


class Unruly:
    """A stager of plain manifests that does what the bundle's file `deed` says."""

    version = VERSION

    def plan(self, order: staging.Order, commit: commits.Commit, _: Callable[[str], str | None], /) -> staging.Plan:
        _do(*commit.file(f"{order.bundle.path}/deed", bytes_max=limits.SETTINGS_BYTES_MAX).decode().split())
        return raw.plan(order, commit)


class Opened:
    """What a worker has: real mirrors, and the unruly stager."""

    def __init__(self) -> None:
        self.stager = Unruly()
        self._real = worker.Worker(stages.Tools())

    def reader(self, repository: str) -> discovery.Reader:
        return self._real.reader(repository)


def _do(deed: str = "", *where: str) -> None:
    match deed:
        case "":
            return
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once":
            _die_once(pathlib.Path(*where))
        case "say-and-wait":
            _say_and_wait(pathlib.Path(*where))
        case _:
            raise REFUSALS[deed]()


def _die_once(mark: pathlib.Path) -> None:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _say_and_wait(pipe: pathlib.Path) -> None:
    """Tell whoever reads the named pipe who we are, and then stay for as long as nobody ends us."""
    with pipe.open("w") as told:
        told.write(str(os.getpid()))
    signal.pause()
