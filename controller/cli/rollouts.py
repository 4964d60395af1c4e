"""`flotilla rollout`: a revision's way through the fleet."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from controller.cli import options, output, session

app = options.application("Rollouts: which clusters get a revision, in which order.")

COLUMNS: tuple[output.Column, ...] = (
    ("SOURCE", output.field("source")),
    ("PHASE", output.field("phase")),
    ("STAGE", output.field("stage")),
    ("SUCCEEDED", lambda row: f"{row['succeeded']} of {row['clusters']}"),
    ("IN FLIGHT", lambda row: f"{row['slotsUsed']} of {row['slots']}"),
    ("FAILED", output.field("failed")),
    ("DEFERRED", output.field("deferred")),
    ("REVISION", output.field("revision")),
    ("REASON", output.field("reason")),
)
WIDE: tuple[output.Column, ...] = (("ID", output.field("id")), ("AS OF", output.field("asOf")))
STAGES: tuple[output.Column, ...] = (
    ("STAGE", output.field("name")),
    ("STATE", output.field("state")),
    ("WHY THESE", output.field("reason")),
    ("AT ONCE", output.field("maxConcurrency")),
    ("SUCCEEDED", lambda row: f"{row['succeeded']} of {row['total']}"),
    ("FAILED", output.field("failed")),
    ("DEFERRED", output.field("deferred")),
    ("CLUSTERS", output.field("clusters")),
)
PAST: tuple[output.Column, ...] = (
    ("ID", output.field("id")),
    ("PHASE", output.field("phase")),
    ("SUCCEEDED", output.field("succeeded")),
    ("FAILED", output.field("failed")),
    ("REVISION", output.field("revision")),
)

Name = Annotated[str, typer.Argument(metavar="SOURCE", help="the source")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla rollout`."""
    return options.run(app, "rollout", argv)


@app.command("list")
def list_rollouts(output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """List each source's newest rollout."""
    output.rows(options.hub(url, token).items("rollouts"), output_, columns=COLUMNS, wide=WIDE)


@app.command()
def status(
    source: Name, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = ""
) -> None:
    """Show a rollout: its stages, who is the canary and why, who failed and why."""
    found = options.hub(url, token).get(f"rollouts/{session.quoted(source)}")
    if output_ not in (output.Format.TABLE, output.Format.WIDE):
        output.value(found, output_, name=source)
        return
    _summary(found)


@app.command()
def history(
    source: Name, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = ""
) -> None:
    """List the rollouts before."""
    found = options.hub(url, token).get(f"rollouts/{session.quoted(source)}/history")["items"]
    output.rows(found, output_, columns=PAST)


@app.command()
def pause(source: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Admit no more clusters until it is resumed."""
    _post(source, "pause", url, token)


@app.command()
def resume(source: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Go on after a pause."""
    _post(source, "resume", url, token)


@app.command()
def abort(source: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Admit no more clusters, ever; who has the revision keeps it. A rollback is a Git operation."""
    _post(source, "abort", url, token)


@app.command()
def retry(source: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Judge the failed clusters anew, and go on."""
    _post(source, "retry", url, token)


def _post(source: str, verb: str, url: str, token: str) -> None:
    row = options.hub(url, token).post(f"rollouts/{session.quoted(source)}/{verb}")
    output.done(f"rollout {row['id']}: {row['phase']}")


def _summary(found: dict[str, Any]) -> None:
    screen, row = output.screen(), found["rollout"]
    reason = output.literal(f" ({row['reason']})" if row["reason"] else "")
    screen.print(
        f"{row['id']}  {output.cell(row['phase'])}{reason}  {row['revision']}  as of {output.moment(row['asOf'])}"
    )
    if found["canary"]:
        screen.print(f"canary: {found['canary']}")
    screen.print(output.tabled(found["stages"], STAGES))
    health = ", ".join(f"{count} {word}" for word, count in found["health"].items() if count)
    screen.print(f"now: {health or 'on no cluster'}", markup=False)
    for one in found["worst"]:
        screen.print(
            f"  {one['cluster']}: {one['health']}: {one['reason']} (as of {output.moment(one['asOf'])})", markup=False
        )
    for failure in found["failed"]:
        screen.print(f"[red]failed[/] {failure['cluster']}: {output.literal(failure['reason'])}", markup=True)
    if found["deferred"]:
        screen.print(f"deferred (offline): {', '.join(found['deferred'])}")
