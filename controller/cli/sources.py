"""`flotilla source`: Git repositories and what of them goes where."""

import json
import pathlib
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

DONE = {"sync": "is polled now", "accept": "its history is accepted", "suspend": "suspended", "resume": "resumed"}
"""What the hub did at these words."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="the source's name")]
Texts = list[str]
Ref = Annotated[str, typer.Option(metavar="REF", help="branch, tag or commit (default: the remote's HEAD)")]
Paths = Annotated[
    Texts | None, typer.Option(metavar="GLOB", help="bundle directory or glob, such as 'apps/*'; repeatable")
]
Targets = Annotated[
    Texts | None,
    typer.Option(metavar="KEY=VALUE", help="clusters with this label; repeated, or with commas: all of them"),
]
AllClusters = Annotated[bool, typer.Option("--all-clusters", help="every cluster, said aloud")]
Policy = Annotated[str, typer.Option(metavar="POLICY", help="rollout policy")]
Interval = Annotated[float, typer.Option(metavar="SECONDS", help="seconds between polls")]
Replace = Annotated[bool, typer.Option("--replace", help="change the source that has this name already")]
Suspended = Annotated[bool, typer.Option("--suspended", help="save it without rolling anything out yet")]
Username = Annotated[
    str, typer.Option(metavar="NAME", help="user name for the remote, such as oauth2 or x-access-token")
]
PasswordEnv = Annotated[
    str,
    typer.Option(
        "--password-env", "--token-env", metavar="VARIABLE", help="variable of the HUB with the password or token"
    ),
]
PasswordFile = Annotated[
    str,
    typer.Option("--password-file", "--token-file", metavar="FILE", help="file on the HUB with the password or token"),
]
SshKeyFile = Annotated[str, typer.Option(metavar="FILE", help="file on the HUB with the private key (a deploy key)")]
SshKeyEnv = Annotated[str, typer.Option(metavar="VARIABLE", help="variable of the HUB with the private key")]
SshPassphraseEnv = Annotated[
    str, typer.Option(metavar="VARIABLE", help="variable of the HUB with the key's passphrase")
]
KnownHosts = Annotated[
    pathlib.Path | None, typer.Option(metavar="FILE", help="file HERE with the host's known_hosts lines")
]
KnownHostsFile = Annotated[str, typer.Option(metavar="FILE", help="the same as a file on the HUB, read at every poll")]
CaFile = Annotated[str, typer.Option(metavar="FILE", help="file on the HUB with the PEM bundle of the server's CA")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla source`."""
    return options.run(app, "source", argv)


@app.command()
def add(
    name: Name,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="https, ssh (git@host:path, too) or file URL, without secrets in it")
    ],
    ref: Ref = "",
    path: Paths = None,
    target: Targets = None,
    all_clusters: AllClusters = False,
    policy: Policy = "default",
    interval: Interval = 60.0,
    suspended: Suspended = False,
    replace: Replace = False,
    username: Username = "",
    password_env: PasswordEnv = "",
    password_file: PasswordFile = "",
    ssh_key_file: SshKeyFile = "",
    ssh_key_env: SshKeyEnv = "",
    ssh_passphrase_env: SshPassphraseEnv = "",
    known_hosts: KnownHosts = None,
    known_hosts_file: KnownHostsFile = "",
    ca_file: CaFile = "",
    hub_url: Annotated[
        str, typer.Option("--url", metavar="URL", help="the hub (default: FLOTILLA_URL, else the saved context)")
    ] = "",
    token: options.Token = "",
) -> None:
    """Follow a repository. Access is tried first; nothing is saved if it fails.

    Example: flotilla source add shop https://git.example.com/shop.git --path 'apps/*' --target env=prod

    By ssh: flotilla source add shop git@git.example.com:shop.git --all-clusters --ssh-key-file /etc/flotilla/shop.key
    --known-hosts hosts.txt
    """
    spec: dict[str, Any] = {
        "url": url, "ref": ref, "paths": path or ["/"], "allClusters": all_clusters, "rolloutPolicy": policy,
        "intervalS": interval,
    }  # fmt: skip
    wanted = [word for words in target or [] for word in words.split(",")]
    if wanted:
        spec["targets"] = [{"matchLabels": options.pairs(wanted, "--target")}]
    known = {
        "username": username, "passwordEnv": password_env, "passwordFile": password_file, "caFile": ca_file,
        "sshKeyFile": ssh_key_file, "sshKeyEnv": ssh_key_env, "sshPassphraseEnv": ssh_passphrase_env,
        "knownHosts": _text(known_hosts), "knownHostsFile": known_hosts_file,
    }  # fmt: skip
    if any(known.values()):
        spec["credentials"] = {key: value for key, value in known.items() if value}
    body = {"name": name, "spec": spec, "suspended": suspended, "replace": replace}
    hub = options.hub(hub_url, token)
    access = hub.post("sources", body)["access"]
    output.done(
        f"source {name} added"
        + (" suspended" if suspended else "")
        + (f" ({access['ref']} is at {access['commit'][:12]})" if access else "")
    )
    if wanted and not hub.get("clusters", labels=",".join(wanted), limit="1")["items"]:
        output.done(f"no cluster has the labels {','.join(wanted)} yet: it goes nowhere until one does")


@app.command("list")
def list_sources(output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """List sources with their state."""
    output.rows(options.hub(url, token).items("sources"), output_, columns=COLUMNS, wide=WIDE)


@app.command()
def show(name: Name, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """Show one source: its spec, and everything that is wrong with it."""
    found = options.hub(url, token).get(f"sources/{session.quoted(name)}")
    if output_ not in (output.Format.TABLE, output.Format.WIDE):
        output.value(found, output_, name=name)
        return
    row, spec = found["source"], found["spec"]
    output.described(
        [
            *((name, row[name]) for name in ("name", "url", "revision", "state", "reason")),
            ("paths", spec.get("paths", ["/"])),
            ("clusters", "all" if spec.get("allClusters") else json.dumps(spec.get("targets", []))),
            ("rollout", row["rollout"]),
            *((name, row[name]) for name in ("bundles", "objects")),
            ("rollback seen", found["rollbackSeen"]),
            ("unrelated history", found["unrelatedSeen"]),
            ("managed by", row["managedBy"]),
            ("as of", f"{row['asOf'] or 'never'}, event {row['event']}"),
        ]
    )
    output.complaints(found["problems"], "error")
    output.complaints(found["warnings"], "warning")


@app.command()
def sync(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Poll the remote now."""
    _post(name, "sync", url, token)


@app.command()
def accept(
    name: Name,
    commit: Annotated[
        str, typer.Option(metavar="COMMIT", help="the commit that waits, in full; refused if another one does")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Go on with an unrelated history, from exactly the commit that was seen on.

    A ref that moves to a commit with no common ancestor may be another repository by mistake: until it is accepted,
    the clusters keep what they have.
    """
    _post(name, "accept", url, token, commit=commit or _waiting(name, yes, url, token))


@app.command()
def suspend(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="why, for the log")] = "by command",
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


@app.command()
def hook(
    name: Name,
    gone: Annotated[bool, typer.Option("--remove", help="take no hooks any more")] = False,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Let a forge say that something was pushed, and print the address and the secret to give it, for the only time.

    It is the secret of a webhook at GitHub, Gitea and Forgejo, and the signing token (before 19: the secret token) at
    GitLab. Others sign by the Standard Webhooks specification. A new one ends the one before.
    """
    hub, path = options.hub(url, token), f"sources/{session.quoted(name)}/hook"
    if gone:
        hub.delete(path)
        output.done(f"source {name} takes no hooks any more")
        return
    made = hub.post(path)
    output.done(f"url     {hub.url}{made['path']}\nsecret  {made['secret']}")


def _waiting(name: str, yes: bool, url: str, token: str) -> str:
    """Show what waits and ask, unless told not to; return the commit that was shown."""
    found = options.hub(url, token).get(f"sources/{session.quoted(name)}")
    commit = str(found["unrelatedSeen"])
    if not commit:
        raise session.CommandError(f"source {name}: no unrelated history waits to be accepted")
    if not yes:
        output.done(f"  now      {found['source']['revision']}\n  accepts  {commit}, of an unrelated history")
        typer.confirm("go ahead?", abort=True)
    return commit


def _text(path: pathlib.Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise session.CommandError(f"{path}: cannot be read as text", session.USAGE) from error


def _post(name: str, verb: str, url: str, token: str, **body: str) -> None:
    options.hub(url, token).post(f"sources/{session.quoted(name)}/{verb}", body)
    output.done(f"source {name}: {DONE[verb]}")


def _short(revision: str) -> str:
    ref, at, commit = revision.partition("@sha1:")
    return f"{ref}@{commit[:COMMIT_CHARS]}" if at else revision
