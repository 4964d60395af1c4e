"""`flotilla deletions`: what is or would be taken away, and a person's word on it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import options, output, session

app = options.application("Deletions: nothing large or precious goes without a person's word.")

COLUMNS: tuple[output.Column, ...] = (
    ("SET", output.field("id")),
    ("DECISION", output.field("decision")),
    ("OBJECTS", output.field("objects")),
    ("CLUSTERS", output.field("clusters")),
    ("OPEN", output.field("open")),
    ("REVISION", output.field("revision")),
    ("HELD BECAUSE", output.field("held")),
)
WIDE: tuple[output.Column, ...] = (
    ("UNDELETED", output.field("undeleted")),
    ("DIGEST", output.field("digest")),
    ("AS OF", output.field("asOf")),
)
MEMBERS: tuple[output.Column, ...] = (
    ("BUNDLE", output.field("bundle")),
    ("WHOLE", lambda row: "yes" if row["wholeBundle"] else "no"),
    ("OBJECTS", lambda row: _all(row["objects"], row["objectCount"])),
    ("CLUSTERS", lambda row: _all(row["clusters"], row["clusterCount"])),
)

SetId = Annotated[str, typer.Argument(metavar="SET", help="the set's id, from 'flotilla deletions list'")]
Digest = Annotated[str, typer.Option(metavar="DIGEST", help="of what you looked at; refused if the set changed since")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla deletions`."""
    return options.run(app, "deletions", argv)


@app.command("list")
def list_sets(
    settled: Annotated[bool, typer.Option("--all", help="those that are over, too")] = False,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """List deletion sets: held ones wait for you."""
    found = options.hub(url, token).items("deletions", all=str(settled).lower())
    output.rows(found, output_, columns=COLUMNS, wide=WIDE)


@app.command()
def show(
    set_id: SetId, output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = ""
) -> None:
    """Show a set: every object and cluster, why it is held, and its digest."""
    found = options.hub(url, token).get(f"deletions/{session.quoted(set_id)}")
    if output_ not in (output.Format.TABLE, output.Format.WIDE):
        output.value(found, output_, name=set_id)
        return
    row = found["deletions"]
    output.described(
        [
            *((name, row[name]) for name in ("id", "revision", "decision")),
            ("held because", "; ".join(row["held"])),
            *((name, row[name]) for name in ("objects", "clusters", "open")),
            ("digest", row["digest"]),
            ("as of", f"{row['asOf']}, event {row['event']}"),
        ]
    )
    output.screen().print(output.tabled(found["members"], MEMBERS))
    output.complaints(
        [f"{one['cluster']}: {one['object']}: {one['reason']}" for one in found["undeleted"]], "undeleted"
    )


@app.command()
def approve(
    set_id: SetId, digest: Digest = "", yes: Yes = False, url: options.Url = "", token: options.Token = ""
) -> None:
    """Let a held set go ahead, on all its clusters. The approval holds for exactly what its digest names."""
    _decide("approve", set_id, digest or _looked_at(set_id, yes, url, token), url, token)


@app.command()
def reject(
    set_id: SetId, digest: Digest = "", yes: Yes = False, url: options.Url = "", token: options.Token = ""
) -> None:
    """Keep the objects of a set: they stay in the clusters as orphans, listed."""
    _decide("reject", set_id, digest or _looked_at(set_id, yes, url, token), url, token)


def _looked_at(set_id: str, yes: bool, url: str, token: str) -> str:
    """Show the set and ask, unless told not to; return the digest of what was shown."""
    found = options.hub(url, token).get(f"deletions/{session.quoted(set_id)}")
    row = found["deletions"]
    if not yes:
        for member in found["members"]:
            what = _all(member["objects"], member["objectCount"])
            output.done(f"  {member['bundle']}: {what}\n    on {_all(member['clusters'], member['clusterCount'])}")
        output.done(f"digest {row['digest']}")
        typer.confirm(f"{row['objects']} objects on {row['clusters']} clusters: go ahead?", abort=True)
    return str(row["digest"])


def _all(names: Sequence[str], count: int) -> str:
    """The names; where the hub tells only the first of many, how many more there are."""
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return ", ".join(names) + more


def _decide(verb: str, set_id: str, digest: str, url: str, token: str) -> None:
    row = options.hub(url, token).post(f"deletions/{session.quoted(set_id)}/{verb}", {"digest": digest})
    output.done(f"deletions {set_id}: {row['decision']}")
