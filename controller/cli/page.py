"""`flotilla ui`: a link that signs a browser in, once."""

import webbrowser
from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import options, output, session

ui_app = options.application()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla ui`."""
    return options.run(ui_app, "ui", argv)


@ui_app.command()
def sign_in(
    browser: Annotated[bool, typer.Option("--open", help="open it in this machine's browser")] = False,
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Print a link to the hub's page: it signs in whoever opens it first, within two minutes, as the token would."""
    context = session.find(url, token)
    link = context.url + session.Hub(context).post("ui/codes")["path"]
    output.done(link)
    if browser and not webbrowser.open(link):
        raise session.CommandError("no browser could be opened; open the link above by hand")
