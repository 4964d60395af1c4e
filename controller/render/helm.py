"""Helm charts, templated: the manifests of a release, and its hooks apart from them.

Values reach helm in files only. `lookup` finds nothing, as in every rendering without a cluster, and a chart that uses
it gets a warning. A chart that uses chance is rendered twice: a digest that differs from hub to hub would roll out at
every restart, so a difference is an error that names the object.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from controller.render import chart_store, charts, children, commits, errors, limits, manifests, programs, templates

HOOK = "helm.sh/hook"
"""The annotation that makes an object a hook. The hooks of `helm test` are left out, as by `--skip-tests`."""

_CHART = "chart"
_VALUES = "values"
_PLACE = re.compile(r"^\w+\.go:[0-9]+: (info: )?")
_DOCUMENT = re.compile(rb"^---\n(?=# Source: )", re.MULTILINE)


class File(msgspec.Struct, frozen=True):
    """A values file."""

    path: str
    """In the repository; for messages."""
    content: bytes


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """How a chart is templated."""

    name: str
    namespace: str = "default"
    values_files: tuple[File, ...] = ()
    """Later ones win."""
    values: dict[str, Any] = {}
    """Win over all files."""
    kube_version: str = ""
    """Of the cluster; empty: what helm takes for one."""
    api_versions: tuple[str, ...] = ()
    """Beyond those that helm knows, for example `monitoring.coreos.com/v1/ServiceMonitor`."""
    skip_crds: bool = False
    skip_hooks: bool = False


class Output(msgspec.Struct, frozen=True):
    """What a chart gives. Both are YAML of any number of documents."""

    documents: bytes
    hooks: bytes
    """Objects with the annotation HOOK, in helm's order; they are not part of `documents`."""
    warnings: tuple[str, ...] = ()
    resolved: tuple[chart_store.Resolved, ...] = ()
    """Charts from repositories that went into it."""


def values_files(commit: commits.Commit, bundle: str, paths: Sequence[str]) -> tuple[File, ...]:
    """Values files of the commit, as a bundle names them; raise UnreadableError if one is not there."""
    found = (commits.resolved(bundle, path) for path in paths)
    return tuple(File(path, commit.file(path)) for path in found)


def template(engine: programs.Engine, chart: charts.Chart, release: Release) -> Output:
    """Render a chart; raise UnreadableError, ChildError included."""
    command = _command(engine, chart, release)
    values = [*(file.content for file in release.values_files), msgspec.json.encode(release.values)]
    asked = templates.traits(chart.files, values)
    done = _run(engine, chart, release, command)
    if asked.random or asked.clock:
        again = _run(engine, chart, release, command)
        if again.stdout != done.stdout:
            raise _unstable(chart, asked, done.stdout, again.stdout)
    if not done.stdout.strip():
        reason = f"{chart.name}: helm gives no object (its values switch off every template?)"
        raise errors.ChildError(reason, errors.Cause.NOTHING)
    documents, hooks = _parted(done.stdout)
    warnings = [*chart.warnings, *_warnings(asked), *(f"helm: {line}" for line in _lines(done.stderr))]
    return Output(documents, hooks, tuple(warnings[: limits.WARNINGS_MAX]), chart.resolved)


def _command(engine: programs.Engine, chart: charts.Chart, release: Release) -> children.Command:
    files = {f"{_CHART}/{path}": content for path, content in chart.files.items()}
    options = [f"--namespace={release.namespace}", "--skip-tests"]
    if not release.skip_crds:
        options.append("--include-crds")
    if release.skip_hooks:
        options.append("--no-hooks")
    if release.kube_version:
        options.append(f"--kube-version={release.kube_version}")
    if release.api_versions:
        options.append(f"--api-versions={','.join(release.api_versions)}")
    # Names of our own: helm takes a comma for the end of a name, and `https:` for something to fetch.
    for place, file in enumerate(release.values_files):
        options.append(f"--values={_VALUES}/{place}.yaml")
        files[f"{_VALUES}/{place}.yaml"] = file.content
    if release.values:
        options.append(f"--values={_VALUES}/inline.json")
        files[f"{_VALUES}/inline.json"] = msgspec.json.encode(release.values)
    arguments = ("template", *options, "--", release.name, f"./{_CHART}")
    return msgspec.structs.replace(engine.command("helm", arguments), files=files)


def _run(
    engine: programs.Engine, chart: charts.Chart, release: Release, command: children.Command
) -> children.Finished:
    try:
        return engine.sandbox.run(command)
    except errors.ChildError as error:
        reason = error.reason.replace(f"{_VALUES}/inline.json", "values")
        for place, file in enumerate(release.values_files):
            reason = reason.replace(f"{_VALUES}/{place}.yaml", file.path)
        raise errors.ChildError(f"{chart.name}: {reason}", error.cause) from error


def _parted(output: bytes) -> tuple[bytes, bytes]:
    """Manifests and hooks; helm prints each hook as one document, and the hooks last."""
    if HOOK.encode() not in output:
        return output, b""
    kept: list[bytes] = []
    hooks: list[bytes] = []
    for document in _DOCUMENT.split(output):
        if document.strip():
            (hooks if _is_hook(document) else kept).append(b"---\n" + document)
    return b"".join(kept), b"".join(hooks)


def _is_hook(document: bytes) -> bool:
    if HOOK.encode() not in document:
        return False
    try:
        found = manifests.load("helm.yaml", document)
    except errors.UnreadableError:
        return False  # whoever reads the manifests says what is wrong with it
    return any(HOOK in annotations for annotations in map(_annotations, found) if isinstance(annotations, dict))


def _annotations(document: Any) -> object:
    value = document.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return metadata.get("annotations") if isinstance(metadata, dict) else None


def _warnings(asked: templates.Traits) -> Iterator[str]:
    for path in asked.lookup:
        yield f"{path}: `lookup` finds nothing, because charts are rendered without a cluster"
    for path in asked.clock:
        yield f"{path}: reads the clock, so that another day's rendering may differ"


def _lines(stderr: str) -> list[str]:
    """What helm says, without the place in its own source; hooks that it does not know it leaves out, and says so."""
    lines = (_PLACE.sub("", line.strip()) for line in stderr.splitlines())
    return [line for line in lines if line]


def _unstable(chart: charts.Chart, asked: templates.Traits, first: bytes, second: bytes) -> errors.ChildError:
    """Which object differs, and where; not what stands there, since it is most often a password."""
    where = _difference(first, second) or "its output"
    by = ", ".join((*asked.random, *(f"{path} (the clock)" for path in asked.clock))[:3])
    return errors.ChildError(
        f"{chart.name}: {where} differs from one rendering to the next (give the value instead of making it: {by})",
        errors.Cause.UNSTABLE,
    )


def _difference(first: bytes, second: bytes) -> str:
    try:
        before, after = manifests.load("helm.yaml", first), manifests.load("helm.yaml", second)
    except errors.UnreadableError:
        return ""
    for one, other in zip(before, after, strict=False):
        if one.value != other.value:
            place = ".".join(_place(one.value, other.value))
            return f"{_named(one.value)}: {place}" if place else _named(one.value)
    return ""


def _place(one: Any, other: Any) -> Iterator[str]:
    """The keys down to the first value that differs."""
    while isinstance(one, dict) and isinstance(other, dict):
        key = next((key for key in one if one[key] != other.get(key, None)), None)
        if key is None:
            return
        yield key[:80]
        one, other = one[key], other.get(key)


def _named(value: Any) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return "an object"
    return f"{value.get('kind', 'object')} {value['metadata'].get('name', '')}".strip()
