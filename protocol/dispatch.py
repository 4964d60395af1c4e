"""The `flotilla` command: find the subcommand's entry point by name, and load nothing else.

It stands in `protocol`, the one package that hub and agent share, and imports only the standard library: an agent
must not pay for the hub's libraries, nor need them installed.
"""

import importlib.metadata
import sys
from collections.abc import Sequence

GROUP = "flotilla.commands"
USAGE_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first word names; return its exit code (2: there is no such command)."""
    words = list(sys.argv[1:] if argv is None else argv)
    commands = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview(commands))
        return 0
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"flotilla {importlib.metadata.version('flotilla-gitops')}\n")
        return 0
    entry = commands.get(words[0])
    if entry is None:
        sys.stderr.write(f"flotilla: there is no command '{words[0]}'; 'flotilla --help' lists them\n")
        return USAGE_ERROR
    result = entry.load()(words[1:])
    return int(result or 0)


def _overview(commands: dict[str, importlib.metadata.EntryPoint]) -> str:
    names = "\n".join(f"  {name}" for name in sorted(commands))
    return f"usage: flotilla COMMAND [OPTION...]\n\nCommands ('flotilla COMMAND --help' teaches each):\n{names}\n"


if __name__ == "__main__":
    sys.exit(main())
