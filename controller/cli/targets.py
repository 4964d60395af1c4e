"""`flotilla targets`: which clusters get which bundle of a working tree, and why."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from controller.cli import options, output, previews, session
from controller.domain import catalogs, inputs, placements
from controller.preview import looking, placing

CODES = (
    "Exit codes: 0 done, 1 a bundle is in error, 2 used wrongly (or no clusters are known), 3 no such source, "
    "4 hub unreachable, 5 unauthorized."
)

HELP = f"""Show which clusters get which bundle: by which rule, with which customizations, and in which variant.

Example: flotilla targets apps --clusters fleet/

Why does a cluster not get it: flotilla targets apps/storefront --clusters fleet/ --all

RULE is the entry of the bundle's `targets` that chose the cluster, CUSTOMIZATIONS are the entries that count for it;
entries are counted from 0. Clusters with the same VARIANT share one render.

{previews.COMMON}"""

DIGEST_CHARACTERS = 12

COLUMNS: tuple[output.Column, ...] = (
    ("BUNDLE", output.field("bundle")),
    ("CLUSTER", output.field("cluster")),
    ("RULE", output.field("rule")),
    ("CUSTOMIZATIONS", output.field("customizations")),
    ("VARIANT", lambda row: str(row["variant"])[:DIGEST_CHARACTERS]),
    ("OBJECTS", output.field("objects")),
    ("REASON", output.field("reason")),
)
WIDE: tuple[output.Column, ...] = (("SOURCE RULE", output.field("sourceRule")),)

app = options.application(codes=CODES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla targets`."""
    return options.run(app, "targets", argv)


@app.command(help=HELP)
def show(
    path: previews.Path,
    clusters: previews.Clusters = None,
    online: previews.Online = False,
    source: previews.Source = "",
    source_path: previews.Paths = None,
    charts_dir: previews.Charts = None,
    kubernetes_version: previews.Version = "",
    every: Annotated[
        bool, typer.Option("--all", help="clusters that do not get a bundle, too, with the reason")
    ] = False,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Render for every cluster, and print who gets what."""
    wish = previews.Wish(path, clusters, online, source, source_path or (), url, token, kubernetes_version)
    with previews.translated(), previews.opened(wish) as sight, previews.renderers(charts_dir) as stager:
        if not sight.known.clusters:
            previews.unknown_clusters()
        scope = msgspec.structs.replace(sight.scope, fleet=_for(sight))
        look = looking.look(scope, sight.snapshot, stager)
        found = list(placing.rows(look, sight.spec, sight.known.clusters))
    shown = [_row(one) for one in found if one.deploys or every]
    if output_ is output.Format.NAME:
        for name in sorted({row["cluster"] for row in shown}):
            output.done(name)
    elif output_ in (output.Format.JSON, output.Format.YAML):
        output.value({"targets": shown, **_summary(look, sight, found)}, output_)
    else:
        output.rows(shown, output_, columns=COLUMNS, wide=WIDE)
        summary = _summary(look, sight, found)
        output.done("{bundles} bundles, {clusters} clusters, {distinctRenders} distinct renders".format(**summary))
    if any(catalogs.problems(entry) for entry in look.entries):
        raise typer.Exit(session.FAILED)


def _for(sight: previews.Sight) -> tuple[inputs.Facts, ...]:
    spec, known = sight.spec, sight.known.clusters
    return known if spec is None else tuple(one for one in known if placements.source_targets(spec, one))


def _summary(look: looking.Look, sight: previews.Sight, found: Sequence[placing.Row]) -> dict[str, int]:
    return {
        "bundles": len(look.entries),
        "clusters": len(sight.known.clusters),
        "distinctRenders": placing.renders(found),
    }


def _row(one: placing.Row) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(one)
    return found
