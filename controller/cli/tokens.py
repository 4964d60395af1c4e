"""`flotilla token`: who may ask the hub, and for what."""

import pathlib
import re
from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import options, output, session
from protocol.events.tokens import Scope

app = options.application("Tokens: who may ask the hub, and for what.")

COLUMNS: tuple[output.Column, ...] = (
    ("NAME", output.field("name")),
    ("SCOPE", output.field("scope")),
    ("EXPIRES", output.field("expiresAt")),
    ("EXPIRED", output.field("expired")),
)
WIDE: tuple[output.Column, ...] = (
    ("EVENT", output.field("event")),
    ("AS OF", output.field("asOf")),
)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")

Name = Annotated[str, typer.Argument(metavar="NAME", help="the token's name: who did something, in the log")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla token`."""
    return options.run(app, "token", argv)


@app.command()
def create(
    name: Name,
    scope: Annotated[Scope, typer.Option(metavar="SCOPE", help="read: see; operate: steer, too; admin: declare, too")],
    ttl: Annotated[
        str, typer.Option(metavar="TIME", help="how long it is good, such as 90d or 12h (default: until revoked)")
    ] = "",
    out: Annotated[
        pathlib.Path | None, typer.Option(metavar="FILE", help="write it to this file, mode 0600, not to the screen")
    ] = None,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Make a token and print it, for the only time: the hub keeps a digest of it.

    Example: flotilla token create grafana --scope read --ttl 90d
    """
    asked = {"name": name, "scope": scope.value, **({"ttlS": seconds(ttl)} if ttl else {})}
    secret = options.hub(url, token).post("tokens", asked)["secret"]
    if out is None:
        output.done(secret)
        return
    session.write_private(out, f"{secret}\n".encode())
    output.done(f"token {name} made; it is in {out}")


@app.command("list")
def list_tokens(output_: options.Output = options.TABLE, url: options.Url = "", token: options.Token = "") -> None:
    """List tokens: what each is good for, and until when."""
    output.rows(options.hub(url, token).items("tokens"), output_, columns=COLUMNS, wide=WIDE)


@app.command()
def revoke(name: Name, url: options.Url = "", token: options.Token = "") -> None:
    """Let nobody in with it any more, at once."""
    options.hub(url, token).delete(f"tokens/{session.quoted(name)}")
    output.done(f"token {name} revoked")


def seconds(ttl: str) -> int:
    """A time as people write it; CommandError if it is none."""
    found = _DURATION.fullmatch(ttl)
    if found is None:
        raise session.CommandError(f"--ttl {ttl!r}: not a time such as 30m, 12h or 90d", session.USAGE)
    return int(found[1]) * UNITS_S[found[2]]
