"""`flotilla nats`: the embedded nats-server by itself, for hubs that are restarted more often than their broker."""

import argparse
import asyncio
import datetime
import json
import pathlib
import signal
import sys
from collections.abc import Sequence

from controller import errors, keys, logs, nats_server

FAILURE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run nats-server in the foreground until SIGINT or SIGTERM."""
    options = _parser().parse_args(argv)
    logs.configure()
    tls = nats_server.Tls(options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
    settings = nats_server.Settings(
        state_dir=options.state_dir, host=options.listen, port=options.port, tls=tls, binary=options.binary
    )
    logs.configure()
    try:
        return asyncio.run(_run(settings, ready_json=options.ready_json))
    except errors.HubError as error:
        sys.stderr.write(f"flotilla nats: {error}\n")
        return FAILURE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flotilla nats", description="Run nats-server with one account per cluster, its state in one directory."
    )
    parser.add_argument(
        "--state-dir", type=pathlib.Path, required=True, help="keys, accounts and streams; kept private"
    )
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=4222, help="0 takes a free one; default: %(default)s")
    parser.add_argument("--tls-cert", type=pathlib.Path, metavar="FILE", help="certificate chain; wants --tls-key")
    parser.add_argument("--tls-key", type=pathlib.Path, metavar="FILE")
    parser.add_argument(
        "--binary", type=pathlib.Path, metavar="FILE", help="another nats-server than the installed one"
    )
    parser.add_argument("--ready-json", action="store_true", help="say that it is ready as one line of JSON")
    return parser


async def _run(settings: nats_server.Settings, *, ready_json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ring = keys.KeyRing(settings.state_dir / keys.DIRECTORY)
    async with nats_server.running(settings, ring, at=datetime.datetime.now(datetime.UTC)) as server:
        ready = (
            json.dumps({"url": server.url, "pid": server.pid}) if ready_json else f"nats-server ready at {server.url}"
        )
        sys.stdout.write(ready + "\n")
        sys.stdout.flush()
        return await _until_end(server, stop)


async def _until_end(server: nats_server.Server, stop: asyncio.Event) -> int:
    """0 when asked to stop, 1 when the server ended by itself."""
    asked, ended = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(server.wait())
    try:
        await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
        return 0 if asked.done() else FAILURE
    finally:
        asked.cancel()
        ended.cancel()
