"""One bundle of a commit: its settings and its manifests become an index, or errors."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from controller.domain import catalogs, kinds
from controller.render import discovery, errors, fleet_yaml, flotilla_yaml, limits, rendering, settings
from protocol import bundles, canonical, ids, sealing
from protocol.events import sources

INDEX_BYTES_MAX = sealing.PLAIN_BYTES_MAX - len(bundles.INDEX_TAG) - 1

_UNSUPPORTED = {
    discovery.CHART: "a Helm chart is not supported yet",
    **dict.fromkeys(discovery.KUSTOMIZATIONS, "a kustomization is not supported yet"),
}


class Renderer(Protocol):
    """Turns a bundle's files into manifests; equal files give equal bytes."""

    @property
    def version(self) -> str:
        """Changes whenever the same files would give other bytes."""
        ...

    def render(self, bundle: discovery.Bundle, reader: discovery.Reader) -> rendering.Rendered:
        """The bundle's manifests, or what is wrong with it."""
        ...


class Blob(msgspec.Struct, frozen=True):
    """Content of a catalog's bundle, to be stored before the catalog is accepted."""

    tag: str
    id: canonical.Digest
    plain: bytes


class Assembled(msgspec.Struct, frozen=True):
    """A bundle's entry, and the blobs that it names."""

    entry: catalogs.Entry
    blobs: tuple[Blob, ...] = ()


class _Read(msgspec.Struct, frozen=True):
    """What a bundle says about itself."""

    found: settings.Settings = settings.NONE
    errors: tuple[sources.Problem, ...] = ()
    warnings: tuple[sources.Problem, ...] = ()


def assemble(
    bundle: discovery.Bundle, reader: discovery.Reader, *, renderer: Renderer, draft: catalogs.Entry
) -> Assembled:
    """Render a bundle. `draft` is its entry so far: an empty one, or that of the catalog before, which keeps its
    content if this commit's cannot be used.
    """
    read = _settings(bundle, reader)
    rendered = _rendered(bundle, reader, renderer)
    duplicates = _duplicates(rendered.objects, read.found.options())
    problems = _bounded((*bundle.problems, *read.errors, *rendered.errors, *duplicates), limits.ERRORS_MAX)
    warnings = _bounded((*bundle.warnings, *read.warnings, *rendered.warnings), limits.WARNINGS_MAX)
    if problems:
        return _spoiled(bundle, draft, problems, warnings)
    index = canonical.encode(_index(draft.bundle, read.found, rendered.objects))
    if len(index) > INDEX_BYTES_MAX:
        reason = f"{len(rendered.objects)} objects are too many for one bundle"
        return _spoiled(bundle, draft, (sources.Problem(bundle.path, reason),), warnings)
    blob = Blob(bundles.INDEX_TAG, bundles.index_digest(index), index)
    entry = catalogs.Entry(
        bundle=draft.bundle,
        path=bundle.path,
        tree=bundle.tree,
        inputs=bundle.inputs,
        variants=(catalogs.Variant(index=blob.id, objects=len(rendered.objects)),),
        name=read.found.name,
        labels=read.found.labels,
        targets=read.found.targets,
        warnings=warnings,
    )
    return Assembled(entry, (*_manifest_blobs(rendered.objects), blob))


def _spoiled(
    bundle: discovery.Bundle,
    draft: catalogs.Entry,
    problems: tuple[sources.Problem, ...],
    warnings: tuple[sources.Problem, ...],
) -> Assembled:
    entry = catalogs.carried(draft, because=problems)
    spoiled = catalogs.fingerprint(bundle.tree, bundle.inputs)
    return Assembled(msgspec.structs.replace(entry, spoiled=spoiled, warnings=warnings))


def _settings(bundle: discovery.Bundle, reader: discovery.Reader) -> _Read:
    flotilla, fleet = bundle.marker(settings.FLOTILLA), bundle.marker(settings.FLEET)
    file = flotilla or fleet
    if file is None:
        return _Read()
    data = reader.blob(file.oid, bytes_max=limits.SETTINGS_BYTES_MAX)
    if data is None:
        reason = f"larger than {limits.SETTINGS_BYTES_MAX} bytes"
        return _Read(errors=(sources.Problem(file.path, reason),))
    try:
        if flotilla is None:
            return _fleet_settings(file.path, data)
        ignored = [] if fleet is None else [sources.Problem(fleet.path, "ignored, since flotilla.yaml is there")]
        return _Read(flotilla_yaml.parse(data), warnings=tuple(ignored))
    except errors.UnreadableError as error:
        return _Read(errors=(sources.Problem(file.path, error.reason, error.line),))


def _fleet_settings(path: str, data: bytes) -> _Read:
    found, problems = fleet_yaml.parse(data)
    return _Read(found, warnings=tuple(msgspec.structs.replace(problem, path=path) for problem in problems))


def _rendered(bundle: discovery.Bundle, reader: discovery.Reader, renderer: Renderer) -> rendering.Rendered:
    unsupported = bundle.marker(*_UNSUPPORTED)
    if unsupported is not None:
        reason = _UNSUPPORTED[unsupported.path.rpartition("/")[2]]
        return rendering.Rendered(errors=(sources.Problem(unsupported.path, reason),))
    found = renderer.render(bundle, reader)
    if not found.objects and not found.errors and not bundle.problems:
        warning = sources.Problem(bundle.path, "the bundle holds no manifest")
        return rendering.Rendered(warnings=(*found.warnings, warning))
    return found


def _duplicates(objects: Iterable[rendering.Object], options: bundles.BundleOptions) -> tuple[sources.Problem, ...]:
    """One object twice: whichever came last would win, so neither does."""
    first: dict[ids.ObjectId, rendering.Object] = {}
    found = []
    for item in objects:
        earlier = first.setdefault(kinds.identity(item.manifest.id, options), item)
        if earlier is not item:
            place = sources.Problem(earlier.path, "", earlier.manifest.line)
            reason = f"{item.manifest.id} stands in {str(place).removesuffix(': ')}, too"
            found.append(sources.Problem(item.path, reason, item.manifest.line))
    return tuple(found)


def _index(bundle: ids.BundleId, read: settings.Settings, objects: Sequence[rendering.Object]) -> bundles.BundleIndex:
    entries = [
        bundles.IndexEntry(item.manifest.id, bundles.manifest_digest(item.manifest.plain), item.path)
        for item in sorted(objects, key=lambda item: item.manifest.id)
    ]
    return bundles.BundleIndex(bundle, read.options(), tuple(entries))


def _manifest_blobs(objects: Iterable[rendering.Object]) -> Iterable[Blob]:
    for item in objects:
        plain = item.manifest.plain
        yield Blob(bundles.MANIFEST_TAG, bundles.manifest_digest(plain), plain)


def _bounded(found: Iterable[sources.Problem], most: int) -> tuple[sources.Problem, ...]:
    """In the order of files, and not more than somebody will read."""
    ordered = sorted(found, key=lambda error: (error.path, error.line, error.reason))
    if len(ordered) <= most:
        return tuple(ordered)
    rest = sources.Problem(ordered[most - 1].path, f"and {len(ordered) - most + 1} more of the like")
    return (*ordered[: most - 1], rest)
