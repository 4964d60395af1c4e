"""Which renderer a bundle gets: what stands in its directory and what its settings say decide, nothing else."""

from collections.abc import Callable

import msgspec

from controller.render import children, commits, discovery, errors, kustomize, programs, raw, staging
from protocol.events import sources


class Tools(msgspec.Struct, frozen=True):
    """The programs of this machine, and what they may do. Plain data, for all processes that render."""

    kustomize: programs.Program | None = None
    kustomize_missing: str = "nobody looked for kustomize"
    """Why there is none."""
    allow_remote_bases: bool = False
    """Whether a bundle that asks for it may fetch bases from elsewhere."""

    @property
    def version(self) -> str:
        """All renderers with their versions: what a catalog was rendered by (I2)."""
        found = [raw.VERSION, *(one.identity for one in (self.kustomize,) if one is not None)]
        return " ".join(found)


def find_tools(path: str | None = None, *, allow_remote_bases: bool = False) -> Tools:
    """Look for the programs on `path` (default: PATH)."""
    found = Tools(allow_remote_bases=allow_remote_bases)
    try:
        found = msgspec.structs.replace(found, kustomize=programs.find_kustomize(path))
    except errors.MissingError as error:
        found = msgspec.structs.replace(found, kustomize_missing=error.reason)
    return found


class Stages:
    """Plain manifests, charts, kustomizations, and charts under a kustomization."""

    def __init__(self, tools: Tools | None = None) -> None:
        self._tools = tools or Tools()
        self._alone = children.Sandbox()
        self._networked = children.Sandbox(network=True)

    @property
    def version(self) -> str:
        """That of the tools."""
        return self._tools.version

    def close(self) -> None:
        """End what starts the programs."""
        self._alone.close()
        self._networked.close()

    def plan(self, order: staging.Order, commit: commits.Commit, _ask: Callable[[str], str | None]) -> staging.Plan:
        """What the stage would take; raise UnreadableError where it cannot be made."""
        if raw.is_plain(order):
            return raw.plan(order, commit)
        if order.wanted.overlays:
            raise errors.UnreadableError("overlays are for plain manifests (a kustomization has its own)")
        if _is_chart(order):
            chart = order.bundle.marker(discovery.CHART)
            path = chart.path if chart is not None else order.bundle.path
            raise errors.ProblemsError((sources.Problem(path, "a Helm chart is not supported yet"),))
        return self._kustomized(order, commit)

    def _kustomized(self, order: staging.Order, commit: commits.Commit) -> staging.Plan:
        asked = order.wanted.kustomize
        directory = commits.resolved(order.bundle.path, asked.dir if asked is not None else "")
        if self._tools.kustomize is None:
            raise errors.MissingError(self._tools.kustomize_missing)
        remote = self._tools.allow_remote_bases and order.settings.allow_remote_bases
        engine = programs.Engine(self._tools.kustomize, self._networked if remote else self._alone)
        found = kustomize.closure(commit, directory, remote=remote)

        def make() -> staging.Staged:
            built = kustomize.build(engine, commit, directory, remote=remote)
            warnings = tuple(sources.Problem(directory, warning) for warning in built.warnings)
            text = staging.Text(directory, built.documents, has_lines=False)
            return staging.Staged((text,), warnings=warnings)

        reads = (*zip(found.directories, found.oids, strict=True), *((remote, "") for remote in found.remotes))
        return staging.Plan((("kustomization", directory), *reads), engine.program.identity, make)


def _is_chart(order: staging.Order) -> bool:
    return order.wanted.helm is not None or order.bundle.marker(discovery.CHART) is not None
