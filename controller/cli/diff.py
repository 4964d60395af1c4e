"""`flotilla diff`: what a source would change on every cluster, before anything is touched."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from controller.cli import options, output, session

CHANGED = 6
"""Something would change: a code of its own, for 2 says that a command was used wrongly."""

CODES = (
    "Exit codes: 0 nothing would change, 6 something would, 1 something stands in its way (a conflict, a failure, a "
    "cluster that was not heard), 2 used wrongly, 3 no such name, 4 hub unreachable, 5 unauthorized."
)

REQUEST_S = 600.0
"""The hub may have to clone the source first, if it never did."""

SIGNS = {"created": "+", "configured": "~", "adopted": ">", "conflict": "!", "failed": "x"}

HELP = (
    "Show what a source would change on every cluster: creates, changes, adoptions, conflicts, failures, deletions, "
    "hooks that would run, and what would wait for a person. The clusters are asked by dry runs; nothing is touched. "
    "A suspended source is read as it is in Git now, any other as it was resolved last. Values of Secrets are never "
    "shown.\n\n"
    "Example: flotilla diff shop --cluster edge-1"
)

app = options.application(codes=CODES)

Row = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla diff`."""
    return options.run(app, "diff", argv)


@app.command(help=HELP)
def show(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="the source's name")],
    cluster: Annotated[
        str, typer.Option(metavar="CLUSTER", help="this cluster alone (default: all that it is for)")
    ] = "",
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="seconds that the clusters may take to answer, at most 45")
    ] = 20.0,
    output_: options.Output = options.TABLE,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Ask, print, and end with the code that tells what was found."""
    hub = session.Hub(session.find(url, token), timeout_s=REQUEST_S)
    found = hub.post(f"sources/{session.quoted(source)}/diff", {"cluster": cluster, "timeS": wait})
    if output_ in (output.Format.JSON, output.Format.YAML):
        output.value(found, output_)
    elif output_ is output.Format.NAME:
        sys.stdout.writelines(f"{one['cluster']}\n" for one in found["clusters"] if _differs(one))
    else:
        output.done("\n".join(_lines(found)))
    raise typer.Exit(_code(found))


def _code(found: Row) -> int:
    if found["troubles"]:
        return session.FAILED
    return CHANGED if found["changes"] else 0


def _differs(one: Row) -> bool:
    return bool(set(one["counts"]) - {"unchanged"} or one["deletions"] or one["refused"] or one["hooks"])


def _lines(found: Row) -> Iterator[str]:
    yield f"source {found['source']} at {found['revision']}, as of {output.moment(found['asOf'])}"
    for one in found["clusters"]:
        yield ""
        yield from _cluster(one)
    if found["held"]:
        yield ""
        yield "the deletions would wait for an approval:"
        yield from (f"  {reason}" for reason in found["held"])
    yield ""
    yield f"{found['changes']} changes, {found['troubles']} troubles on {len(found['clusters'])} clusters"


def _cluster(one: Row) -> Iterator[str]:
    counts = ", ".join(f"{number} {what}" for what, number in one["counts"].items()) or "no objects"
    yield f"cluster {one['cluster']}: " + (counts if one["heard"] else f"not heard ({one['problem']})")
    if one["heard"] and one["problem"]:
        yield f"  incomplete: {one['problem']}"
    for item in one["objects"]:
        yield from _object(item)
    if one["leftOut"]:
        yield f"  … and {one['leftOut']} objects more"
    for item in one["hooks"]:
        yield f"  * {_name(item)} run ({item['phase']} hook)"
    if one["hooksLeftOut"]:
        yield f"  … and {one['hooksLeftOut']} hooks more"
    for bundle, reason in one["refused"].items():
        yield f"  x bundle {bundle} keeps its old content ({reason})"
    for item in one["deletions"]:
        yield f"  - {_name(item)} deleted" + (" once approved" if item["held"] else "")
    for item in one["kept"]:
        yield f"  = {_name(item)} kept ({item['reason']})"


def _object(item: Row) -> Iterator[str]:
    why = ": ".join(text for text in (item.get("reason"), item.get("message")) if text)
    yield f"  {SIGNS[item['forecast']]} {_name(item)} {item['forecast']}" + (f" ({why})" if why else "")
    for change in item.get("changes", ()):
        yield f"      {change['field']}: {change.get('before') or '(none)'} → {change.get('after') or '(none)'}"
    if item.get("changesLeftOut"):
        yield f"      … and {item['changesLeftOut']} fields more"
    for held in item.get("conflicts", ()):
        yield f"      {held['field']} is held by {held['manager']}"


def _name(item: Row) -> str:
    """As the log prints an object: kind, group, namespace and name; then its bundle."""
    one = item["object"]
    kind = f"{one['kind']}.{one['group']}" if one["group"] else one["kind"]
    name = f"{one['namespace']}/{one['name']}" if one["namespace"] else one["name"]
    return f"{kind} {name} [{item['bundle']}]"
