"""What `render`, `targets` and `validate` have in common: which tree, which clusters, which source, which programs."""

import contextlib
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, NoReturn

import msgspec
import typer

from controller import errors
from controller.cli import options, session
from controller.configuration import reading
from controller.domain import rejections
from controller.git import worktrees
from controller.preview import fleets, looking, texts
from controller.render import discovery, stages
from protocol import ids, specs

Path = Annotated[pathlib.Path, typer.Argument(help="a bundle's directory, or one with many bundles", metavar="PATH")]
Clusters = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="PATH",
        help="file or directory of Cluster, ClusterGroup and Source documents, as `flotilla hub --config`",
    ),
]
Online = Annotated[bool, typer.Option("--online", help="take clusters and source from the hub; nothing is changed")]
Source = Annotated[
    str,
    typer.Option(metavar="NAME", help="what the source is called at the hub: releases of charts are named after it"),
]
Paths = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="GLOB", help="the source's bundle directories or globs, such as 'apps/*'"),
]
Charts = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="DIR", help="directory that keeps charts of repositories; without it none are fetched (network!)"
    ),
]
Version = Annotated[
    str,
    typer.Option(metavar="VERSION", help="Kubernetes version of clusters whose version is not known, such as 1.34.2"),
]

COMMON = (
    "Without a hub and without a network, from the working tree as it would be committed: changes that nobody added "
    "count, files that Git ignores do not. Outside a Git repository, PATH is the root. Charts from repositories need "
    "--charts-dir; helm and kustomize are looked for on PATH."
)


class Sight(msgspec.Struct, frozen=True):
    """Where to look, and what is known around it."""

    snapshot: worktrees.Snapshot
    scope: looking.Scope
    spec: specs.SourceSpec | None
    known: fleets.Fleet
    is_named: bool
    """Somebody said what the source is called."""


class Wish(msgspec.Struct, frozen=True):
    """What the flags say."""

    path: pathlib.Path
    clusters: pathlib.Path | None = None
    online: bool = False
    source: str = ""
    paths: Sequence[str] = ()
    url: str = ""
    token: str = ""
    kubernetes_version: str = ""


@contextlib.contextmanager
def opened(wish: Wish) -> Iterator[Sight]:
    """The tree and what is known; raise CommandError, or what `translated` makes one of."""
    with worktrees.taken(wish.path) as snapshot:
        if not snapshot.is_repository:
            remark(f"note: no Git repository is here: {wish.path} is taken as the root")
        known = _known(wish)
        if wish.kubernetes_version:
            known = fleets.of_version(known, wish.kubernetes_version)
        source = ids.SourceName(wish.source or _assumed(snapshot, known))
        ids.dns_label(source, "source")
        spec = known.sources.get(source)
        if wish.source and known.sources and spec is None:
            raise session.CommandError(f"source {source!r}: there is no such source", session.NOT_FOUND)
        paths = tuple(wish.paths) or (spec.paths if spec is not None else (_root(snapshot.path),))
        scope = looking.Scope(
            source=source,
            paths=paths,
            below=snapshot.path,
            is_whole=bool(wish.paths) or spec is not None or snapshot.path == discovery.ROOT,
        )
        yield Sight(snapshot, scope, spec, known, is_named=bool(wish.source) or spec is not None)


@contextlib.contextmanager
def renderers(charts: pathlib.Path | None) -> Iterator[stages.Stages]:
    """The renderers with the programs of this machine; charts are fetched only if there is a place for them."""
    try:
        if charts is not None:
            charts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise session.CommandError(
            f"--charts-dir {charts}: cannot be made ({error.strerror})", session.USAGE
        ) from error
    made = stages.Stages(stages.find_tools(charts=str(charts.resolve()) if charts is not None else ""))
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def translated(*, failed: int = session.FAILED) -> Iterator[None]:
    """What goes wrong, as the end of a command; `failed`: its code where nobody used it wrongly."""
    try:
        yield
    except (reading.ConfigurationError, rejections.Invalid, ids.InvalidNameError, worktrees.NoDirectory) as error:
        raise session.CommandError(texts.printable(str(error)), session.USAGE) from error
    except rejections.NotFound as error:
        raise session.CommandError(str(error), session.NOT_FOUND) from error
    except errors.HubError as error:
        raise session.CommandError(texts.printable(str(error)), failed) from error


def remark(text: str) -> None:
    """One line for a person, beside what programs read."""
    sys.stderr.write(texts.printable(text) + "\n")


def unknown_clusters() -> NoReturn:
    """Nobody said which clusters there are."""
    raise session.CommandError("no clusters are known: name some with --clusters FILE or --online", session.USAGE)


def _known(wish: Wish) -> fleets.Fleet:
    if wish.online and wish.clusters is not None:
        raise session.CommandError("--online and --clusters: one of them", session.USAGE)
    if wish.clusters is not None:
        return fleets.from_file(wish.clusters)
    if not wish.online:
        return fleets.UNKNOWN
    hub = options.hub(wish.url, wish.token)
    sources = {}
    for row in hub.items("sources"):
        if wish.source in ("", row["name"]):
            found = hub.get(f"sources/{session.quoted(row['name'])}")
            sources[row["name"]] = msgspec.convert(found["spec"], specs.SourceSpec)
    return fleets.Fleet(clusters=fleets.from_rows(hub.items("clusters")), sources=sources)


def _assumed(snapshot: worktrees.Snapshot, known: fleets.Fleet) -> str:
    """What the source is called, if nobody says so: as the repository's directory, or as the only one there is."""
    name = re.sub(r"[^a-z0-9]+", "-", snapshot.root.name.lower())[:63].strip("-") or "source"
    if name in known.sources or not known.sources:
        return name
    if len(known.sources) > 1:
        named = ", ".join(sorted(known.sources))
        raise session.CommandError(f"say which source this is with --source: {named}", session.USAGE)
    return next(iter(known.sources))


def _root(path: str) -> str:
    return "/" if path == discovery.ROOT else path
