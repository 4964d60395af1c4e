"""`flotilla drift`: what differs from Git in the clusters, and who did it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import options, output

app = options.application("Drift: what differs from Git in the clusters.")

COLUMNS: tuple[output.Column, ...] = (
    ("OBJECT", output.field("object")),
    ("CLUSTER", output.field("cluster")),
    ("BUNDLE", output.field("bundle")),
    ("POLICY", output.field("policy")),
    ("SINCE", lambda row: row["since"][:19]),
    ("BY", lambda row: list(dict.fromkeys(one["manager"] for one in row["fields"] if one.get("manager")))),
    ("WHAT", lambda row: _what(row)),
)
WIDE: tuple[output.Column, ...] = (
    ("ENDED", output.field("ended")),
    ("ENDED AT", output.field("endedAt")),
    ("CONNECTION", output.field("connection")),
    ("AS OF", output.field("asOf")),
)

ABSENT = "not there"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla drift`."""
    return options.run(app, "drift", argv)


@app.callback()
def drift() -> None:
    """Drift: what differs from Git in the clusters."""


@app.command("list")
def list_drifts(
    cluster: Annotated[str, typer.Option(metavar="CLUSTER", help="only in this cluster")] = "",
    bundle: Annotated[str, typer.Option(metavar="BUNDLE", help="only of this bundle (SOURCE/PATH)")] = "",
    manager: Annotated[
        str, typer.Option(metavar="MANAGER", help="only with a field that this field manager holds")
    ] = "",
    ended: Annotated[bool, typer.Option("--ended", help="what is over, too, as far as it is remembered")] = False,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """List what differs from Git: which object, since when, by whom, and in which fields.

    Example: flotilla drift list --cluster edge-1 --ended -o wide
    """
    said = {"cluster": cluster, "bundle": bundle, "manager": manager, "ended": "true" if ended else ""}
    query = {name: value for name, value in said.items() if value}
    output.rows(options.hub(url, token).items("drift", **query), output_, columns=COLUMNS, wide=WIDE)


def _what(row: output.Row) -> list[str]:
    """Field by field; the object itself, where it is gone or another one."""
    fights = row["fighting"]
    told = [f"fight, {fights['count']} reverts"] if fights is not None else []
    if row["kind"] != "changed":
        return [*told, row["kind"]]
    told += [_field(one) for one in row["fields"]]
    return [*told, *([f"and {row['fieldsLeftOut']} more"] if row["fieldsLeftOut"] else [])]


def _field(one: output.Row) -> str:
    if one.get("passed"):
        return f"{one['field']} was changed, and is as in Git again"
    last = f" (last written to by {one['lastWriter']})" if one.get("lastWriter") else ""
    return f"{one['field']} is {one.get('actual') or ABSENT}{last}, in Git {one.get('expected') or ABSENT}"
