"""`flotilla source`: Git repositories and what of them goes where."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from controller.cli import options, output, session

app = options.application("Git repositories that the fleet follows.")

COLUMNS: tuple[output.Column, ...] = (
    ("NAME", output.field("name")),
    ("STATE", output.field("state")),
    ("REVISION", lambda row: _short(row["revision"])),
    ("BUNDLES", output.field("bundles")),
    ("OBJECTS", output.field("objects")),
    ("ROLLOUT", output.field("rollout")),
    ("REASON", output.field("reason")),
)
WIDE: tuple[output.Column, ...] = (
    ("URL", output.field("url")),
    ("PROBLEMS", output.field("problems")),
    ("WARNINGS", output.field("warnings")),
    ("MANAGED BY", output.field("managedBy")),
    ("AS OF", output.field("asOf")),
)
COMMIT_CHARS = 12

Name = Annotated[str, typer.Argument(help="the source's name")]
Texts = list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla source`."""
    return options.run(app, "source", argv)


@app.command()
def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="https:// or file:// URL of the repository, without credentials in it")],
    ref: Annotated[str, typer.Option(help="branch, tag or commit (default: the remote's HEAD)")] = "",
    path: Annotated[Texts | None, typer.Option(help="bundle directory or glob, such as 'apps/*'; repeatable")] = None,
    target: Annotated[Texts | None, typer.Option(help="clusters with this label, key=value; repeatable")] = None,
    all_clusters: Annotated[bool, typer.Option("--all-clusters", help="every cluster, said aloud")] = False,
    policy: Annotated[str, typer.Option(help="rollout policy")] = "default",
    interval: Annotated[float, typer.Option(help="seconds between polls")] = 60.0,
    username: Annotated[str, typer.Option(help="user name for the remote")] = "",
    password_env: Annotated[str, typer.Option(help="variable of the HUB that holds the password or token")] = "",
    password_file: Annotated[str, typer.Option(help="file on the HUB that holds the password or token")] = "",
    hub_url: Annotated[str, typer.Option("--url", help="the hub")] = "",
    token: options.Token = "",
) -> None:
    """Follow a repository. Access is tried first; nothing is saved if it fails.

    Example: flotilla source add shop https://git.example.com/shop.git --path 'apps/*' --target env=prod
    """
    spec: dict[str, Any] = {
        "url": url, "ref": ref, "paths": path or ["/"], "allClusters": all_clusters, "rolloutPolicy": policy,
        "intervalS": interval,
    }  # fmt: skip
    if target:
        spec["targets"] = [{"matchLabels": options.pairs(target, "--target")}]
    known = {"username": username, "passwordEnv": password_env, "passwordFile": password_file}
    if any(known.values()):
        spec["credentials"] = {key: value for key, value in known.items() if value}
    answer = options.hub(hub_url, token).post("sources", {"name": name, "spec": spec})
    access = answer["access"]
    output.done(f"source {name} added" + (f" ({access['ref']} is at {access['commit'][:12]})" if access else ""))


@app.command("list")
def list_sources(output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """List sources with their state."""
    output.rows(options.hub(url, token).items("sources"), output_, columns=COLUMNS, wide=WIDE)


@app.command()
def show(name: Name, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """Show one source: its spec, and everything that is wrong with it."""
    output.value(options.hub(url, token).get(f"sources/{session.quoted(name)}"), output_)


@app.command()
def sync(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Poll the remote now."""
    _post(name, "sync", url, token)


@app.command()
def suspend(
    name: Name,
    reason: Annotated[str, typer.Option(help="why, for the log")] = "by command",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Neither poll nor roll out; the clusters keep what they have."""
    _post(name, "suspend", url, token, reason=reason)


@app.command()
def resume(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Poll and roll out again."""
    _post(name, "resume", url, token)


@app.command()
def remove(
    name: Name,
    prune: Annotated[bool, typer.Option("--prune", help="delete its workloads too (held until approved)")] = False,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Forget the source. Its workloads stay, unowned, unless --prune is given."""
    options.hub(url, token).delete(f"sources/{session.quoted(name)}", prune=str(prune).lower())
    output.done(f"source {name} removed" + ("; its workloads go once approved" if prune else "; its workloads stay"))


def _post(name: str, verb: str, url: str, token: str, **body: str) -> None:
    options.hub(url, token).post(f"sources/{session.quoted(name)}/{verb}", body)
    output.done(f"source {name}: {verb}")


def _short(revision: str) -> str:
    ref, at, commit = revision.partition("@sha1:")
    return f"{ref}@{commit[:COMMIT_CHARS]}" if at else revision
