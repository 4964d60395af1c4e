"""`flotilla schema`: the JSON Schema of flotilla.yaml, so that editors complete and check it."""

import json
import sys
from collections.abc import Sequence

from controller.cli import options
from controller.render import schema

app = options.application()


def main(argv: Sequence[str] | None = None) -> int:
    """Run `flotilla schema`."""
    return options.run(app, "schema", argv)


@app.command()
def show() -> None:
    """Print the JSON Schema of flotilla.yaml (draft 2020-12), for editors and for checks without a hub.

    Keep it in a file, and name that in the first line of each flotilla.yaml:
    `# yaml-language-server: $schema=flotilla.schema.json`
    """
    sys.stdout.write(json.dumps(schema.of_flotilla_yaml(), indent=2, ensure_ascii=False) + "\n")
