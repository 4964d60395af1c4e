"""`flotilla openapi`: the hub's API as an OpenAPI document, so that programs are written without a hub."""

import json
import sys
from collections.abc import Sequence

from controller.api import openapi, table
from controller.cli import options

app = options.application()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla openapi`."""
    return options.run(app, "openapi", argv)


@app.command()
def show() -> None:
    """Print the OpenAPI 3.1 document of the API; a hub serves the same at /api/v1/openapi.json."""
    sys.stdout.write(json.dumps(openapi.document(table.TABLE), indent=2, ensure_ascii=False) + "\n")
