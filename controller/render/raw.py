"""The stage of bundles that are plain manifests: every file as it stands, under the overlays that were chosen."""

from collections.abc import Mapping

from controller.render import commits, discovery, errors, limits, manifests, overlays, staging
from protocol.events import sources

VERSION = "raw/2"
"""Changes whenever the same files would give other bytes: everything is rendered anew then."""


_UNUSED = (
    "a chart or kustomization is rendered where helm.chart or kustomize.dir names its directory, which nothing does "
    "for these clusters; it is no manifest"
)


def plan(order: staging.Order, commit: commits.Commit) -> staging.Plan:
    """Every file of the bundle that is not left out, and those of the overlays; raise an error if an
    overlay is not there, the files are too many, or some of them are for a renderer that nobody asked for."""
    bundle = order.bundle
    own = {file.path: file.oid for file in bundle.files if file.path not in order.named}
    unused = tuple(sources.Problem(path, _UNUSED) for path in own if path.rpartition("/")[2] in discovery.RENDERED)
    if unused:
        raise errors.ProblemsError(unused)
    over = [
        _overlay(commit, commits.resolved(bundle.path, name), name, named=order.named) for name in order.wanted.overlays
    ]
    reads = [*sorted(own.items()), *(read for one in over for read in sorted(one.items()))]
    if len(reads) > limits.BUNDLE_FILES_MAX:
        raise errors.UnreadableError(f"more than {limits.BUNDLE_FILES_MAX} files")

    def make() -> staging.Staged:
        files = _contents(own, commit)
        for directory, one in zip(order.wanted.overlays, over, strict=True):
            root = commits.resolved(bundle.path, directory)
            files = _overlaid(files, _contents(one, commit), bundle.path, root)
        return staging.Staged(tuple(staging.Text(path, data) for path, data in sorted(files.items())))

    return staging.Plan(tuple(reads), VERSION, make)


def _overlay(commit: commits.Commit, path: str, name: str, *, named: frozenset[str]) -> dict[str, str]:
    found = {
        file: entry
        for file, entry in commit.walk(path)
        if file.endswith(manifests.SUFFIXES) and file not in named and not _is_hidden(file, path)
    }
    if not found:
        raise errors.UnreadableError(f"overlay {name}: there is no such directory, or no manifest in it")
    # A submodule's commit is no object of the mirror: to read it would be an error of the whole source.
    reasons = ((file, discovery.refusal(entry)) for file, entry in found.items())
    problems = tuple(sources.Problem(file, reason) for file, reason in reasons if reason)
    if problems:
        raise errors.ProblemsError(problems)
    return {file: entry.oid for file, entry in found.items()}


def _is_hidden(file: str, below: str) -> bool:
    return any(part.startswith(".") for part in file.removeprefix(below).split("/"))


def _contents(files: Mapping[str, str], commit: commits.Commit) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    problems: list[sources.Problem] = []
    total = 0
    for path, oid in sorted(files.items()):
        data = commit.blob(oid, bytes_max=limits.FILE_BYTES_MAX)
        if data is None:
            problems.append(sources.Problem(path, f"larger than {limits.FILE_BYTES_MAX} bytes"))
            continue
        total += len(data)
        if total > limits.BUNDLE_BYTES_MAX:
            raise errors.UnreadableError(f"more than {limits.BUNDLE_BYTES_MAX} bytes of manifests")
        found[path] = data
    if problems:
        raise errors.ProblemsError(tuple(problems))
    return found


def _overlaid(files: dict[str, bytes], over: dict[str, bytes], bundle: str, root: str) -> dict[str, bytes]:
    """The bundle's files with those of an overlay over them, by their paths within each."""
    below, above = commits.prefix(bundle), commits.prefix(root)
    own = {path.removeprefix(below): data for path, data in files.items()}
    try:
        merged = overlays.apply(own, {path.removeprefix(above): data for path, data in over.items()})
    except errors.OverlayError as error:
        raise errors.ProblemsError((sources.Problem(f"{above}{error.path}", error.reason, error.line),)) from error
    return {f"{below}{path}": data for path, data in merged.items()}


def is_plain(order: staging.Order) -> bool:
    """Does nothing ask for a chart or a kustomization?"""
    wanted = order.wanted
    named = wanted.helm is not None and wanted.helm.names_chart
    return not named and wanted.kustomize is None and not order.bundle.marker(*discovery.RENDERED)
