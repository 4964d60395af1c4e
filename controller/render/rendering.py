"""What a renderer gives: the manifests of one bundle, or why there are none."""

import msgspec

from controller.render import limits, manifests
from protocol.events import sources


class Object(msgspec.Struct, frozen=True):
    """A manifest and the file it stands in."""

    path: str
    manifest: manifests.Manifest


class Rendered(msgspec.Struct, frozen=True):
    """One bundle's content."""

    objects: tuple[Object, ...] = ()
    hooks: tuple[Object, ...] = ()
    """Helm's hooks: they travel with the bundle, and are not applied with its objects."""
    errors: tuple[sources.Problem, ...] = ()
    """Not empty: `objects` is not the whole bundle, and must not be used."""
    warnings: tuple[sources.Problem, ...] = ()


class Gathered:
    """The content of a bundle, as it comes together."""

    def __init__(self, warnings: tuple[sources.Problem, ...] = ()) -> None:
        self._objects: list[Object] = []
        self._hooks: list[Object] = []
        self._errors: list[sources.Problem] = []
        self._warnings = list(warnings)
        self._bytes = 0

    def add(self, path: str, file: manifests.File, *, has_lines: bool = True) -> None:
        """Take what a text holds. `has_lines`: its lines are lines of the file at `path`."""
        self._objects.extend(Object(path, manifest) for manifest in self._taken(path, file, has_lines=has_lines))

    def add_hooks(self, path: str, file: manifests.File) -> None:
        """Take hooks; the lines of what was rendered say nothing to a reader of the files."""
        self._hooks.extend(Object(path, manifest) for manifest in self._taken(path, file, has_lines=False))

    def refuse(self, problem: sources.Problem) -> None:
        """Something of the bundle cannot be used."""
        self._errors.append(problem)

    def rendered(self) -> Rendered:
        """All that was taken."""
        if self._bytes > limits.BUNDLE_BYTES_MAX:
            self._errors.append(sources.Problem("", f"more than {limits.BUNDLE_BYTES_MAX} bytes of manifests"))
        return Rendered(
            tuple(self._objects), hooks=tuple(self._hooks), errors=tuple(self._errors), warnings=tuple(self._warnings)
        )

    def _taken(self, path: str, file: manifests.File, *, has_lines: bool) -> tuple[manifests.Manifest, ...]:
        change = msgspec.structs.replace
        for found, into in ((file.problems, self._errors), (file.warnings, self._warnings)):
            into.extend(change(one, path=path, line=one.line if has_lines else 0) for one in found)
        self._bytes += sum(len(manifest.plain) for manifest in file.manifests)
        if has_lines:
            return file.manifests
        return tuple(change(manifest, line=0) for manifest in file.manifests)
