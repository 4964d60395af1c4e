"""What can be wrong with the content of a commit.

    RenderError
    ├── UnreadableError          one file: not YAML or JSON as Kubernetes reads it, with the line
    │   ├── OverlayError         a file of an overlay that does not fit what it is laid over, with its path
    │   ├── VariableError        a reference to a variable that cannot be replaced, with its place in the document
    │   ├── ChildError           a program that should have rendered it, with the cause
    │   └── MissingError         what rendering needs is not at hand now: a program, a chart; not a fact of the commit
    ├── ProblemsError            one bundle, or a variant of it: all that is wrong, each with its place
    └── SourceError              the source as a whole: its last good catalog stays
        ├── PathsError           an entry of `paths` that matches nothing, or cannot be told to
        ├── NoBundleError        a directory that `paths` names holds nothing to deploy
        └── TooLargeError        more directories, files or bundles than a named limit

What is wrong with one bundle is no exception but a part of the catalog.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

from controller import errors
from protocol.events import sources


class RenderError(errors.Terminal):
    """Base of all errors of this package. They stay what they are on the way between processes."""

    def __reduce__(self) -> tuple[Callable[..., "RenderError"], tuple[Any, ...]]:
        # An exception would be made again from its message alone.
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[RenderError], arguments: tuple[Any, ...], fields: Mapping[str, Any]) -> RenderError:
    made = kind.__new__(kind, *arguments)
    vars(made).update(fields)
    return made


class UnreadableError(RenderError):
    """Bytes that cannot be read as manifests."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        """1-based; 0 where no line is to blame."""


class OverlayError(UnreadableError):
    """A file of an overlay that cannot be laid over the bundle's files."""

    def __init__(self, path: str, reason: str, line: int = 0) -> None:
        super().__init__(reason, line)
        self.path = path
        """Relative to the overlay."""


class VariableError(UnreadableError):
    """A reference to a variable that cannot be replaced."""

    def __init__(self, reason: str, place: tuple[str | int, ...], found: str) -> None:
        super().__init__(reason)
        self.place = place
        """Keys and indexes from the document's root."""
        self.found = found
        """The reference as it stands there."""


class Cause(enum.StrEnum):
    """Why a child gave nothing to use."""

    EXIT = "exit"
    """It ended with a code that is not zero."""
    SIGNAL = "signal"
    """It crashed, or somebody killed it who is not us."""
    TIME = "time"
    MEMORY = "memory"
    FILE = "file"
    """It wrote a file that is too large."""
    OUTPUT = "output"
    """It wrote more than is read."""
    PROCESSES = "processes"
    NETWORK = "network"
    """It tried to reach something, and may not."""
    START = "start"
    """It could not be started, or its supervisor was killed."""
    NOTHING = "nothing"
    """It ended well and wrote nothing."""
    UNSTABLE = "unstable"
    """It gave another output the second time."""


class ChildError(UnreadableError):
    """A program that rendered nothing to use."""

    def __init__(self, reason: str, cause: Cause) -> None:
        super().__init__(reason)
        self.cause = cause


class MissingError(UnreadableError):
    """What rendering needs cannot be had now; the same commit may render later."""


PASSING = frozenset({Cause.SIGNAL, Cause.START, Cause.TIME})
"""Causes that may be the machine's: somebody ended the program, it could not begin, or others took the processor."""


def may_pass(error: UnreadableError) -> bool:
    """May the same commit render later, as it is?"""
    return isinstance(error, MissingError) or (isinstance(error, ChildError) and error.cause in PASSING)


class ProblemsError(RenderError):
    """What is wrong with a bundle, or a variant of it."""

    def __init__(self, problems: tuple[sources.Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class SourceError(RenderError):
    """No catalog can be made of this commit."""


class PathsError(SourceError):
    """The source's `paths` do not fit the commit."""


class NoBundleError(SourceError):
    """What the source's `paths` match holds no bundle."""


class TooLargeError(SourceError):
    """The commit exceeds a limit that holds for a source as a whole."""
