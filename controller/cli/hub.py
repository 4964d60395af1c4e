"""`flotilla hub`: the daemon that turns commits into desired states."""

import asyncio
import json
import os
import pathlib
import secrets
import signal
import sys
from collections.abc import Sequence

import msgspec
from aiohttp import web

from controller import bootstrap, errors, face, heap, logs, settings, tls
from controller.api import connections, origins
from controller.cli import hub_commands
from controller.configuration import watching
from controller.store import records
from controller.ui import serving
from protocol import arguments

FAILURE, USAGE = 1, 2
TOKEN_FILE = "admin.token"  # noqa: S105 - a file's name
TOKEN_BYTES = 32
SHUTDOWN_S = 2.0
"""For requests under way when the hub stops; streams of events end at once."""

DESCRIPTION = f"""\
The hub polls Git, decides rollouts, and publishes a signed desired state for every cluster. Everything it decides is an
event; what it knows survives in its state directory. Without a command it runs until SIGTERM or Ctrl-C.

Commands:
{arguments.listed(hub_commands.COMMANDS)}
"""

MORE = """\
Examples:
  flotilla hub
      Start with an embedded nats-server, everything on the loopback; the first start prints how to log in.
  flotilla hub --config fleet/ --state-dir /var/lib/flotilla
      Read sources, clusters, groups and policies from files; the command line then refuses to change them.
  flotilla hub --nats-url nats://127.0.0.1:4222 --state-dir state
      Use a server that 'flotilla nats --state-dir state' started.
  flotilla hub backup /backup --state-dir /var/lib/flotilla
      Write a backup while the hub runs.

Each flag can be set as FLOTILLA_HUB_NAME (FLOTILLA_HUB_LISTEN, …) or in a YAML file (--settings FILE, names in
camelCase). Flags win over the environment, the environment over the file.

Exit codes: 0 stopped when asked to, 1 failed, 2 used wrongly.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the hub until SIGINT or SIGTERM, or one of its commands; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    if words and not words[0].startswith("-"):
        parser.command(words, hub_commands.COMMANDS)
        return hub_commands.main(words)
    options = vars(parser.parse(words))
    ready_json, file = options.pop("ready_json"), options.pop("settings")
    try:
        chosen = settings.load(options, file=file)
        proxies = _proxies(chosen)
        heap.settle()
        logs.configure(chosen.log_format)
        return asyncio.run(_serve(chosen, proxies, ready_json=ready_json))
    except settings.SettingsError as error:
        sys.stderr.write(f"flotilla hub: {error}\n")
        return USAGE
    except (errors.HubError, OSError) as error:
        sys.stderr.write(f"flotilla hub: {error}\n")
        return FAILURE


def make_parser() -> arguments.Parser:
    """The flags of `flotilla hub`."""
    parser = arguments.Parser("flotilla hub", DESCRIPTION, usage="[COMMAND] [OPTION...]", more=MORE)
    parser.add_argument("--settings", default="", metavar="FILE", help="a YAML file with settings")
    parser.add_argument(
        "--state-dir", metavar="DIR", help="keys, mirrors and streams (default: in the XDG state directory)"
    )
    parser.add_argument("--config", metavar="PATH", help="file or directory of configuration documents")
    parser.add_argument("--listen", metavar="ADDRESS", help="of the HTTP API (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="PORT", help="of the HTTP API; 0 takes a free one (default: 8420)")
    parser.add_argument("--nats-url", metavar="URL", help="a running server (default: an embedded one)")
    parser.add_argument("--nats-listen", metavar="ADDRESS", help="of the embedded server (default: 127.0.0.1)")
    parser.add_argument(
        "--nats-port", type=int, metavar="PORT", help="of the embedded server; -1 takes a free one (default: 4222)"
    )
    parser.add_argument("--advertise", metavar="URL", help="the NATS URL that agents are told")
    parser.add_argument("--public-url", metavar="URL", help="the URL of the HTTP API that agents are told")
    _add_tls(parser)
    parser.add_argument(
        "--token-lifetime-s", type=float, metavar="SECONDS", help="agents renew their tokens within it (default: a day)"
    )
    parser.add_argument(
        "--chart-repositories", metavar="URLS", help="the only ones that charts come from, in one text (default: any)"
    )
    parser.add_argument(
        "--allow-remote-bases",
        action="store_const",
        const=True,
        help="let bundles with kustomize.allowRemoteBases fetch bases from elsewhere (default: refused)",
    )
    parser.add_argument(
        "--trusted-proxies",
        metavar="NETWORKS",
        help="reverse proxies whose X-Forwarded-For and -Proto are believed, in one text (default: none)",
    )
    parser.add_argument(
        "--silence-s", type=float, metavar="SECONDS", help="a cluster not heard so long is offline (default: 30)"
    )
    parser.add_argument(
        "--metrics-open",
        action="store_const",
        const=True,
        help="let anybody read /metrics (default: who shows a token of scope read)",
    )
    parser.add_argument(
        "--metrics-clusters-max", type=int, metavar="N", help="name each cluster in metrics up to so many (default: 50)"
    )
    parser.add_argument(
        "--blob-retention-days",
        type=float,
        metavar="DAYS",
        help="keep what was given once and nothing needs for so long; 0: for ever (default: 30)",
    )
    parser.add_argument(
        "--log-format",
        choices=("auto", "console", "json"),
        help="auto: console on a terminal, else json (default: auto)",
    )
    parser.add_argument("--ready-json", action="store_true", help="say that it is ready as one line of JSON")
    return parser


def _add_tls(parser: arguments.Parser) -> None:
    parser.add_argument(
        "--tls", choices=("auto", "on", "off"), help="auto: whatever listens beyond the loopback (default: auto)"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain (default: our own authority signs one)")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key; both or neither")
    parser.add_argument("--tls-ca", metavar="FILE", help="what agents hold that certificate against")
    parser.add_argument(
        "--insecure-plain",
        action="store_const",
        const=True,
        help="let plain text leave this machine, where something else encrypts it",
    )


def _proxies(chosen: settings.Settings) -> origins.Networks:
    try:
        return origins.networks(chosen.trusted_proxies)
    except ValueError as error:
        raise settings.SettingsError(f"--trusted-proxies: {error}") from error


async def _serve(chosen: settings.Settings, proxies: origins.Networks, *, ready_json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with bootstrap.assembled(chosen, environ=os.environ) as hub:
        seen = face.Face(hub, None)
        if chosen.config:
            seen.configuration = watching.Configuration(pathlib.Path(chosen.config), hub.shared.transactor, seen)
        token, is_new = _token(hub.directory)
        runner = web.AppRunner(
            serving.make_app(seen, token=token, proxies=proxies),
            access_log=None,
            logger=connections.complaints(),
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=connections.KEEP_ALIVE_S,
        )
        await runner.setup()
        try:
            context = hub.encryption.context
            await _listen(connections.Site(runner, chosen.listen, chosen.port, context=context))
            port, scheme = runner.addresses[0][1], "http" if context is None else "https"
            public_url = chosen.public_url or tls.url(scheme, tls.reachable(chosen.listen), port)
            hub.entrance.address = msgspec.structs.replace(hub.entrance.address, hub_url=public_url)
            url = tls.url(scheme, tls.at_home(chosen.listen), port)
            _announce(hub, url, is_new=is_new, ready_json=ready_json)
            return await _until(stop, hub, seen)
        finally:
            await runner.cleanup()


async def _listen(site: connections.Site) -> None:
    try:
        await site.start()
    except OSError as error:
        # asyncio puts the address into the text, too; an unknown name has a number of its own.
        reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
        raise errors.Terminal(
            f"HTTP API {site.name}: cannot be listened on ({reason}); --listen and --port choose another address"
        ) from error


async def _until(stop: asyncio.Event, hub: bootstrap.Hub, seen: face.Face) -> int:
    """Run until a signal comes; whatever ends a reactor ends the hub, so that a supervisor starts it anew."""
    code = 0
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(bootstrap.run(hub))]
            if seen.configuration is not None:
                running.append(group.create_task(seen.configuration.run()))
            await stop.wait()
            for task in running:
                task.cancel()
    except* (errors.HubError, records.StoreError) as failures:
        sys.stderr.write(f"flotilla hub: {_first(failures)}\n")
        code = FAILURE
    return code


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _token(directory: pathlib.Path) -> tuple[str, bool]:
    """The admin token, and whether this start made it."""
    path = directory / TOKEN_FILE
    if path.exists():
        return path.read_text().strip(), False
    token = secrets.token_urlsafe(TOKEN_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token, True


def _announce(hub: bootstrap.Hub, url: str, *, is_new: bool, ready_json: bool) -> None:
    """`url`: as this machine reaches the API."""
    file, pin = hub.directory / TOKEN_FILE, hub.encryption.pin
    if ready_json:
        said = {"url": url, "tokenFile": str(file), "natsUrl": hub.nats_url, "pid": os.getpid(), "caPin": pin}
        text = json.dumps(said)
    else:
        text = f"hub ready at {url}"
        if is_new:
            shown = hub.settings.public_url or url
            text += f"\nlog in with: flotilla login {shown} --token-file {file}" + (f" --ca-pin {pin}" if pin else "")
            text += "\nsee the page with: flotilla ui"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
