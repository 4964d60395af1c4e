"""The stage of Helm charts: which chart, which values, and what the result follows from."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from controller.domain import inputs
from controller.render import (
    asking,
    chart_store,
    charts,
    children,
    commits,
    discovery,
    errors,
    fleet_templates,
    helm,
    limits,
    programs,
    recipes,
    staging,
    templates,
    yamls,
)
from protocol.events import sources

RELEASE_CHARACTERS_MAX = 53
"""Helm's own bound of a release's name."""

_OCI = "oci://"
_DIGITS = 8


class Source(msgspec.Struct, frozen=True):
    """A chart, and what of it a render follows from."""

    chart: Callable[[], charts.Chart]
    reads: tuple[tuple[str, str], ...]
    traits: templates.Traits
    path: str
    """For messages."""


class ChartStage:
    """Plans the templating of charts."""

    def __init__(self, program: programs.Program, sandbox: children.Sandbox, store: chart_store.Store | None) -> None:
        self._engine = programs.Engine(program, sandbox)
        self._store = store
        self._traits: dict[tuple[tuple[str, str], ...], templates.Traits] = {}

    def plan(self, order: staging.Order, commit: commits.Commit, ask: asking.Asking) -> staging.Plan:
        """What a render of the order's chart takes; raise UnreadableError where it cannot be had."""
        wanted = order.wanted.helm or recipes.Helm()
        source = self._remote(wanted) if wanted.repo or wanted.chart.startswith(_OCI) else self._local(order, commit)
        version = (ask.lookup(inputs.KUBERNETES) or "") if source.traits.capabilities else ""
        values = fleet_templates.fill(wanted.values, ask.lookup) if wanted.fleet_templates else wanted.values
        files = helm.values_files(commit, order.bundle.path, wanted.values_files)
        if wanted.fleet_templates:
            files = tuple(helm.File(file.path, _filled(file, ask)) for file in files)
        release = helm.Release(
            name=wanted.release_name or release_name(order.id),
            namespace=order.namespace or "default",
            values_files=(*_inline_first(wanted, values), *files),
            values={} if wanted.files_win else values,
            kube_version=version,
            api_versions=ask.api_versions() if source.traits.api_versions else (),
            skip_crds=bool(wanted.skip_crds),
            skip_hooks=bool(wanted.skip_hooks),
        )

        def make() -> staging.Staged:
            output = helm.template(self._engine, source.chart(), release)
            warnings = tuple(sources.Problem(source.path, warning) for warning in output.warnings)
            text = staging.Text(source.path, output.documents, has_lines=False)
            hooks = (staging.Text(source.path, output.hooks, has_lines=False),) if output.hooks.strip() else ()
            return staging.Staged((text,), hooks=hooks, warnings=warnings)

        # The values files are in it, with their content.
        made_from = hashlib.sha256(msgspec.json.encode(release, order="deterministic")).hexdigest()
        reads = (*source.reads, ("release", made_from))
        return staging.Plan(reads, self._engine.program.identity, make)

    def _local(self, order: staging.Order, commit: commits.Commit) -> Source:
        """A chart of the commit. Files that settings name as values are no part of it: else a change of one cluster's
        values would be a change of everybody's chart."""
        asked = order.wanted.helm.chart if order.wanted.helm is not None else ""
        directory = commits.resolved(order.bundle.path, asked)
        chart = f"{commits.prefix(directory)}{discovery.CHART}"
        if commit.entry(chart) is None and not directory.endswith(".tgz"):
            raise errors.UnreadableError(f"{chart}: there is no such file in the commit, so {directory} is no chart")
        below = commits.prefix(directory)
        left_out = {path.removeprefix(below) for path in order.named if path.startswith(below)} - {"values.yaml"}
        reads = tuple(
            read
            for path, oid in charts.closure(commit, directory)
            for read in _own(commit, path, oid, left_out if path == directory else set())
        )
        key = (("chart", directory), *reads)
        if key not in self._traits:
            if len(self._traits) >= limits.CHARTS_KEPT_MAX:
                self._traits.clear()
            self._traits[key] = charts.traits(commit, directory)

        def whole() -> charts.Chart:
            found = charts.from_commit(commit, directory, self._store)
            kept = {path: content for path, content in found.files.items() if path not in left_out}
            return msgspec.structs.replace(found, files=kept)

        return Source(whole, key, self._traits[key], directory)

    def _remote(self, wanted: recipes.Helm) -> Source:
        if self._store is None:
            raise errors.MissingError(
                "charts of repositories are not fetched here (render, targets and validate: --charts-dir)"
            )
        remote = chart_store.Remote(wanted.chart, repo=wanted.repo, version=wanted.version)
        chart = charts.from_repository(self._store, remote)
        reads = tuple((f"{one.chart} {one.version}", one.digest) for one in chart.resolved)
        return Source(lambda: chart, reads, templates.traits(chart.files), path=str(remote))


def release_name(bundle: str) -> str:
    """A release's name from a bundle's id: readable, within Helm's bound, and no other bundle's."""
    text = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in bundle.lower()).strip("-")
    if text == bundle.replace("/", "-") and len(text) <= RELEASE_CHARACTERS_MAX:
        return text
    digest = hashlib.sha256(bundle.encode()).hexdigest()[:_DIGITS]
    return f"{text[: RELEASE_CHARACTERS_MAX - _DIGITS - 1].strip('-')}-{digest}".strip("-")


def _own(commit: commits.Commit, path: str, oid: str, left_out: set[str]) -> list[tuple[str, str]]:
    """A chart's files less those that are left out; its directory as a whole where none is."""
    if not left_out:
        return [(path, oid)]
    below = commits.prefix(path)
    return [(file, entry.oid) for file, entry in commit.walk(path) if file.removeprefix(below) not in left_out]


def _filled(file: helm.File, ask: asking.Asking) -> bytes:
    """A values file with Fleet's templates filled in."""
    try:
        documents = yamls.load(file.content)
        value: Any = documents[0].value if documents else {}
        if not isinstance(value, dict):
            return file.content  # helm says what is wrong with it
        return msgspec.json.encode(fleet_templates.fill(value, ask.lookup))
    except errors.UnreadableError as error:
        raise errors.ProblemsError((sources.Problem(file.path, error.reason, error.line),)) from error


def _inline_first(wanted: recipes.Helm, values: dict[str, Any]) -> tuple[helm.File, ...]:
    """In fleet.yaml, files of values win over the values beside them."""
    return (helm.File("values", msgspec.json.encode(values)),) if wanted.files_win and values else ()
