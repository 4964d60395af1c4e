"""`flotilla hub backup`, `restore` and `recover`: what brings a hub back."""

import asyncio
import datetime
import os
import pathlib
from collections.abc import Sequence
from typing import Annotated

import typer

from controller import backups, errors, settings
from controller.cli import fleet, options, output, session

COMMANDS = {
    "backup": "write streams, keys, accounts, tokens and mirrors into one file, while the hub runs",
    "restore": "make an empty state directory of a backup",
    "recover": "take a restored hub back into service: a new epoch, without debts",
}

app = options.application("Backup, restore and recovery of a hub; without a command, `flotilla hub` runs it.")

StateDir = Annotated[
    str, typer.Option(metavar="DIR", help="the hub's state directory (default: in the XDG state directory)")
]


def main(argv: Sequence[str]) -> int:
    """Run one of COMMANDS."""
    return options.run(app, "hub", argv)


@app.command()
def backup(
    to: Annotated[pathlib.Path, typer.Argument(metavar="FILE|DIR", help="in a directory it is named after the time")],
    state_dir: StateDir = "",
    nats_url: Annotated[
        str, typer.Option(metavar="URL", help="the hub's NATS server (default: the one that runs there)")
    ] = "",
) -> None:
    """Write the streams, keys, accounts, tokens and mirrors into one file, while the hub runs.

    The file holds every private key of the hub: mode 0600, and it wants a place that is as safe. It is read back and
    checked before it gets its name.

    Example: flotilla hub backup /backup --state-dir /var/lib/flotilla
    """
    directory = _state_directory(state_dir)
    try:
        path = asyncio.run(backups.back_up(directory, to, nats_url=nats_url, at=_now()))
    except errors.HubError as error:
        raise session.CommandError(str(error)) from error
    output.done(f"backup in {path} ({path.stat().st_size:,} bytes, checked)")


@app.command()
def restore(
    file: Annotated[pathlib.Path, typer.Argument(metavar="FILE", help="from 'flotilla hub backup'")],
    state_dir: StateDir = "",
) -> None:
    """Make an empty state directory of a backup. The hub that starts on it is in recovery, and publishes nothing until
    'flotilla hub recover'.

    Example: flotilla hub restore /backup/flotilla-20261125T210000Z.tar --state-dir /var/lib/flotilla
    """
    if not file.is_file():
        raise session.CommandError(f"backup {file}: there is no such file", session.USAGE)
    directory = _state_directory(state_dir)
    try:
        found = asyncio.run(backups.restore(file, directory, at=_now()))
    except errors.HubError as error:
        raise session.CommandError(str(error)) from error
    output.done(f"restored into {directory}: {found.events} events, {found.clusters} clusters")
    output.done("start 'flotilla hub' on it, look at 'flotilla status', then 'flotilla hub recover --reason …'")


@app.command()
def recover(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="what happened, for the log")],
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Begin a new epoch after a restore: no debts, nothing counts as given, what is not in Git is an orphan."""
    fleet.run_recover(reason, url, token)


def _state_directory(given: str) -> pathlib.Path:
    try:
        return settings.state_directory(settings.load({"state_dir": given or None}, environ=os.environ))
    except errors.HubError as error:
        raise session.CommandError(str(error), session.USAGE) from error


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
