"""`flotilla doctor`: what is wrong with the hub, and what to do about it."""

import asyncio
import datetime
import enum
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from controller import doctor, errors, settings
from controller.cli import options, output, session
from protocol import diagnosis

SKEW_ALLOWED_S = 5.0
"""Between this machine and the hub: a request takes its time."""

AGENT_SKEW_ALLOWED_S = 10.0
"""Between the hub and an agent, by its last heartbeat, with the time that it took on a slow line."""

CODES = "Exit codes: 0 all is well, 1 warnings, 2 errors, or used wrongly; 4 hub unreachable, 5 no token for it."

app = options.application(codes=CODES)


class Form(enum.StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla doctor`."""
    return options.run(app, "doctor", argv)


@app.command()
def examine(
    state_dir: Annotated[
        str, typer.Option(metavar="DIR", help="the hub's state directory; empty: only its API is asked")
    ] = "",
    nats_url: Annotated[
        str, typer.Option(metavar="URL", help="the hub's NATS server (default: the one that runs there)")
    ] = "",
    output_: Annotated[Form, typer.Option("--output", "-o", metavar="FORM", help="table or json")] = Form.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Say what is wrong with the hub, and what to do: on its machine, and through its API where there is a token.

    Example: flotilla doctor --state-dir /var/lib/flotilla
    """
    found: list[diagnosis.Finding] = []
    if state_dir:
        found += asyncio.run(doctor.examine(_settings(state_dir, nats_url), at=datetime.datetime.now(datetime.UTC)))
    if token or not state_dir:
        found += _asked(session.find(url, token))
    sys.stdout.write(diagnosis.text(found, as_json=output_ is Form.JSON))
    raise typer.Exit(diagnosis.exit_code(found))


def _settings(state_dir: str, nats_url: str) -> settings.Settings:
    try:
        return settings.load({"state_dir": state_dir, "nats_url": nats_url or None}, environ=os.environ)
    except errors.HubError as error:
        raise session.CommandError(str(error), session.USAGE) from error


def _asked(context: session.Context) -> list[diagnosis.Finding]:
    """What the running hub says of itself and of its agents."""
    hub = session.Hub(context)
    try:
        status = hub.get("status")
        here = datetime.datetime.now(datetime.UTC)  # before the clusters are listed: of thousands, that takes a while
        clusters = hub.items("clusters")
    except session.CommandError as error:
        return [diagnosis.wrong("api", str(error), "start the hub, or log in: flotilla login URL --token-file FILE")]
    ahead_s = (datetime.datetime.fromisoformat(status["asOf"]) - here).total_seconds()
    found = [
        diagnosis.fine("api", f"{context.url}: answers, event {status['event']}"),
        diagnosis.skew("clock", "the hub", ahead_s, allowed_s=SKEW_ALLOWED_S),
    ]
    if status["recovery"]:
        told = f"nothing is published ({status['recovery']['reason']})"
        found.append(
            diagnosis.wrong("recovery", told, "look at 'flotilla status', then 'flotilla hub recover --reason …'")
        )
    found += [_stranger(one) for one in status["strangers"]]
    return found + [_cluster(row, status["version"]) for row in clusters]


def _stranger(one: dict[str, Any]) -> diagnosis.Finding:
    told = f"its agent is there, and the log does not know its account {one['account']}"
    why = f" ({one['problem']})" if one["problem"] else ""
    return diagnosis.warning(
        f"cluster {one['name']}", told + why, "look at 'flotilla status': it says how to take it back"
    )


def _cluster(row: dict[str, Any], version: str) -> diagnosis.Finding:
    """The first thing that is wrong with it; an agent that is not heard has no clock or version to speak of."""
    check = f"cluster {row['name']}"
    if row["connection"] != "Online":
        return diagnosis.warning(check, row["reason"], "run 'flotilla agent doctor' beside its agent")
    if row["standby"]:
        return diagnosis.warning(check, "two agents: one acts, the other waits", "stop one of them")
    ahead_s = row["clockAheadS"] or 0.0
    if abs(ahead_s) > AGENT_SKEW_ALLOWED_S:
        return diagnosis.skew(check, "its agent", ahead_s, allowed_s=AGENT_SKEW_ALLOWED_S)
    if row["agentVersion"] and row["agentVersion"] != version:
        told = f"its agent is of version {row['agentVersion']}, the hub of {version}"
        return diagnosis.warning(check, told, "bring both to one version: the hub first, then its agents")
    return diagnosis.fine(check, f"heard {output.ago(row['heardAgoS'])}, clock and version as the hub's")
