"""`flotilla render`: the manifests that a cluster would get from a working tree."""

import enum
import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated, assert_never

import msgspec
import typer

from controller.cli import options, previews, session
from controller.domain import catalogs, inputs, placements
from controller.preview import fleets, folders, looking, objects, placing, texts
from controller.render import discovery

CODES = (
    "Exit codes: 0 rendered, 1 a bundle is in error (the others are printed all the same), 2 used wrongly, "
    "3 no such cluster or source, 4 hub unreachable, 5 unauthorized."
)

HELP = f"""Print what a cluster would get: the manifests whose bytes the hub would store and the agent would apply.

Example: flotilla render apps/storefront --label env=prod --var replicas=3

With the clusters of your fleet: flotilla render apps --clusters fleet/ --cluster edge-1 -o name

{previews.COMMON}

Bundles that others depend on come first, then by their ids; within a bundle Namespaces, CustomResourceDefinitions, the
rest, admission webhooks, each by group, kind, namespace and name, as the agent applies them. `namespace` and
`defaultNamespace` of a bundle are filled in as the agent does it; of a custom kind only the cluster knows whether it
has namespaces, unless its definition is rendered, too: a comment says so. Helm's hooks are left out without --hooks."""

app = options.application(codes=CODES)

Words = list[str] | None


class Form(enum.StrEnum):
    """How to print."""

    YAML = "yaml"
    JSON = "json"
    NAME = "name"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla render`."""
    return options.run(app, "render", argv)


@app.command(help=HELP)
def show(
    path: previews.Path,
    cluster: Annotated[str, typer.Option(metavar="CLUSTER", help="the cluster's name")] = "",
    label: Annotated[
        Words, typer.Option(metavar="KEY=VALUE", help="a label of the cluster, key=value; repeatable")
    ] = None,
    annotation: Annotated[
        Words, typer.Option(metavar="KEY=VALUE", help="an annotation of the cluster, key=value; repeatable")
    ] = None,
    var: Annotated[
        Words, typer.Option(metavar="KEY=VALUE", help="a value registered for it, key=value: `${vars.key}`; repeatable")
    ] = None,
    group: Annotated[Words, typer.Option(metavar="GROUP", help="a ClusterGroup that it is in; repeatable")] = None,
    kubernetes_version: Annotated[
        str, typer.Option(metavar="VERSION", help="its Kubernetes version, such as 1.34.2")
    ] = "",
    clusters: previews.Clusters = None,
    online: previews.Online = False,
    source: previews.Source = "",
    source_path: previews.Paths = None,
    charts_dir: previews.Charts = None,
    hooks: Annotated[bool, typer.Option("--hooks", help="Helm's hooks, too, each after its bundle")] = False,
    output_: Annotated[Form, typer.Option("--output", "-o", metavar="FORM", help="yaml, json or name")] = Form.YAML,
    output_dir: Annotated[
        pathlib.Path | None,
        typer.Option(metavar="DIR", help="write a file for each object here; it must be new or empty"),
    ] = None,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Render, print, and say on stderr what was left out."""
    if (clusters is not None or online) and not cluster and not label:
        raise session.CommandError("say which cluster: --cluster NAME", session.USAGE)
    said = fleets.Said(
        name=cluster,
        labels=options.pairs(label or (), "--label"),
        annotations=options.pairs(annotation or (), "--annotation"),
        values=options.pairs(var or (), "--var"),
        groups=tuple(group or ()),
        kubernetes_version=kubernetes_version,
    )
    wish = previews.Wish(path, clusters, online, source, source_path or (), url, token)
    with previews.translated(), previews.opened(wish) as sight, previews.renderers(charts_dir) as stager:
        facts = fleets.cluster(sight.known, said)
        scope = msgspec.structs.replace(sight.scope, fleet=(facts,))
        look = looking.look(scope, sight.snapshot, stager)
        rows = list(placing.rows(look, sight.spec, [facts]))
        found = _placed(look, rows, facts)
        shown = objects.shown(look, found, hooks=hooks)
        if not sight.is_named and any(_names_releases(bundle) for bundle in look.drafts):
            previews.remark(
                f"note: releases are called after the source, here {sight.scope.source!r} (--source says it)"
            )
        if output_dir is not None:
            previews.remark(f"{folders.write(output_dir, shown)} files written to {output_dir}")
        else:
            sys.stdout.write(_text(shown, output_))
        failed = _remarks(look, rows, shown, named=bool(cluster))
    if failed:
        raise typer.Exit(session.FAILED)


def _placed(look: looking.Look, rows: Sequence[placing.Row], facts: inputs.Facts) -> list[placements.Placed]:
    """What the cluster gets; of a bundle in error, nothing, for what it had before is not known here."""
    good = {one.bundle for one in rows if one.deploys and one.variant}
    placed = [placements.place(entry, facts) for entry in look.entries if entry.bundle in good]
    return [one for one in placed if one is not None]


def _names_releases(bundle: discovery.Bundle) -> bool:
    """Is it a chart, as far as can be told before it is rendered, and does it leave the release's name to us?"""
    helm = bundle.settings.recipe.base.helm
    is_chart = bundle.marker(discovery.CHART) is not None or (helm is not None and helm.names_chart)
    return is_chart and not (helm is not None and helm.release_name)


def _text(shown: Sequence[objects.Shown], form: Form) -> str:
    match form:
        case Form.YAML:
            return texts.as_yaml(shown)
        case Form.JSON:
            return texts.as_json(shown)
        case Form.NAME:
            return texts.as_names(shown)
        case _:
            assert_never(form)


def _remarks(look: looking.Look, rows: Sequence[placing.Row], shown: Sequence[objects.Shown], *, named: bool) -> bool:
    """Say what is wrong, odd or left out; return whether a bundle is in error."""
    failed = False
    for entry, row in zip(look.entries, rows, strict=True):
        for problem in catalogs.problems(entry):
            failed = True
            previews.remark(f"error: {entry.bundle}: {problem}")
        if not row.deploys:
            previews.remark(f"note: {entry.bundle}: not for this cluster ({row.reason})")
        for problem in (*catalogs.warnings(entry), *look.dependencies.get(entry.bundle, ())):
            previews.remark(f"warning: {entry.bundle}: {problem}")
        used = {name for variant in entry.variants for name in variant.inputs}
        if inputs.NAME in used and not named:
            previews.remark(f"warning: {entry.bundle}: uses the cluster's name, which is made up (--cluster says it)")
        _remark_hooks(look, row, any(one.is_hook and one.bundle == entry.bundle for one in shown))
    for one in shown:
        if one.refused:
            previews.remark(f"warning: {one.bundle}: an agent would refuse {one.refused}")
    return failed


def _remark_hooks(look: looking.Look, row: placing.Row, shows: bool) -> None:
    hooks = look.index(row.variant).hooks if row.variant else ()
    if hooks and not shows:
        previews.remark(f"note: {row.bundle}: {len(hooks)} hooks of Helm are left out (--hooks shows them)")
