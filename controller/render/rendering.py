"""What a renderer gives: the manifests of one bundle, or why there are none."""

import msgspec

from controller.render import manifests
from protocol.events import sources


class Object(msgspec.Struct, frozen=True):
    """A manifest and the file it stands in."""

    path: str
    manifest: manifests.Manifest


class Rendered(msgspec.Struct, frozen=True):
    """One bundle's content."""

    objects: tuple[Object, ...] = ()
    errors: tuple[sources.Problem, ...] = ()
    """Not empty: `objects` is not the whole bundle, and must not be used."""
    warnings: tuple[sources.Problem, ...] = ()
