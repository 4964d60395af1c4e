"""Which renderer a bundle gets: what stands in its directory and what its settings say decide, nothing else."""

import os
import pathlib

import msgspec

from controller.render import (
    asking,
    chart_stage,
    chart_store,
    children,
    commits,
    discovery,
    errors,
    kustomize,
    programs,
    raw,
    staging,
)
from protocol.events import sources


class Tools(msgspec.Struct, frozen=True):
    """The programs of this machine, and what they may do. Plain data, for all processes that render."""

    helm: programs.Program | None = None
    helm_missing: str = "nobody looked for helm"
    """Why there is none."""
    kustomize: programs.Program | None = None
    kustomize_missing: str = "nobody looked for kustomize"
    """Why there is none."""
    charts: str = ""
    """Where charts of repositories are kept; empty: none are fetched."""
    chart_repositories: tuple[str, ...] = ()
    """The only addresses at or below which charts are fetched; none: all are."""
    places: str = ""
    """Where the programs' temporary files go; empty: where the system has such."""
    memory: str = ""
    """A directory that lies in memory, for the small ones of them; empty: all go to the disk."""
    allow_remote_bases: bool = False
    """Whether a bundle that asks for it may fetch bases from elsewhere."""

    @property
    def version(self) -> str:
        """All renderers with their versions: what a catalog was rendered by (I2). What they may do is part of it: what
        was refused is looked at again once it is allowed."""
        found = [raw.VERSION, *(one.identity for one in (self.helm, self.kustomize) if one is not None)]
        return " ".join([*found, "remote-bases"] if self.allow_remote_bases else found)


def find_tools(path: str | None = None, *, charts: str = "", places: str = "", memory: str = "") -> Tools:
    """Look for the programs on `path` (default: PATH)."""
    found = Tools(charts=charts, places=places, memory=memory)
    try:
        found = msgspec.structs.replace(found, helm=programs.find_helm(path))
    except errors.MissingError as error:
        found = msgspec.structs.replace(found, helm_missing=error.reason)
    try:
        return msgspec.structs.replace(found, kustomize=programs.find_kustomize(path))
    except errors.MissingError as error:
        return msgspec.structs.replace(found, kustomize_missing=error.reason)


class Stages:
    """Plain manifests, charts, kustomizations, and charts under a kustomization."""

    def __init__(self, tools: Tools | None = None) -> None:
        self._tools = tools or Tools()
        places = pathlib.Path(self._tools.places) if self._tools.places else None
        memory = pathlib.Path(self._tools.memory) if self._tools.memory else None
        self._alone = children.Sandbox(directory=places, memory=memory)
        self._networked = children.Sandbox(network=True, directory=places)
        self._store = _store(self._tools)
        self._charts = None
        if self._tools.helm is not None:
            self._charts = chart_stage.ChartStage(self._tools.helm, self._alone, self._store)

    @property
    def version(self) -> str:
        """That of the tools."""
        return self._tools.version

    def close(self) -> None:
        """End what starts the programs."""
        self._alone.close()
        self._networked.close()
        if self._store is not None:
            self._store.close()

    def plan(self, order: staging.Order, commit: commits.Commit, ask: asking.Asking) -> staging.Plan:
        """What the stage would take; raise UnreadableError where it cannot be made."""
        if raw.is_plain(order):
            return raw.plan(order, commit)
        if order.wanted.overlays:
            raise errors.UnreadableError("overlays are for plain manifests (a kustomization has its own)")
        if not _is_chart(order):
            return self._kustomized(order, commit)
        if self._charts is None:
            raise errors.MissingError(self._tools.helm_missing)
        chart = self._charts.plan(order, commit, ask)
        return self._kustomized(order, commit, under=chart) if _is_kustomization(order) else chart

    def _kustomized(
        self, order: staging.Order, commit: commits.Commit, *, under: staging.Plan | None = None
    ) -> staging.Plan:
        """A kustomization, with what a chart gave as its first resource."""
        asked = order.wanted.kustomize
        directory = commits.resolved(order.bundle.path, asked.dir if asked is not None else "")
        if self._tools.kustomize is None:
            raise errors.MissingError(self._tools.kustomize_missing)
        remote = self._tools.allow_remote_bases and order.settings.allow_remote_bases
        engine = programs.Engine(self._tools.kustomize, self._networked if remote else self._alone)
        found = kustomize.closure(commit, directory, remote=remote)

        def make() -> staging.Staged:
            below = under.make() if under is not None else None
            rendered = b"\n---\n".join(text.data for text in below.texts) if below is not None else None
            try:
                built = kustomize.build(engine, commit, directory, rendered=rendered, remote=remote)
            except errors.ChildError as error:
                # What could not be fetched now may be there tomorrow.
                if found.remotes:
                    raise errors.MissingError(error.reason) from error
                raise
            warnings = tuple(sources.Problem(directory, warning) for warning in built.warnings)
            text = staging.Text(directory, built.documents, has_lines=False)
            if below is None:
                return staging.Staged((text,), warnings=warnings)
            return msgspec.structs.replace(below, texts=(text,), warnings=(*below.warnings, *warnings))

        reads = [("kustomization", directory), *zip(found.directories, found.oids, strict=True)]
        reads += [(remote, "") for remote in found.remotes]
        tool = engine.program.identity
        if under is not None:
            return staging.Plan((*under.reads, *reads), f"{under.tool} {tool}", make)
        return staging.Plan(tuple(reads), tool, make)


def _store(tools: Tools) -> chart_store.Store | None:
    if tools.helm is None or not tools.charts:
        return None
    return chart_store.Store(
        pathlib.Path(tools.charts), tools.helm, environ=os.environ, allowed=tools.chart_repositories
    )


def _is_chart(order: staging.Order) -> bool:
    named = order.wanted.helm is not None and order.wanted.helm.names_chart
    return named or order.bundle.marker(discovery.CHART) is not None


def _is_kustomization(order: staging.Order) -> bool:
    return order.wanted.kustomize is not None or order.bundle.marker(*discovery.KUSTOMIZATIONS) is not None
