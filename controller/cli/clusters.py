"""`flotilla cluster`: destinations, and what lets their agents in."""

import json
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from controller import keys
from controller.cli import enrolment, options, output, session

app = options.application("Clusters of the fleet.")

COLUMNS: tuple[output.Column, ...] = (
    ("NAME", output.field("name")),
    ("CONNECTION", output.field("connection")),
    ("SYNC", output.field("sync")),
    ("HEALTH", output.field("health")),
    ("GENERATION", lambda row: f"{row['generation']} of {row['desiredGeneration']}"),
    ("HEARD", lambda row: output.ago(row["heardAgoS"])),
    ("OBJECTS", output.field("objects")),
    ("REASON", output.field("reason")),
)
WIDE: tuple[output.Column, ...] = (
    ("LABELS", output.field("labels")),
    ("BEHIND", output.field("lagGenerations")),
    ("SINCE", output.field("behindSince")),
    ("HELD", output.field("heldDeletions")),
    ("ORPHANS", output.field("orphans")),
    ("DRIFTS", output.field("drifts")),
    ("REVISIONS", output.field("revisions")),
    ("ID", output.field("id")),
    ("AS OF", output.field("asOf")),
)

BUNDLES: tuple[output.Column, ...] = (
    ("BUNDLE", output.field("bundle")),
    ("SYNC", output.field("sync")),
    ("HEALTH", output.field("health")),
    ("OBJECTS", output.field("objects")),
    ("BY HEALTH", output.field("healths")),
    ("WAS", output.field("was")),
    ("REASON", output.field("reason")),
)
HOOKS: tuple[output.Column, ...] = (
    ("HOOK", output.field("object")),
    ("BUNDLE", output.field("bundle")),
    ("PHASE", output.field("phase")),
    ("PROGRESS", output.field("progress")),
    ("REASON", output.field("reason")),
    ("MESSAGE", output.field("message")),
)
OBJECTS: tuple[output.Column, ...] = (
    ("OBJECT", output.field("object")),
    ("SYNC", output.field("sync")),
    ("HEALTH", output.field("health")),
    ("REASON", output.field("reason")),
    ("MESSAGE", output.field("message")),
)
OBJECTS_WIDE: tuple[output.Column, ...] = (
    ("FILE", output.field("file")),
    ("WAS", output.field("was")),
    ("AS OF", output.field("asOf")),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the cluster's name")]
AgentKey = Annotated[str, typer.Option(metavar="KEY", help="public key of the agent (from 'flotilla agent keygen')")]
Edits = Annotated[list[str], typer.Argument(metavar="KEY=VALUE|KEY-", help="key=value sets, key- removes")]
Out = Annotated[
    pathlib.Path | None, typer.Option("--out", metavar="FILE", help="credentials file (default: NAME.credentials.json)")
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla cluster`."""
    return options.run(app, "cluster", argv)


@app.command()
def add(
    name: Name,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="key=value; repeatable")] = None,
    value: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="key=value for ${vars.KEY}; repeatable")
    ] = None,
    ttl: enrolment.Ttl = enrolment.TTL,
    accept: enrolment.Accept = "auto",
    credentials_: Annotated[
        bool, typer.Option("--credentials", help="write a credentials file instead of making a token")
    ] = False,
    agent_key: AgentKey = "",
    out: Out = None,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Register a cluster, make a one-use token for its agent, and print the command that lets it in and runs it.

    With --credentials (or --agent-key, or --out) a file lets the agent in instead, until it is revoked. Without
    --agent-key its key is made here and goes into the file (mode 0600); the hub never sees it.

    Example: flotilla cluster add edge-1 --label env=prod
    """
    hub = options.hub(url, token)
    is_file = credentials_ or bool(agent_key) or out is not None
    seed, public_key = keys.new_user() if is_file and not agent_key else ("", agent_key)
    body = {
        "name": name,
        "labels": options.pairs(label or [], "--label"),
        "values": options.pairs(value or [], "--value"),
        "agentKey": public_key,
    }
    answer = hub.post("clusters", body)
    if is_file:
        output.done(f"cluster {name} added; credentials in {_write(answer['credentials'], name, seed, out)}")
        return
    if answer["takenBack"]:
        output.done(f"cluster {name} taken back; its agent is there, and needs nothing new")
        return
    output.done(f"cluster {name} added")
    enrolment.told(enrolment.offered(hub, f"clusters/{session.quoted(name)}/token", ttl=ttl, accept=accept))


@app.command()
def credentials(
    name: Name, agent_key: AgentKey = "", out: Out = None, url: options.Url = "", token: options.Token = ""
) -> None:
    """Write a credentials file anew, for a new key unless --agent-key is given."""
    hub = options.hub(url, token)
    seed, public_key = ("", agent_key) if agent_key else keys.new_user()
    answer = hub.post(f"clusters/{session.quoted(name)}/credentials", {"agentKey": public_key})
    output.done(f"cluster {name}: credentials in {_write(answer, name, seed, out)}")


@app.command("list")
def list_clusters(
    selector: Annotated[
        str, typer.Option("--selector", "-l", metavar="SELECTOR", help="such as 'env=prod,tier in (a, b),!canary'")
    ] = "",
    bundle: Annotated[str, typer.Option(metavar="BUNDLE", help="that should have this bundle")] = "",
    text: Annotated[str, typer.Option(metavar="TEXT", help="with this in the name, labels or groups")] = "",
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """List clusters: where each stands, and when it was last heard."""
    asked = {"labels": selector, "bundle": bundle, "text": text}
    found = options.hub(url, token).items("clusters", **{key: value for key, value in asked.items() if value})
    output.rows(found, output_, columns=COLUMNS, wide=WIDE)


@app.command()
def show(name: Name, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """Show one cluster: where it stands, its bundles, what is not well and why, hooks, what is kept, orphans."""
    found = options.hub(url, token).get(f"clusters/{session.quoted(name)}")
    if output_ in (output.Format.TABLE, output.Format.WIDE):
        _summary(found)
    else:
        output.value(found, output_, name=name)


@app.command()
def objects(
    name: Name,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="the bundle's id: <source>/<path>")],
    health: Annotated[str, typer.Option(metavar="HEALTH", help="only objects of this health, such as Degraded")] = "",
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """List the objects of a bundle on a cluster: how each is, and why.

    Example: flotilla cluster objects edge-1 fleet/apps/web --health Degraded
    """
    query = {"health": health} if health else {}
    path = f"clusters/{session.quoted(name)}/bundles/{bundle}/objects"
    output.rows(options.hub(url, token).items(path, **query), output_, columns=OBJECTS, wide=OBJECTS_WIDE)


@app.command()
def label(
    name: Name,
    labels: Edits,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Change labels. Bundles that no longer match leave the cluster only once approved.

    Example: flotilla cluster label edge-1 env=prod canary-
    """
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/labels", _edit(labels, "label"))
    output.done(f"cluster {name}: labelled")


@app.command()
def annotate(name: Name, annotations: Edits, url: options.Url = "", token: options.Token = "") -> None:
    """Change annotations, which bundles may use as ${cluster.annotations.KEY}.

    Example: flotilla cluster annotate edge-1 owner=web contact-
    """
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/annotations", _edit(annotations, "annotation"))
    output.done(f"cluster {name}: annotated")


@app.command()
def values(name: Name, values: Edits, url: options.Url = "", token: options.Token = "") -> None:
    """Change registered values, which bundles may use as ${vars.KEY}. They are no place for secrets.

    Example: flotilla cluster values edge-1 replicas=3 domain=edge-1.example.com
    """
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/values", _edit(values, "value"))
    output.done(f"cluster {name}: values set")


@app.command()
def suspend(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="why, for the log")] = "by command",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Give the cluster nothing new; what it has stays."""
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/suspend", {"reason": reason})
    output.done(f"cluster {name}: suspended")


@app.command()
def resume(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Let the cluster take part again."""
    options.hub(url, token).post(f"clusters/{session.quoted(name)}/resume")
    output.done(f"cluster {name}: resumed")


@app.command()
def remove(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Let the cluster go: its credentials end. Its workloads stay, unowned."""
    options.hub(url, token).delete(f"clusters/{session.quoted(name)}")
    output.done(f"cluster {name} removed; its workloads stay")


def _edit(words: list[str], what: str) -> dict[str, object]:
    gone = [word[:-1] for word in words if word.endswith("-") and "=" not in word]
    return {"set": options.pairs([word for word in words if word[:-1] not in gone], what), "remove": gone}


def _summary(found: dict[str, Any]) -> None:
    """Where a cluster stands, on one screen."""
    screen, row = output.screen(), found["cluster"]
    screen.print(
        f"{row['name']}  {output.cell(row['connection'])}  {output.cell(row['sync'])}  {output.cell(row['health'])}  "
        f"at {standing(row)}" + (f", as of {output.moment(row['asOf'])}" if row["asOf"] else "")
    )
    if row["reason"]:
        screen.print(f"  {row['reason']}", markup=False)
    if row["behindSince"]:
        screen.print(f"  behind since {output.moment(row['behindSince'])}", markup=False)
    screen.print(output.tabled(found["bundles"], BUNDLES))
    if found["ailing"]:
        screen.print(output.tabled(found["ailing"], OBJECTS))
    if found["hooks"]:
        screen.print(output.tabled(found["hooks"], HOOKS))
    for title, one in (("held", "held"), ("kept", "kept"), ("undeleted", "undeleted"), ("orphans", "orphan")):
        for line in found[title]:
            screen.print(f"{one}: {line}", markup=False)
    if found["agent"]["refusedUid"]:
        screen.print(
            f"refused: an agent of another cluster (UID {found['agent']['refusedUid']}) with a token of this one"
        )
    for line in found["unwatched"]:
        screen.print(f"not watched: {line}; drift there is seen by the regular apply", markup=False)
    for refusal, count in found["refusals"].items():
        screen.print(f"refused as {refusal}: {count}", markup=False)


def standing(row: output.Row) -> str:
    """Generation and freshness in words: `generation 41 of 43, last heard 41s ago`."""
    heard = output.ago(row["heardAgoS"])
    return f"generation {row['generation']} of {row['desiredGeneration']}, " + (
        "not heard since the hub started" if heard == "never" else f"last heard {heard}"
    )


def _write(issued: dict[str, object], name: str, seed: str, out: pathlib.Path | None) -> pathlib.Path:
    path = out or pathlib.Path(f"{name}.credentials.json")
    session.write_private(path, json.dumps({**issued, **({"seed": seed} if seed else {})}).encode())
    return path


# Last: help lists commands in this order, and the common ones come first.
for _command in (
    enrolment.token,
    enrolment.manifest,
    enrolment.accept,
    enrolment.revoke,
    enrolment.rotate,
    enrolment.replace,
):
    app.command()(_command)
