"""The renderer of bundles that are plain manifests: every file as it stands."""

import msgspec

from controller.render import discovery, limits, manifests, rendering
from protocol.events import sources

VERSION = "raw/1"
"""Changes whenever the same files would give other bytes: everything is rendered anew then."""


class RawRenderer:
    """Reads every file of a bundle."""

    version = VERSION

    def render(self, bundle: discovery.Bundle, reader: discovery.Reader) -> rendering.Rendered:
        """All manifests of the bundle's files, in the order of their paths."""
        if len(bundle.files) > limits.BUNDLE_FILES_MAX:
            reason = f"more than {limits.BUNDLE_FILES_MAX} files"
            return rendering.Rendered(errors=(sources.Problem(bundle.path, reason),))
        gathered = _Gathered()
        for file in bundle.files:
            if not gathered.add(file.path, _read(file, reader)):
                reason = f"more than {limits.BUNDLE_BYTES_MAX} bytes of manifests"
                return rendering.Rendered(errors=(sources.Problem(bundle.path, reason),))
        return gathered.rendered()


def _read(file: discovery.FileRef, reader: discovery.Reader) -> manifests.File:
    data = reader.blob(file.oid, bytes_max=limits.FILE_BYTES_MAX)
    if data is None:
        return manifests.File(problems=(sources.Problem("", f"larger than {limits.FILE_BYTES_MAX} bytes"),))
    return manifests.read(file.path, data)


class _Gathered:
    """The manifests of a bundle so far."""

    def __init__(self) -> None:
        self._objects: list[rendering.Object] = []
        self._errors: list[sources.Problem] = []
        self._warnings: list[sources.Problem] = []
        self._bytes = 0

    def add(self, path: str, file: manifests.File) -> bool:
        """Take what a file holds; False once the bundle is too large."""
        self._errors.extend(msgspec.structs.replace(problem, path=path) for problem in file.problems)
        self._warnings.extend(msgspec.structs.replace(problem, path=path) for problem in file.warnings)
        self._bytes += sum(len(manifest.plain) for manifest in file.manifests)
        self._objects.extend(rendering.Object(path, manifest) for manifest in file.manifests)
        return self._bytes <= limits.BUNDLE_BYTES_MAX

    def rendered(self) -> rendering.Rendered:
        return rendering.Rendered(tuple(self._objects), tuple(self._errors), tuple(self._warnings))


RENDERER = RawRenderer()
