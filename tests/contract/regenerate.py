"""Write the golden file anew: `python -m tests.contract.regenerate`, after a change of the wire format that is meant.

A change that is not a new optional field needs a new tag and an upcaster: stored logs hold the old bytes for ever.
"""

import json
import pathlib

from protocol import canonical
from tests.contract import examples

GOLDEN = pathlib.Path(__file__).parent / "wire.json"


def encoded() -> dict[str, object]:
    """What each example is on the wire."""
    return {tag: json.loads(canonical.encode(one)) for tag, one in sorted(examples.every().items())}


def main() -> None:
    """Write the file."""
    GOLDEN.write_text(json.dumps(encoded(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
