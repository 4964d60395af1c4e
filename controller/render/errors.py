"""What can be wrong with the content of a commit.

    RenderError
    ├── UnreadableError          one file: not YAML or JSON as Kubernetes reads it, with the line
    │   └── VariableError        a reference to a variable that cannot be replaced, with its place in the document
    └── SourceError              the source as a whole: its last good catalog stays
        ├── PathsError           an entry of `paths` that matches nothing, or cannot be told to
        ├── NoBundleError        a directory that `paths` names holds nothing to deploy
        └── TooLargeError        more directories, files or bundles than a named limit

What is wrong with one bundle is no exception but a part of the catalog.
"""

from controller import errors


class RenderError(errors.Terminal):
    """Base of all errors of this package."""


class UnreadableError(RenderError):
    """Bytes that cannot be read as manifests."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        """1-based; 0 where no line is to blame."""


class VariableError(UnreadableError):
    """A reference to a variable that cannot be replaced."""

    def __init__(self, reason: str, place: tuple[str | int, ...], found: str) -> None:
        super().__init__(reason)
        self.place = place
        """Keys and indexes from the document's root."""
        self.found = found
        """The reference as it stands there."""


class SourceError(RenderError):
    """No catalog can be made of this commit."""


class PathsError(SourceError):
    """The source's `paths` do not fit the commit."""


class NoBundleError(SourceError):
    """What the source's `paths` match holds no bundle."""


class TooLargeError(SourceError):
    """The commit exceeds a limit that holds for a source as a whole."""
