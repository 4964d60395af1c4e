"""`flotilla validate`: what is wrong with a working tree, for people before a commit and for CI before a merge."""

import enum
import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from controller.cli import options, output, previews
from controller.preview import checking, findings

WARNINGS, ERRORS = 1, 2

HELP = f"""Check settings files, manifests, charts, kustomizations, variables, placement, dependencies and duplicates.

Example: flotilla validate . --path 'apps/*' --clusters fleet/ -o junit > report.xml

Without --clusters or --online, every rule is tried on a cluster that is invented for it, and variables have
placeholders. With them, each bundle is rendered for each of the clusters; rules that match none are warnings; two
bundles that claim one object on one cluster, and bundles that do not go where another needs them, are errors.

{previews.COMMON}"""

CODES = (
    "Exit codes: 0 nothing to say, 1 warnings only (0 with --allow-warnings), 2 errors, or used wrongly: nothing of it "
    "may ship; 3 no such source, 4 hub unreachable, 5 unauthorized."
)

app = options.application(codes=CODES)


class Form(enum.StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla validate`."""
    return options.run(app, "validate", argv)


@app.command(help=HELP)
def check(
    path: previews.Path,
    clusters: previews.Clusters = None,
    online: previews.Online = False,
    source: previews.Source = "",
    source_path: previews.Paths = None,
    charts_dir: previews.Charts = None,
    kubernetes_version: previews.Version = "",
    allow_warnings: Annotated[bool, typer.Option("--allow-warnings", help="warnings are no reason to fail")] = False,
    output_: Annotated[Form, typer.Option("--output", "-o", metavar="FORM", help="text, json or junit")] = Form.TEXT,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Look at everything, print what was found, and end with the code that tells how bad it is."""
    wish = previews.Wish(path, clusters, online, source, source_path or (), url, token, kubernetes_version)
    with previews.translated(failed=ERRORS), previews.opened(wish) as sight, previews.renderers(charts_dir) as stager:
        subject = checking.Subject(sight.scope, sight.spec, sight.known, kubernetes_version)
        report = checking.check(subject, sight.snapshot, stager)
    if output_ is Form.JUNIT:
        sys.stdout.write(findings.as_junit(report))
    elif output_ is Form.JSON:
        output.value(msgspec.to_builtins(report), output.Format.JSON)
    else:
        _print(report)
    raise typer.Exit(_code(report, allow_warnings=allow_warnings))


def _print(report: findings.Report) -> None:
    for one in report.findings:
        output.done(f"{one.severity}: {one}")
    errors, warnings = report.count(findings.Severity.ERROR), report.count(findings.Severity.WARNING)
    where = f"for {report.clusters} clusters" if report.clusters else "for no clusters that are known"
    output.done(f"{len(report.bundles)} bundles {where}: {errors} errors, {warnings} warnings")


def _code(report: findings.Report, *, allow_warnings: bool) -> int:
    if report.count(findings.Severity.ERROR):
        return ERRORS
    return WARNINGS if report.findings and not allow_warnings else 0
