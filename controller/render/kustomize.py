"""Kustomizations: what a build reads, found without running it, and the build itself.

A build gets whole directories: that of the kustomization, and every directory of the repository that one of its
kustomizations names (resources, bases, components, crds, and so on). What a build would run or fetch is refused by
name: remote bases (unless allowed), Helm charts, plugins. kustomize's own load restrictor stays on: a kustomization
reads files at or below itself only.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from controller.git import objects
from controller.render import commits, discovery, errors, limits, programs, yamls

RENDERED = "flotilla-rendered.yaml"
"""What was rendered before stands under this name beside the kustomization that changes it."""

_PLACES = ("resources", "bases", "components", "crds", "generators", "transformers", "validators", "configurations")
"""Fields whose entries may be directories, or files."""

_PLUGINS = ("generators", "transformers", "validators")
_CHARTS = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_CONTENT = ("resources", "bases", "components", "configMapGenerator", "secretGenerator", "generators")
_BUILTIN = "builtin"
_FUNCTION = ("config.kubernetes.io/function", "config.k8s.io/function")

_REMOTE = re.compile(
    r"://|^git(?:@|::)|[?&](?:ref|version|timeout|submodules)=|\.git(?:/|$)|^(?:[\w.-]+@)?[\w-]+(?:\.[\w-]+)+[:/]\S*/"
)
"""A URL, or kustomize's short forms of one, such as `github.com/owner/repository`."""

_FETCHED = re.compile(r"https?://", re.IGNORECASE)
"""How what kustomize would load from elsewhere begins, where it takes a file."""

_LOADING = ("path", "files", "envs", "env")
"""Fields of an entry, or of a plugin's configuration, that name files."""
_LISTING = (
    "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "openapi", "configMapGenerator",
    "secretGenerator",
)  # fmt: skip
"""Fields of a kustomization with such entries."""

_KEPT_MAX = 64
"""Kustomizations that stay in memory: a build and the look at what it reads want them within moments of one another,
and all variants of a bundle want its base."""

_KEPT_BYTES_MAX = 16 * limits.KIB
"""A larger one is read again each time."""

_FIELDS = {name.casefold(): name for name in (*_PLACES, *_CHARTS, *_LISTING)}

Overlay = Mapping[str, bytes]
"""Path in the repository → content that stands there instead."""


class Closure(msgspec.Struct, frozen=True):
    """What a build reads."""

    directories: tuple[str, ...]
    """In order; none lies within another."""
    oids: tuple[str, ...]
    """Of the directories' trees."""
    remotes: tuple[str, ...] = ()
    """What it fetches from elsewhere, where that is allowed."""
    is_empty: bool = False
    """The kustomization names nothing that could give an object."""


class Built(msgspec.Struct, frozen=True):
    """What a build gives."""

    documents: bytes
    """YAML."""
    warnings: tuple[str, ...] = ()


def closure(commit: commits.Commit, directory: str, *, remote: bool = False, overlay: Overlay | None = None) -> Closure:
    """The directories that a build of one reads. Raise UnreadableError where something is missing, is not read, or is
    refused; `remote` allows bases from elsewhere."""
    return _Survey(commit, overlay or {}, remote=remote).run(directory)


def build(
    engine: programs.Engine,
    commit: commits.Commit,
    directory: str,
    *,
    rendered: bytes | None = None,
    remote: bool = False,
) -> Built:
    """Build a directory, on top of what was `rendered` before, if given. Raise UnreadableError, ChildError included.

    With `remote`, the engine's sandbox must have a network for bases from elsewhere to be found.
    """
    overlay = {} if rendered is None else _on_top_of(commit, directory, rendered)
    found = closure(commit, directory, remote=remote, overlay=overlay)
    files, warnings = _laid_out(commit, found.directories)
    command = msgspec.structs.replace(
        engine.command("kustomize", (".",)), files={**files, **overlay}, directory=directory
    )
    try:
        done = engine.sandbox.run(command)
    except errors.ChildError as error:
        raise errors.ChildError(f"{directory}: {error.reason}", error.cause) from error
    if not done.stdout.strip():
        why = "its kustomization names no resource" if found.is_empty else "empty files, or all is patched away"
        raise errors.ChildError(f"{directory}: kustomize gives no object ({why})", errors.Cause.NOTHING)
    said = (line.strip().removeprefix("# ") for line in done.stderr.splitlines())
    return Built(done.stdout, (*warnings, *(f"kustomize: {line}" for line in said if line))[: limits.WARNINGS_MAX])


def _on_top_of(commit: commits.Commit, directory: str, rendered: bytes) -> dict[str, bytes]:
    """The directory's kustomization with one resource more, and that resource. JSON is YAML."""
    path, content = _kustomization(commit, directory, {})
    resources = content.get("resources") or []
    if not isinstance(resources, list):
        raise errors.UnreadableError(f"{path}: resources is not a list")
    changed = {**content, "resources": [RENDERED, *resources]}
    return {path: msgspec.json.encode(changed), commits.resolved(directory, RENDERED): rendered}


def _kustomization(commit: commits.Commit, directory: str, overlay: Overlay) -> tuple[str, dict[str, Any]]:
    """A directory's kustomization: its path and content."""
    paths = [commits.resolved(directory, name) for name in discovery.KUSTOMIZATIONS]
    there = [path for path in paths if path in overlay or commit.entry(path) is not None]
    if not there:
        raise errors.UnreadableError(f"{directory}: holds no kustomization.yaml")
    if len(there) > 1:
        raise errors.UnreadableError(f"{directory}: holds more than one kustomization ({', '.join(there)})")
    path = there[0]
    data = overlay[path] if path in overlay else commit.file(path)
    documents = _read(path, data)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise errors.UnreadableError(f"{path}: not a kustomization (one YAML mapping)")
    for name in documents[0]:
        meant = _FIELDS.get(name.casefold(), name)
        if name != meant:  # kustomize takes the one for the other, and would read what nobody looked at
            raise errors.UnreadableError(f"{path}: {name[:60]!r} is written {meant}")
    return path, documents[0]


def _read(path: str, data: bytes) -> list[Any]:
    try:
        return (_values if len(data) <= _KEPT_BYTES_MAX else _values.__wrapped__)(data)
    except errors.UnreadableError as error:
        raise errors.UnreadableError(f"{path}: {error.reason}", error.line) from error


@functools.lru_cache(_KEPT_MAX)
def _values(data: bytes) -> list[Any]:
    """A file's documents, which nobody changes."""
    return [document.value for document in yamls.load(data)]


class _Survey:
    """One walk from a kustomization to all that it builds on."""

    def __init__(self, commit: commits.Commit, overlay: Overlay, *, remote: bool) -> None:
        self._commit = commit
        self._overlay = overlay
        self._allowed = remote
        self._seen: dict[str, str] = {}
        self._pending: list[str] = []
        self._remotes: list[str] = []

    def run(self, directory: str) -> Closure:
        self._enter(directory, directory)
        is_empty = self._is_empty(directory)
        while self._pending:
            self._visit(self._pending.pop())
            if len(self._seen) > limits.KUSTOMIZATIONS_MAX:
                raise errors.UnreadableError(
                    f"{directory}: builds on more than {limits.KUSTOMIZATIONS_MAX} directories"
                )
        outer = [path for path in sorted(self._seen) if not self._is_within_another(path)]
        return Closure(
            directories=tuple(outer),
            oids=tuple(self._seen[path] for path in outer),
            remotes=tuple(sorted(set(self._remotes))),
            is_empty=is_empty,
        )

    def _is_empty(self, directory: str) -> bool:
        _, content = _kustomization(self._commit, directory, self._overlay)
        return not any(content.get(field) for field in _CONTENT)

    def _is_within_another(self, path: str) -> bool:
        names = commits.segments(path)
        above = {"/".join(names[:length]) or discovery.ROOT for length in range(len(names))}
        return not above.isdisjoint(self._seen)

    def _enter(self, directory: str, said_by: str) -> None:
        if directory in self._seen:
            return
        entry = self._commit.entry(directory)
        if entry is None or entry.kind is not objects.Kind.DIRECTORY:
            raise errors.UnreadableError(f"{said_by}: {directory} is no directory of the commit")
        self._seen[directory] = entry.oid
        self._pending.append(directory)

    def _visit(self, directory: str) -> None:
        path, content = _kustomization(self._commit, directory, self._overlay)
        for field in _CHARTS:
            if content.get(field):
                raise errors.UnreadableError(f"{path}: {field} is not built (let helm render the chart: helm.chart)")
        for name in _LISTING:
            self._load(f"{path}: {name}", content.get(name))
        for field, entry in _entries(path, content):
            if "\n" in entry:
                self._check_plugins(f"{path}: {field}", entry.encode())
            else:
                self._follow(directory, f"{path}: {field} entry {entry[:200]!r}", entry, is_plugin=field in _PLUGINS)

    def _follow(self, directory: str, who: str, entry: str, *, is_plugin: bool) -> None:
        path = _local(directory, entry)
        if path is not None and path in self._overlay:
            return
        found = self._commit.entry(path) if path is not None else None
        if path is None or found is None:
            if not _REMOTE.search(entry):
                raise errors.UnreadableError(f"{who}: there is no such file or directory in the commit")
            self._fetch(who, entry)
        elif found.kind is objects.Kind.DIRECTORY:
            self._enter(path, who)
        elif found.kind is not objects.Kind.FILE:
            raise errors.UnreadableError(f"{who}: a {found.kind.value} is not followed")
        elif _above(path) != directory and not _above(path).startswith(f"{directory}/") and directory != discovery.ROOT:
            raise errors.UnreadableError(f"{who}: a file outside of its kustomization, which kustomize refuses")
        elif is_plugin:
            self._check_plugins(who, self._commit.content(path, found))

    def _check_plugins(self, who: str, data: bytes) -> None:
        """Of generators, transformers and validators, only kustomize's own run within the process."""
        for document in _read(who, data):
            if isinstance(document, dict):
                _check_plugin(who, document)
                self._load(who, document)

    def _load(self, who: str, field: Any) -> None:
        """A field that names files, in one of kustomize's forms: an entry, or a list of them."""
        for entry in field if isinstance(field, list) else [field]:
            for named in _named(entry):
                if _FETCHED.match(named):
                    self._fetch(f"{who} entry {named[:200]!r}", named)

    def _fetch(self, who: str, address: str) -> None:
        if not self._allowed:
            raise errors.UnreadableError(
                f"{who}: a remote base, which another commit or nobody may answer tomorrow (copy it here)"
            )
        self._remotes.append(address)


def _named(entry: Any) -> Iterator[str]:
    """The files that an entry names."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for name, value in entry.items():
            if name.casefold() in _LOADING:
                for one in value if isinstance(value, list) else [value]:
                    if isinstance(one, str):
                        yield from (one, one.partition("=")[2])  # the content's name may come first


def _above(path: str) -> str:
    return path.rpartition("/")[0] or discovery.ROOT


def _local(directory: str, entry: str) -> str | None:
    """The path that an entry would be; None if it cannot be one."""
    if entry.startswith("/"):
        raise errors.UnreadableError(f"{directory}: {entry[:200]!r} is an absolute path, which kustomize does not take")
    try:
        return commits.resolved(directory, entry)
    except errors.UnreadableError:
        if _REMOTE.search(entry):
            return None
        raise


def _entries(path: str, content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field in _PLACES:
        listed = content.get(field) or []
        if not isinstance(listed, list):
            raise errors.UnreadableError(f"{path}: {field} is not a list")
        for entry in listed:
            if not isinstance(entry, str) or not entry:
                raise errors.UnreadableError(f"{path}: an entry of {field} is not a path")
            yield field, entry


def _check_plugin(who: str, document: dict[str, Any]) -> None:
    kind = document.get("kind")
    if kind == "HelmChartInflationGenerator":
        raise errors.UnreadableError(f"{who}: {kind} is not built (let helm render the chart: helm.chart)")
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and any(name in annotations for name in _FUNCTION):
        raise errors.UnreadableError(f"{who}: {kind} runs a program or a container, which rendering may not")
    if document.get("apiVersion") != _BUILTIN:
        raise errors.UnreadableError(f"{who}: {kind} is a plugin; only those of kustomize itself are built")


def _laid_out(commit: commits.Commit, directories: tuple[str, ...]) -> tuple[dict[str, bytes], list[str]]:
    """Every file of the directories, and what was left out; stops at what one child may get."""
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    size = 0
    for directory in directories:
        for path, entry in commit.walk(directory):
            if entry.odd or entry.kind is not objects.Kind.FILE:
                what = "an unprintable name" if entry.odd else f"a {entry.kind.value}"
                left_out.append(f"{path}: {what}, left out of the build")
                continue
            try:
                files[path] = commit.content(path, entry)
            except errors.UnreadableError as error:
                left_out.append(f"{error.reason}, left out of the build")
                continue
            size += len(files[path])
            if size > limits.CHILD_INPUT_BYTES_MAX or len(files) > limits.CHILD_INPUT_FILES_MAX:
                raise errors.UnreadableError(
                    f"{directory}: more than a build may read ({limits.CHILD_INPUT_FILES_MAX} files,"
                    f" {limits.CHILD_INPUT_BYTES_MAX} bytes)"
                )
    return files, left_out
