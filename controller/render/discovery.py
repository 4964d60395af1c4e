"""Find the bundles of a commit: where each begins, which files are its own, and what is left out.

An entry of `paths` makes every directory that it matches a bundle; a directory below with a marker file makes one of
its own and leaves its parent; below a chart or a kustomization, only a settings file does, since their directories hold
such files of their own. A directory without a marker and without a manifest is no bundle. Left out: names that
begin with a dot, `overlays/` of a bundle, and what ignore files name. Symbolic links and submodules are never followed:
a link that looks like a manifest is an error of its bundle, since what it stands for would be gone in silence.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from controller.domain import catalogs
from controller.git import objects
from controller.render import bundle_settings, errors, limits, manifests, patterns, settings
from protocol import canonical
from protocol.events import sources

CHART = "Chart.yaml"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SETTINGS = (settings.FLOTILLA, settings.FLEET)
RENDERED = (CHART, *KUSTOMIZATIONS)
"""What says that a directory is no plain manifests."""

MARKERS = (*SETTINGS, *RENDERED)
IGNORE_FILES = (".flotillaignore", ".fleetignore")
OVERLAYS = "overlays"
ROOT = "."


class Reader(Protocol):
    """Reads the objects of a commit; an object that is missing is an error, never an absence."""

    def entries(self, tree: str) -> tuple[objects.TreeEntry, ...]:
        """What stands in a tree."""
        ...

    def blob(self, oid: str, *, bytes_max: int) -> bytes | None:
        """A file's content; None if it is longer than `bytes_max`."""
        ...


class FileRef(msgspec.Struct, frozen=True, order=True):
    """A file of a commit."""

    path: str
    oid: str


class Bundle(msgspec.Struct, frozen=True):
    """A bundle of a commit that has to be rendered."""

    path: str
    tree: str
    inputs: str
    markers: tuple[FileRef, ...]
    settings: settings.Settings
    files: tuple[FileRef, ...]
    problems: tuple[sources.Problem, ...]
    warnings: tuple[sources.Problem, ...]

    def marker(self, *names: str) -> FileRef | None:
        """The first of these marker files that the bundle has."""
        found = {marker.path.rpartition("/")[2]: marker for marker in self.markers}
        return next((found[name] for name in names if name in found), None)


class Found(msgspec.Struct, frozen=True):
    """All bundles of a commit."""

    bundles: tuple[Bundle, ...]
    unchanged: tuple[catalogs.Entry, ...]


Unchanged = Callable[[str, str, str], Sequence[catalogs.Entry] | None]
"""(path, tree, inputs) → the entries of the bundle there and of all below it, if they are known to be the same."""


class _Draft:
    """A bundle whose files are being gathered."""

    def __init__(self, path: patterns.Segments, tree: str, inputs: str) -> None:
        self.path = path
        self.tree = tree
        self.inputs = inputs
        self.markers: list[FileRef] = []
        self.read = bundle_settings.Read()
        self.is_whole = False
        """A chart or a kustomization: of what stands below, only a settings file makes a bundle of its own."""
        self.files: list[FileRef] = []
        self.problems: list[sources.Problem] = []
        self.warnings: list[sources.Problem] = []

    def is_bundle(self) -> bool:
        return bool(self.markers or self.files or self.problems)

    def starts_another(self, entry: objects.TreeEntry) -> bool:
        """Does a directory with this entry leave the bundle, to be one of its own?"""
        return is_marker(entry, SETTINGS if self.is_whole else MARKERS)

    def finished(self) -> Bundle:
        return Bundle(
            path=_text(self.path),
            tree=self.tree,
            inputs=self.inputs,
            markers=tuple(sorted(self.markers)),
            settings=self.read.found,
            files=tuple(sorted(self.files)),
            problems=(*self.problems, *self.read.errors),
            warnings=(*self.warnings, *self.read.warnings),
        )


class _Directory(msgspec.Struct, frozen=True):
    """A directory to look into."""

    path: patterns.Segments
    tree: str
    rules: tuple[patterns.Rules, ...]
    above: tuple[FileRef, ...]
    """The ignore files that `rules` were read from."""
    owner: _Draft | None
    is_root: bool
    """An entry of `paths` matches it."""


def find(reader: Reader, tree: str, *, paths: Sequence[str], renderer: str, unchanged: Unchanged) -> Found:
    """Walk a commit; raise SourceError where `paths` do not fit it or it exceeds a limit."""
    return _Walk(reader, _parsed(paths), renderer, unchanged).run(tree)


def _parsed(paths: Sequence[str]) -> dict[str, patterns.Segments]:
    found = {}
    for text in paths or ("/",):
        segments = tuple(part for part in text.split("/") if part not in ("", ROOT))
        if any(part.startswith(".") for part in segments):
            raise errors.PathsError(f"paths entry {text!r}: names that begin with a dot are left out, `..` is no path")
        found[text] = segments
    return found


class _Walk:
    """One walk through one commit."""

    def __init__(
        self, reader: Reader, paths: dict[str, patterns.Segments], renderer: str, unchanged: Unchanged
    ) -> None:
        self._reader = reader
        self._paths = paths
        self._unchanged = unchanged
        self._configuration = [renderer, sorted({"/".join(path) for path in paths.values()})]
        self._known_inputs: dict[tuple[tuple[FileRef, ...], bool], str] = {}
        """Nearly all directories have the same ignore files above them."""
        self._seen = 0
        self._drafts: list[_Draft] = []
        self._reused: list[catalogs.Entry] = []
        self._pending: list[_Directory] = []

    def run(self, tree: str) -> Found:
        self._pending.append(_Directory((), tree, (), (), None, self._is_root(())))
        while self._pending:
            self._seen += 1
            if self._seen > limits.DIRECTORIES_MAX:
                raise errors.TooLargeError(f"commit: more than {limits.DIRECTORIES_MAX} directories")
            self._visit(self._pending.pop())
        found = tuple(draft.finished() for draft in self._drafts if draft.is_bundle())
        self._check(tree, [bundle.path for bundle in found] + [entry.path for entry in self._reused])
        return Found(found, tuple(self._reused))

    def _visit(self, directory: _Directory) -> None:
        is_root = directory.is_root
        inputs = self._inputs(directory, is_root=is_root)
        if is_root or directory.owner is not None:
            # Whether it is a bundle of its own, the same tree said before.
            same = self._unchanged(_text(directory.path), directory.tree, inputs)
            if same is not None:
                self._reused.extend(same)
                return
        entries = self._reader.entries(directory.tree)
        directory = self._with_rules(directory, entries)
        kept = [entry for entry in entries if not self._is_left_out(directory, entry)]
        owner = directory.owner
        starts = is_root or (owner is not None and any(owner.starts_another(entry) for entry in kept))
        if starts:
            draft = _Draft(directory.path, directory.tree, inputs)
            self._read_settings(draft, directory.path, kept)
            self._drafts.append(draft)
            directory = msgspec.structs.replace(directory, owner=draft)
        for entry in kept:
            self._take(directory, entry, starts)

    def _read_settings(self, draft: _Draft, path: patterns.Segments, entries: Sequence[objects.TreeEntry]) -> None:
        markers = {
            entry.name: (_text((*path, entry.name)), entry.oid)
            for entry in entries
            if entry.name in SETTINGS and entry.kind is objects.Kind.FILE
        }
        draft.read = bundle_settings.read(
            markers, lambda oid: self._reader.blob(oid, bytes_max=limits.SETTINGS_BYTES_MAX)
        )
        draft.is_whole = draft.read.renders() or any(is_marker(entry, RENDERED) for entry in entries)

    def _inputs(self, directory: _Directory, *, is_root: bool) -> str:
        # Within a chart or a kustomization it takes more to be a bundle of its own.
        is_within = not is_root and directory.owner is not None and directory.owner.is_whole
        known = self._known_inputs.get((directory.above, is_within))
        if known is None:
            above = [[file.path, file.oid] for file in directory.above]
            known = hashlib.sha256(canonical.encode([*self._configuration, above, is_within])).hexdigest()[:32]
            self._known_inputs[(directory.above, is_within)] = known
        return known

    def _with_rules(self, directory: _Directory, entries: Sequence[objects.TreeEntry]) -> _Directory:
        for entry in entries:
            if entry.name not in IGNORE_FILES:
                continue
            if entry.kind is not objects.Kind.FILE:
                raise errors.PathsError(f"{_text((*directory.path, entry.name))}: a {entry.kind.value}, not a file")
            file = FileRef(_text((*directory.path, entry.name)), entry.oid)
            rules = self._rules(directory.path, file)
            directory = msgspec.structs.replace(
                directory, rules=(*directory.rules, rules), above=(*directory.above, file)
            )
        return directory

    def _rules(self, path: patterns.Segments, file: FileRef) -> patterns.Rules:
        data = self._reader.blob(file.oid, bytes_max=limits.IGNORE_BYTES_MAX)
        if data is None:
            raise errors.TooLargeError(f"{file.path}: larger than {limits.IGNORE_BYTES_MAX} bytes")
        try:
            return patterns.parse_rules(path, data)
        except errors.UnreadableError as error:
            # What it would have left out is unknown: nothing below can be told.
            raise errors.PathsError(f"{file.path}: {error.reason}") from error

    def _is_left_out(self, directory: _Directory, entry: objects.TreeEntry) -> bool:
        if entry.name.startswith("."):
            return True
        is_directory = entry.kind is objects.Kind.DIRECTORY
        return patterns.is_ignored(directory.rules, (*directory.path, entry.name), is_directory=is_directory)

    def _take(self, directory: _Directory, entry: objects.TreeEntry, starts: bool) -> None:
        path = (*directory.path, entry.name)
        owner = directory.owner
        if entry.kind is objects.Kind.DIRECTORY:
            if starts and entry.name == OVERLAYS:
                owner = None
            below = _Directory(path, entry.oid, directory.rules, directory.above, owner, self._is_root(path))
            self._descend(below, entry)
        elif owner is not None:
            _gather(owner, entry, path, starts)

    def _is_root(self, path: patterns.Segments) -> bool:
        return any(patterns.matches(pattern, path) for pattern in self._paths.values())

    def _descend(self, directory: _Directory, entry: objects.TreeEntry) -> None:
        wanted = directory.is_root or directory.owner is not None
        if not (wanted or any(patterns.may_match_below(pattern, directory.path) for pattern in self._paths.values())):
            return
        if entry.odd:
            raise errors.PathsError(f"directory {_text(directory.path)}: its name is not UTF-8, or unprintable")
        if len(directory.path) > limits.DIRECTORY_DEPTH_MAX:
            raise errors.TooLargeError(f"directory {_text(directory.path)}: deeper than {limits.DIRECTORY_DEPTH_MAX}")
        self._pending.append(directory)

    def _check(self, tree: str, bundles: list[str]) -> None:
        """Every entry of `paths` must stand for something: else a typing error would empty a fleet."""
        if len(bundles) > limits.BUNDLES_MAX:
            raise errors.TooLargeError(f"commit: more than {limits.BUNDLES_MAX} bundles")
        for text, pattern in self._paths.items():
            if not any(_is_at_or_below(pattern, path) for path in bundles):
                raise self._nothing(tree, text)

    def _nothing(self, tree: str, text: str) -> errors.SourceError:
        """What stands in the place of the bundle that an entry should have found."""
        for name in self._paths[text]:
            entry = next((entry for entry in self._reader.entries(tree) if entry.name == name), None)
            if entry is None:
                return errors.PathsError(f"paths entry {text!r}: matches no directory (deleted, renamed or ignored?)")
            if entry.kind is not objects.Kind.DIRECTORY:
                return errors.PathsError(f"paths entry {text!r}: {name} is a {entry.kind.value}, not a directory")
            tree = entry.oid
        suffixes = ", ".join(manifests.SUFFIXES)
        return errors.NoBundleError(f"paths entry {text!r}: holds no bundle (no {suffixes} file, or all are ignored)")


def _is_at_or_below(pattern: patterns.Segments, path: str) -> bool:
    """Is the bundle at `path` there thanks to this entry: matched, or within what it matched?"""
    segments = () if path == ROOT else tuple(path.split("/"))
    return any(patterns.matches(pattern, segments[:length]) for length in range(len(segments) + 1))


def is_marker(entry: objects.TreeEntry, names: Collection[str] = MARKERS) -> bool:
    """Is this one of the files that make a directory a bundle?"""
    return entry.name in names and entry.kind in (objects.Kind.FILE, objects.Kind.LINK)


def _gather(owner: _Draft, entry: objects.TreeEntry, path: patterns.Segments, starts: bool) -> None:
    """Sort one name that is no directory into its bundle."""
    text = _text(path)
    is_marker = starts and entry.name in MARKERS
    if entry.kind is objects.Kind.SUBMODULE:
        owner.warnings.append(sources.Problem(text, "a submodule is not read"))
    elif not is_marker and not entry.name.endswith(manifests.SUFFIXES):
        if entry.kind is objects.Kind.LINK:
            owner.warnings.append(sources.Problem(text, "a symbolic link is not followed"))
    elif reason := refusal(entry):
        owner.problems.append(sources.Problem(text, reason))
    elif is_marker:
        owner.markers.append(FileRef(text, entry.oid))
    else:
        owner.files.append(FileRef(text, entry.oid))


def refusal(entry: objects.TreeEntry) -> str:
    """Why what is called like a manifest is none that can be read; empty: it can be."""
    if entry.kind is objects.Kind.LINK:
        return "a symbolic link is not followed (put the file here, or list the link in .flotillaignore)"
    if entry.kind is not objects.Kind.FILE:
        return f"a {entry.kind.value} is not read"
    return "the file's name is not UTF-8, or unprintable" if entry.odd else ""


def _text(path: patterns.Segments) -> str:
    return "/".join(path) or ROOT
