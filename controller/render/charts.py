"""The files of a Helm chart, complete with the charts that it depends on.

A dependency is vendored in `charts/`, or lies in the repository (`file://`), or is fetched in the very version that
Chart.lock names. Anything else would render something new without a commit.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from controller.git import objects
from controller.render import archives, chart_logins, chart_store, commits, discovery, errors, limits, templates

_FILE = "file://"
_ARCHIVE = ".tgz"
_REQUIREMENTS = "requirements.yaml"
"""Where charts of version 1 list their dependencies."""
_NESTED_MAX = 8


class Chart(msgspec.Struct, frozen=True):
    """All that helm gets of a chart."""

    name: str
    """For messages: its directory in the repository, or what it was fetched as."""
    files: Mapping[str, bytes]
    """Path relative to the chart's directory → content."""
    resolved: tuple[chart_store.Resolved, ...] = ()
    """What came from chart repositories."""
    warnings: tuple[str, ...] = ()


class _Dependency(msgspec.Struct, frozen=True):
    """An entry of Chart.yaml or Chart.lock."""

    name: str
    repository: str | None = ""
    version: str | None = ""


def from_commit(commit: commits.Commit, directory: str, store: chart_store.Store | None = None) -> Chart:
    """The chart in a directory of the commit, or in an archive there (`.tgz`); raise UnreadableError where it, or a
    dependency, is not whole. Without a store nothing is fetched."""
    return _Reading(commit, store).chart(directory)


def from_repository(store: chart_store.Store, remote: chart_store.Remote) -> Chart:
    """A chart of a repository, whose archive holds its dependencies; raise as the store does."""
    fetched = store.fetch(remote)
    warnings = (fetched.warning,) if fetched.warning else ()
    return Chart(str(remote), archives.unpack(str(remote), fetched.archive), (fetched.resolved,), warnings)


def closure(commit: commits.Commit, directory: str) -> tuple[tuple[str, str], ...]:
    """Path and OID of a chart's directory, or archive, and of the charts in the repository that it may depend on. Reads
    Chart.yaml only; OID ABSENT for what is not there. Raise UnreadableError for a Chart.yaml that cannot be read."""
    found: dict[str, str] = {}
    pending = [directory]
    while pending and len(found) <= limits.KUSTOMIZATIONS_MAX:
        path = pending.pop()
        entry = commit.entry(path)
        found[path] = entry.oid if entry is not None else commits.ABSENT
        if entry is None or entry.kind is not objects.Kind.DIRECTORY:
            continue
        for dependency in _declared(path, _about(commit, path)):
            if (dependency.repository or "").startswith(_FILE):
                below = commits.resolved(path, (dependency.repository or "").removeprefix(_FILE))
                pending.extend([below] if below not in found else [])
    return tuple(sorted(found.items()))


def traits(commit: commits.Commit, directory: str) -> templates.Traits:
    """What the chart's templates ask for, those of the charts in the repository that it depends on included;
    dependencies that would have to be fetched do not count."""
    there = (path for path, oid in closure(commit, directory) if oid != commits.ABSENT)
    files = {commits.resolved(path, file): data for path in there for file, data in _gathered(commit, path)[0].items()}
    return templates.traits(files)


class _Reading:
    """Puts one chart together. What lies on several ways counts once for each: a few files can say billions of them."""

    def __init__(self, commit: commits.Commit, store: chart_store.Store | None) -> None:
        self._commit = commit
        self._store = store
        self._charts = 0
        self._files = 0
        self._bytes = 0

    def chart(self, directory: str, within: tuple[str, ...] = ()) -> Chart:
        """A directory's chart, `within` those that depend on it."""
        if directory in within or len(within) > _NESTED_MAX:
            raise errors.UnreadableError(f"{within[0]}: its dependencies lead back to {directory}, or too deep")
        files, warnings = _gathered(self._commit, directory)
        self._count((*within, directory)[0], files)
        resolved: list[chart_store.Resolved] = []
        for dependency in _missing(directory, files):
            repository = dependency.repository or ""
            if repository.startswith(_FILE):
                path = commits.resolved(directory, repository.removeprefix(_FILE))
                below = self.chart(path, (*within, directory))
                files |= {f"charts/{dependency.name}/{name}": content for name, content in below.files.items()}
                resolved.extend(below.resolved)
                warnings.extend(below.warnings)
            else:
                fetched = _fetched(directory, dependency, files, self._store)
                files[f"charts/{dependency.name}-{fetched.resolved.version}.tgz"] = fetched.archive
                resolved.append(fetched.resolved)
        return Chart(directory, files, tuple(resolved), tuple(warnings))

    def _count(self, whole: str, files: Mapping[str, bytes]) -> None:
        self._charts += 1
        self._files += len(files)
        self._bytes += sum(map(len, files.values()))
        if self._charts > limits.KUSTOMIZATIONS_MAX:
            raise errors.UnreadableError(f"{whole}: depends on more than {limits.KUSTOMIZATIONS_MAX} charts")
        if self._files > limits.CHILD_INPUT_FILES_MAX or self._bytes > limits.CHILD_INPUT_BYTES_MAX:
            raise _too_large(whole)


def _too_large(directory: str) -> errors.UnreadableError:
    return errors.UnreadableError(
        f"{directory}: a chart of more than {limits.CHILD_INPUT_FILES_MAX} files,"
        f" or {limits.CHILD_INPUT_BYTES_MAX} bytes"
    )


def _gathered(commit: commits.Commit, directory: str) -> tuple[dict[str, bytes], list[str]]:
    """The files of a chart's directory or archive, and what was left out."""
    entry = commit.entry(directory)
    if entry is not None and entry.kind is objects.Kind.FILE and directory.endswith(_ARCHIVE):
        return archives.unpack(directory, commit.content(directory, entry)), []
    if commit.entry(commits.resolved(directory, discovery.CHART)) is None:
        raise errors.UnreadableError(f"{directory}: holds no {discovery.CHART}")
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    size = 0
    skipped = 0 if directory == discovery.ROOT else len(directory) + 1
    for path, entry in commit.walk(directory):
        if entry.odd or entry.kind is not objects.Kind.FILE:
            what = "an unprintable name" if entry.odd else f"a {entry.kind.value}"
            left_out.append(f"{path}: {what}, left out of the chart")
            continue
        content = files[path[skipped:]] = commit.content(path, entry)
        size += len(content)
        if size > limits.CHILD_INPUT_BYTES_MAX or len(files) > limits.CHILD_INPUT_FILES_MAX:
            raise _too_large(directory)
    return files, left_out


def _missing(directory: str, files: Mapping[str, bytes]) -> list[_Dependency]:
    """The dependencies that are declared and not vendored."""
    declared = _declared(directory, files)
    vendored = set()
    for path, content in files.items():
        parts = path.split("/")
        if parts[0] == "charts" and parts[2:] == [discovery.CHART]:
            vendored.add(templates.metadata(f"{directory}/{path}", content).get("name"))
    archived = [path.removeprefix("charts/") for path in files if path.startswith("charts/") and path.count("/") == 1]
    return [
        dependency
        for dependency in declared
        if dependency.name not in vendored
        and not any(name.startswith(f"{dependency.name}-") and name.endswith(".tgz") for name in archived)
    ]


def _about(commit: commits.Commit, directory: str) -> dict[str, bytes]:
    """The files of a chart that list dependencies."""
    paths = {name: commits.resolved(directory, name) for name in (discovery.CHART, _REQUIREMENTS)}
    return {name: commit.file(path) for name, path in paths.items() if commit.entry(path) is not None}


def _declared(directory: str, files: Mapping[str, bytes]) -> list[_Dependency]:
    return _listed(directory, discovery.CHART, files) or _listed(directory, _REQUIREMENTS, files)


def _listed(directory: str, name: str, files: Mapping[str, bytes]) -> list[_Dependency]:
    """The dependencies that a file of the chart lists."""
    if name not in files:
        return []
    content: Any = templates.metadata(f"{directory}/{name}", files[name]).get("dependencies") or []
    try:
        return msgspec.convert(content, list[_Dependency])
    except msgspec.ValidationError as error:
        raise errors.UnreadableError(f"{directory}/{name}: dependencies: {error}") from error


def _fetched(
    directory: str, dependency: _Dependency, files: Mapping[str, bytes], store: chart_store.Store | None
) -> chart_store.Fetched:
    who = f"{directory}/{discovery.CHART}: dependency {dependency.name}"
    locks = [*_listed(directory, "Chart.lock", files), *_listed(directory, "requirements.lock", files)]
    locked = next((lock for lock in locks if lock.name == dependency.name), None)
    if locked is None:
        raise errors.UnreadableError(
            f"{who}: is neither in charts/ nor locked (run helm dependency update and commit Chart.lock, or charts/)"
        )
    repository, version = locked.repository or "", locked.version or ""
    if not repository.startswith(("http://", "https://", "oci://")):
        plain = chart_logins.without_credentials(repository)[:200]
        raise errors.UnreadableError(f"{who}: its repository {plain!r} is a name on somebody's machine (give its URL)")
    if store is None:
        raise errors.MissingError(f"{who}: is not in charts/, and nothing is fetched here")
    if repository.startswith("oci://"):
        return store.fetch(chart_store.Remote(f"{repository.rstrip('/')}/{locked.name}", "", version))
    return store.fetch(chart_store.Remote(locked.name, repository, version))
