"""The `flotilla` command: find the subcommand's entry point by name, and load nothing else.

It stands in `protocol`, the one package that hub and agent share, and imports only the standard library: an agent
must not pay for the hub's libraries, nor need them installed.
"""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

from protocol import arguments

GROUP = "flotilla.commands"
USAGE_ERROR = 2
INTERRUPTED, CLOSED = 130, 141
"""As a shell tells the end by Ctrl-C, and by a pipe that nobody reads any more."""

ABOUT = {
    "agent": "serve clusters: verify, apply, prune, report",
    "apply": "make configuration documents true (-f FILE)",
    "bundle": "bundles: list, show",
    "cluster": "clusters: add, manifest, list, show, label, revoke, replace, remove, …",
    "deletions": "what would be taken away: list, show, approve, reject",
    "demo": "one commit, twelve clusters, on this machine",
    "diff": "what a source would change on every cluster, by dry runs",
    "doctor": "what is wrong with the hub, and what to do",
    "drift": "what differs from Git in the clusters, since when, and who did it",
    "events": "the log of every decision (-f follows)",
    "hub": "run the hub: Git in, signed desired states out",
    "login": "keep the hub's URL and token",
    "nats": "run the embedded nats-server by itself",
    "openapi": "the HTTP API as an OpenAPI 3.1 document",
    "recover": "take a restored hub back into service",
    "render": "what a working tree would come to for a cluster, offline",
    "rollout": "rollouts: list, status, pause, resume, abort, retry, history",
    "sandbox": "in-memory Kubernetes clusters to try things on",
    "schema": "JSON Schema of flotilla.yaml, for editors",
    "source": "Git sources: add, list, show, sync, hook, accept, suspend, resume, remove",
    "status": "the fleet on one screen (-w watches)",
    "targets": "which clusters a working tree is for, by which rule, with which variant",
    "token": "tokens of the HTTP API: create, list, revoke",
    "ui": "a link to the hub's page that signs a browser in, once",
    "validate": "check a working tree before it is merged, for CI",
}
"""One line for each command, as data: to list them nothing has to be loaded."""


OVERVIEW = """\
Usage: flotilla COMMAND [OPTION...]

Start with 'flotilla demo', which shows everything on this machine, or with 'flotilla hub'.

Commands:
{}

'flotilla COMMAND --help' teaches each; 'flotilla --version' tells the version.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first word names; return its exit code (2: there is no such command)."""
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    return code


def _run(words: list[str]) -> int:
    commands = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if len(words) > 1 and words[0] == "help":
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview(commands))
        return 0
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"flotilla {importlib.metadata.version('flotilla-gitops')}\n")
        return 0
    entry = commands.get(words[0])
    if entry is None:
        near = arguments.near(words[0], commands)
        sys.stderr.write(f"flotilla: there is no command {words[0]!r}{near}\nTry 'flotilla --help'.\n")
        return USAGE_ERROR
    try:
        run = entry.load()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"flotilla: '{words[0]}' needs {error.name}: install 'flotilla-gitops[hub]'\n")
        return USAGE_ERROR
    return int(run(words[1:]) or 0)


def _overview(commands: Iterable[str]) -> str:
    rows = arguments.listed({name: ABOUT.get(name, "") for name in sorted(commands)})
    return OVERVIEW.format(arguments.filled(rows, min(shutil.get_terminal_size().columns, arguments.WIDTH_MAX) - 2))


if __name__ == "__main__":
    sys.exit(main())
