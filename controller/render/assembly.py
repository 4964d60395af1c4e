"""One bundle of a commit: its settings and its files become variants, or errors."""

from collections.abc import Mapping

import msgspec

from controller.domain import audiences, catalogs
from controller.render import commits, discovery, limits, staging, varying
from protocol import canonical, sealing
from protocol.events import sources


class Assembled(msgspec.Struct, frozen=True):
    """A bundle's entry, and the blobs that it names and that were rendered anew."""

    entry: catalogs.Entry
    blobs: tuple[sealing.Sealed, ...] = ()


def assemble(
    bundle: discovery.Bundle,
    draft: catalogs.Entry,
    *,
    fleet: audiences.Audience,
    commit: commits.Commit,
    stager: staging.Stager,
) -> Assembled:
    """Render a bundle for the clusters of a fleet. `draft` is its entry so far: an empty one, or that of the catalog
    before, which keeps its content if this commit's cannot be used.
    """
    read = bundle.settings
    warnings = varying.bounded(bundle.warnings, limits.WARNINGS_MAX)
    if bundle.problems:
        return Assembled(_spoiled(bundle, draft, bundle.problems, warnings))
    entry = varying.described(_here(bundle, draft), read)
    same = (draft.choices, draft.first_match) == (entry.choices, entry.first_match)
    if read.paused:
        return Assembled(_paused(entry, draft))
    blobs: dict[str, sealing.Sealed] = {}

    def emit(tag: str, plain: bytes) -> canonical.Digest:
        sealed = sealing.seal(tag, plain)
        blobs[sealed.id] = sealed
        return sealed.id

    session = varying.Session(bundle, commit, stager, emit)
    before = draft.variants if same else ()
    varied = session.run(entry, fleet, before, loses=before != draft.variants)
    warnings = varying.bounded((*warnings, *varied.warnings), limits.WARNINGS_MAX)
    if varied.failures:
        entry = _spoiled(bundle, draft, varied.failures, warnings)
        if varied.looks_outside:
            entry = msgspec.structs.replace(entry, spoiled=catalogs.SPOILED_BY_OTHERS)
    else:
        entry = msgspec.structs.replace(entry, variants=varied.variants, warnings=warnings)
    if session.is_missing_something:
        entry = _for_now(entry, bundle, varied.looked_at)
    return Assembled(entry, tuple(blobs.values()))


def spoiled(bundle: discovery.Bundle, draft: catalogs.Entry, problem: sources.Problem) -> Assembled:
    """A bundle that could not be rendered at all, for a reason that need not be in its files: it is tried again."""
    return Assembled(_for_now(_spoiled(bundle, draft, (problem,), bundle.warnings), bundle, {}))


def _for_now(entry: catalogs.Entry, bundle: discovery.Bundle, looked_at: Mapping[str, str]) -> catalogs.Entry:
    tried = catalogs.fingerprint(bundle.tree, bundle.inputs)
    return msgspec.structs.replace(
        entry, spoiled=catalogs.SPOILED_FOR_NOW, tried=tried, looked_at=dict(looked_at) if entry.errors else {}
    )


def _here(bundle: discovery.Bundle, draft: catalogs.Entry) -> catalogs.Entry:
    return catalogs.Entry(bundle=draft.bundle, path=bundle.path, tree=bundle.tree, inputs=bundle.inputs)


def _paused(entry: catalogs.Entry, draft: catalogs.Entry) -> catalogs.Entry:
    """Whoever has the bundle keeps what it has, and nobody else gets it."""
    warning = sources.Problem(entry.path, "the bundle is paused: clusters keep what they have of it")
    kept = msgspec.structs.replace(
        draft, tree=entry.tree, inputs=entry.inputs, spoiled="", tried="", looked_at={}, errors=(),
        warnings=(warning,), paused=True,
    )  # fmt: skip
    return msgspec.structs.replace(kept, name=entry.name, labels=entry.labels)


def _spoiled(
    bundle: discovery.Bundle,
    draft: catalogs.Entry,
    problems: tuple[sources.Problem, ...],
    warnings: tuple[sources.Problem, ...],
) -> catalogs.Entry:
    entry = catalogs.carried(draft, because=varying.bounded(problems, limits.ERRORS_MAX))
    spoiled = catalogs.fingerprint(bundle.tree, bundle.inputs)
    if not draft.tree:
        # It never was good: others may depend on it by its name all the same.
        entry = msgspec.structs.replace(entry, name=bundle.settings.name, labels=bundle.settings.labels)
    return msgspec.structs.replace(entry, spoiled=spoiled, warnings=warnings)
