"""`flotilla apply`, `bundle`, `status`, `events`, `login` and `recover`: the fleet as a whole."""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import live

from controller.cli import clusters, options, output, session

bundle_app = options.application("Bundles: directories that deploy as a unit.")
apply_app = typer.Typer(add_completion=False, help=f"Make configuration documents true.\n\n{options.CODES}")
status_app = typer.Typer(add_completion=False, help=f"The fleet on one screen.\n\n{options.CODES}")
events_app = typer.Typer(add_completion=False, help=f"The log: every decision and fact.\n\n{options.CODES}")
login_app = typer.Typer(add_completion=False, help=f"Keep the hub's URL and token.\n\n{options.CODES}")
recover_app = typer.Typer(add_completion=False, help=f"Take a restored hub back into service.\n\n{options.CODES}")

BUNDLES: tuple[output.Column, ...] = (
    ("BUNDLE", output.field("id")),
    ("OBJECTS", output.field("objects")),
    ("PLACED", output.field("placed")),
    ("READY", output.field("ready")),
    ("PROGRESSING", output.field("progressing")),
    ("FAILED", output.field("failed")),
    ("REASON", output.field("reason")),
)
BUNDLES_WIDE: tuple[output.Column, ...] = (
    ("NAME", output.field("name")),
    ("WAITING", output.field("waiting")),
    ("UNKNOWN", output.field("unknown")),
    ("DRIFTED", output.field("drifted")),
    ("REVISION", output.field("revision")),
    ("AS OF", output.field("asOf")),
)


def bundle(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla bundle`."""
    return options.run(bundle_app, "bundle", argv)


def apply(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla apply`."""
    return options.run(apply_app, "apply", argv)


def status(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla status`."""
    return options.run(status_app, "status", argv)


def events(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla events`."""
    return options.run(events_app, "events", argv)


def login(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla login`."""
    return options.run(login_app, "login", argv)


def recover(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla recover`."""
    return options.run(recover_app, "recover", argv)


@bundle_app.command("list")
def list_bundles(output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """List bundles: on how many clusters each is, and how it does there."""
    output.rows(options.hub(url, token).items("bundles"), output_, columns=BUNDLES, wide=BUNDLES_WIDE)


@bundle_app.command("show")
def show_bundle(
    bundle_id: Annotated[str, typer.Argument(metavar="BUNDLE", help="SOURCE/PATH")],
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Show one bundle: its objects, its errors, its clusters."""
    output.value(options.hub(url, token).get(f"bundles/{bundle_id}"), output_)


@apply_app.command()
def apply_files(
    file: Annotated[list[pathlib.Path], typer.Option("--filename", "-f", help="file or directory; repeatable")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, and change nothing")] = False,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Make documents of kind Source, Cluster, ClusterGroup and RolloutPolicy true. What they do not name stays."""
    files = [{"name": path.name, "text": path.read_text()} for path in _files(file)]
    for one in options.hub(url, token).post("apply", {"files": files, "dryRun": dry_run})["items"]:
        output.done(f"{one['kind']}/{one['name']} {one['action']}" + (" (dry run)" if dry_run else ""))
        if one.get("credentials"):
            path = pathlib.Path(f"{one['name']}.credentials.json")
            session.write_private(path, json.dumps(one["credentials"]).encode())
            output.done(f"  credentials in {path}")


@status_app.command()
def show_status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="go on showing it as it changes")] = False,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Show the fleet: sources, clusters, rollouts, and what needs a person."""
    hub = options.hub(url, token)
    if not watch:
        _status(hub, output_)
        return
    with live.Live(console=output.screen(), auto_refresh=False) as picture:
        head = hub.get("status")["event"]
        picture.update(output.tabled(hub.items("clusters"), clusters.COLUMNS), refresh=True)
        for _ in hub.pages(head):
            picture.update(output.tabled(hub.items("clusters"), clusters.COLUMNS), refresh=True)


@events_app.command()
def show_events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="wait for more")] = False,
    after: Annotated[int, typer.Option(help="only events after this one")] = 0,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Print the log: when, who, what, why."""
    hub = options.hub(url, token)
    while True:
        page = hub.get("events", after=str(after), limit="500")
        _print_events(page["items"], output_)
        after = page["next"]
        if after >= page["head"]:
            break
    if follow:
        for items in hub.pages(after):
            _print_events(items, output_)


@login_app.command()
def save_login(
    url: Annotated[str, typer.Argument(help="the hub's URL")],
    token_file: Annotated[pathlib.Path, typer.Option(help="file with the token")],
    ca_pin: Annotated[str, typer.Option(help="sha256:… of the hub's own authority, as 'flotilla hub' prints it")] = "",
    ca_file: Annotated[pathlib.Path | None, typer.Option(help="the authority itself, PEM")] = None,
) -> None:
    """Check the hub and the token and keep both, readable by you alone."""
    authority = session.read_authority(ca_file) if ca_file is not None else ""
    if ca_pin:
        authority = session.fetch_authority(url, ca_pin)
    context = session.Context(url=url.rstrip("/"), token=token_file.read_text().strip(), authority=authority)
    session.Hub(context).get("status")
    output.done(f"logged in to {url}; kept in {session.save(context)}")


@recover_app.command()
def run_recover(
    reason: Annotated[str, typer.Option(help="what happened, for the log")],
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Begin a new epoch after a restore: no debts, nothing counts as given, what is not in Git is an orphan."""
    found = options.hub(url, token).post("hub/recover", {"reason": reason})
    output.done(f"hub is in epoch {found['epoch']}")
    for line in found["attention"]:
        output.done(f"! {line}")


def _files(given: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    found: list[pathlib.Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*") if one.suffix in (".yaml", ".yml", ".json"))
        elif path.is_file():
            found.append(path)
        else:
            raise session.CommandError(f"{path}: there is no such file", session.USAGE)
    return found


def _status(hub: session.Hub, form: output.Format) -> None:
    found = hub.get("status")
    if form in (output.Format.JSON, output.Format.YAML):
        output.value(found, form)
        return
    screen = output.screen()
    if found["recovery"]:
        screen.print(f"[red]recovery: nothing is published[/] ({output.literal(found['recovery']['reason'])})")
    here, there = found["clusters"], found["sources"]
    screen.print(
        f"{here['total']} clusters: {here['online']} online, {here['synced']} synced, {here['healthy']} healthy, "
        f"{here['degraded']} degraded, {here['unknown']} unknown"
    )
    if here["behind"]:
        screen.print(
            f"{here['behind']} clusters behind, by at most {here['lagGenerationsMax']} generations, "
            f"the first since {here['behindSince'] or 'before this hub started'}"
        )
    screen.print(
        f"{there['total']} sources: {there['resolved']} resolved, {there['failing']} failing, "
        f"{there['waiting']} waiting"
    )
    for line in found["attention"]:
        screen.print(f"  ! {line}", markup=False)
    screen.print(f"as of {found['asOf']}, event {found['event']}")
    if form is output.Format.WIDE:
        screen.print(f"the hub's event loop came at most {found['loopLagS'] * 1000:.0f} ms late in the last minute")
    output.rows(hub.items("clusters"), form, columns=clusters.COLUMNS, wide=clusters.WIDE)


def _print_events(items: list[dict[str, Any]], form: output.Format) -> None:
    for one in items:
        if form is output.Format.JSON:
            line = json.dumps(one, ensure_ascii=False)
        elif form is output.Format.NAME:
            line = one["id"]
        else:
            line = f"{one['sequence']:>6}  {one['at'][:19]}  {one['by']:<8}  {one['type']:<20}  {_gist(one['event'])}"
        output.done(line)
    sys.stdout.flush()


def _gist(event: dict[str, Any]) -> str:
    """The short fields of an event, for one line."""
    short = {key: value for key, value in event.items() if key != "type" and isinstance(value, str | int) and value}
    return " ".join(f"{key}={str(value)[:48]}" for key, value in short.items())
