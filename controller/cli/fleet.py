"""`flotilla apply`, `bundle`, `status`, `events`, `login` and `recover`: the fleet as a whole."""

import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich import live

from controller.cli import clusters, options, output, session, trail

bundle_app = options.application("Bundles: directories that deploy as a unit.")
apply_app = options.application()
status_app = options.application()
events_app = options.application()
login_app = options.application()
recover_app = options.application()

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
ON_CLUSTERS: tuple[output.Column, ...] = (
    ("CLUSTER", output.field("cluster")),
    ("STATE", output.field("state")),
    ("AS OF", output.field("asOf")),
    ("REASON", output.field("reason")),
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
    """Show one bundle: where it comes from, what is wrong with it, and how it does on each cluster."""
    found = options.hub(url, token).get(f"bundles/{bundle_id}")
    if output_ not in (output.Format.TABLE, output.Format.WIDE):
        output.value(found, output_, name=bundle_id)
        return
    row = found["bundle"]
    states = ("ready", "progressing", "failed", "waiting", "unknown", "drifted")
    output.described(
        [
            *((name, row[name]) for name in ("id", "name", "revision", "objects")),
            ("labels", found["labels"]),
            ("clusters", row["placed"]),
            *((f"  {one}", row[one]) for one in states),
            ("reason", row["reason"]),
            ("as of", f"{row['asOf']}, event {row['event']}"),
        ]
    )
    output.complaints(found["errors"], "error")
    output.complaints(found["warnings"], "warning")
    output.complaints([f"{one['object']} ({', '.join(one['phases'])})" for one in found["hooks"]], "hook")
    if found["clusters"]:
        output.screen().print(output.tabled(found["clusters"], ON_CLUSTERS))


@apply_app.command()
def apply_files(
    file: Annotated[
        list[pathlib.Path], typer.Option("--filename", "-f", metavar="PATH", help="file or directory; repeatable")
    ],
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
        for _ in hub.pages(str(head)):
            picture.update(output.tabled(hub.items("clusters"), clusters.COLUMNS), refresh=True)


@events_app.command()
def show_events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="wait for more")] = False,
    after: Annotated[int, typer.Option(metavar="NUMBER", help="only events after this one")] = 0,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Print the log: when, who, what, why. In JSON each event is a line.

    Example: flotilla events -f --after 120 -o json
    """
    hub = options.hub(url, token)
    names = trail.Names(hub)
    place = str(after)
    while True:
        page = hub.get("events", after=place, limit="500")
        trail.show(page["items"], output_, names)
        place = page["place"]
        if page["next"] >= page["head"]:
            break
    if follow:
        for items in hub.pages(place):
            trail.show(items, output_, names)


@login_app.command()
def save_login(
    url: Annotated[str, typer.Argument(metavar="URL", help="the hub's URL")],
    token_file: Annotated[pathlib.Path, typer.Option(metavar="FILE", help="file with the token")],
    ca_pin: Annotated[
        str, typer.Option(metavar="PIN", help="sha256:… of the hub's own authority, as 'flotilla hub' prints it")
    ] = "",
    ca_file: Annotated[pathlib.Path | None, typer.Option(metavar="FILE", help="the authority itself, PEM")] = None,
    insecure_plain: Annotated[
        bool, typer.Option("--insecure-plain", help="send the token unencrypted beyond this machine, if it must be")
    ] = False,
) -> None:
    """Check the hub and the token and keep both, readable by you alone.

    Example: flotilla login https://hub.example.com:8420 --token-file admin.token --ca-pin sha256:…
    """
    session.check(url, plain=insecure_plain)
    authority = session.read_authority(ca_file) if ca_file is not None else ""
    if ca_pin:
        authority = session.fetch_authority(url, ca_pin)
    context = session.Context(
        url=url.rstrip("/"), token=token_file.read_text().strip(), authority=authority, plain=insecure_plain
    )
    session.Hub(context).get("status")
    output.done(f"logged in to {url}; kept in {session.save(context)}")


@recover_app.command()
def run_recover(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="what happened, for the log")],
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
    if form is output.Format.NAME:
        output.rows(hub.items("clusters"), form, columns=clusters.COLUMNS)
        return
    screen = output.screen()
    if found["recovery"]:
        screen.print(
            f"[red]recovery: nothing is published[/] ({output.literal(found['recovery']['reason'])}); "
            "`flotilla hub recover` ends it"
        )
    here, there = found["clusters"], found["sources"]
    screen.print(
        f"{output.count(here['total'], 'cluster')}: {here['online']} online, {here['synced']} synced, "
        f"{here['healthy']} healthy, "
        f"{here['degraded']} degraded, {here['unknown']} unknown"
    )
    if here["behind"]:
        screen.print(
            f"{output.count(here['behind'], 'cluster')} behind, by at most {here['lagGenerationsMax']} generations, "
            f"the first since {output.moment(here['behindSince'] or 'before this hub started')}"
        )
    screen.print(
        f"{output.count(there['total'], 'source')}: {there['resolved']} resolved, {there['failing']} failing, "
        f"{there['waiting']} waiting"
    )
    for line in found["attention"]:
        if not (found["recovery"] and line.startswith("recovery:")):  # it stands above
            screen.print(f"  ! {line}", markup=False)
    screen.print(f"as of {output.moment(found['asOf'])}, event {found['event']}")
    if form is output.Format.WIDE:
        screen.print(f"the hub's event loop came at most {found['loopLagS'] * 1000:.0f} ms late in the last minute")
    for line in _next(found):
        screen.print(line, markup=False)
    if here["total"]:
        output.rows(hub.items("clusters"), form, columns=clusters.COLUMNS, wide=clusters.WIDE)


def _next(found: dict[str, Any]) -> Iterator[str]:
    """What somebody does whose fleet lacks something."""
    if not found["sources"]["total"]:
        yield "next: follow a repository: flotilla source add NAME URL --all-clusters (or --target env=prod)"
    if not found["clusters"]["total"]:
        yield "next: let a cluster in: flotilla cluster add NAME --label env=prod"
