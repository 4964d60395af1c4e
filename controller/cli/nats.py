"""`flotilla nats`: the embedded nats-server by itself, for hubs that are restarted more often than their broker."""

import asyncio
import datetime
import json
import pathlib
import signal
import sys
from collections.abc import Sequence

import msgspec

from controller import errors, keys, locks, logs, nats_server, tls
from protocol import arguments

FAILURE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run nats-server in the foreground until SIGINT or SIGTERM."""
    options = _parser().parse(sys.argv[1:] if argv is None else argv)
    logs.configure()
    choice = tls.Choice(options.tls, options.insecure_plain, options.tls_cert, options.tls_key)
    settings = nats_server.Settings(
        state_dir=options.state_dir, host=options.listen, port=options.port, binary=options.binary
    )
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.shared(settings.state_dir):
            return asyncio.run(_run(settings, choice, ready_json=options.ready_json))
    except errors.HubError as error:
        sys.stderr.write(f"flotilla nats: {error}\n")
        return FAILURE


DESCRIPTION = """\
Run the nats-server that 'flotilla hub' would embed by itself, so that a hub can be restarted without it: with one
account per cluster, and its state in one directory, which it shares with the hub.
"""

MORE = """\
Example:
  flotilla nats --state-dir state
  flotilla hub --nats-url nats://127.0.0.1:4222 --state-dir state

Exit codes: 0 stopped when asked to, 1 failed, 2 used wrongly.
"""


def _parser() -> arguments.Parser:
    parser = arguments.Parser("flotilla nats", DESCRIPTION, usage="--state-dir DIR [OPTION...]", more=MORE)
    parser.add_argument(
        "--state-dir",
        type=pathlib.Path,
        required=True,
        metavar="DIR",
        help="keys, accounts and streams; kept private (required)",
    )
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="where it listens (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=4222, metavar="PORT", help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--tls",
        choices=("auto", "on", "off"),
        default="auto",
        help="auto: where it listens beyond the loopback (default: %(default)s)",
    )
    parser.add_argument(
        "--tls-cert", default="", metavar="FILE", help="certificate chain (default: the hub's own authority signs one)"
    )
    parser.add_argument("--tls-key", default="", metavar="FILE", help="its private key; both or neither")
    parser.add_argument("--insecure-plain", action="store_true", help="let plain text leave this machine")
    parser.add_argument(
        "--binary", type=pathlib.Path, metavar="FILE", help="another nats-server than the installed one"
    )
    parser.add_argument("--ready-json", action="store_true", help="say that it is ready as one line of JSON")
    return parser


async def _run(settings: nats_server.Settings, choice: tls.Choice, *, ready_json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ring = keys.KeyRing(settings.state_dir / keys.DIRECTORY)
    certificates = None
    if tls.is_wanted(choice, settings.host):
        certificates = tls.Certificates(choice, settings.state_dir, tls.hosts(settings.host), clock=_now)
        files = nats_server.Tls(certificates.files.certificate, certificates.files.key)
        settings = msgspec.structs.replace(settings, tls=files)
    async with nats_server.running(settings, ring, at=_now()) as server:
        ready = (
            json.dumps({"url": server.url, "pid": server.pid}) if ready_json else f"nats-server ready at {server.url}"
        )
        sys.stdout.write(ready + "\n")
        sys.stdout.flush()
        fresh = asyncio.ensure_future(certificates.keep_fresh(server.reload)) if certificates is not None else None
        try:
            return await _until_end(server, stop)
        finally:
            if fresh is not None:
                fresh.cancel()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def _until_end(server: nats_server.Server, stop: asyncio.Event) -> int:
    """0 when asked to stop, 1 when the server ended by itself."""
    asked, ended = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(server.wait())
    try:
        await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
        return 0 if asked.done() else FAILURE
    finally:
        asked.cancel()
        ended.cancel()
