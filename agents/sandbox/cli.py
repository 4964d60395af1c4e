"""`flotilla sandbox`: serve many small in-memory clusters and write a kubeconfig for them."""

import argparse
import asyncio
import datetime
import json
import secrets
import signal
import sys
import time
from asyncio import sslproto
from collections.abc import Sequence
from pathlib import Path
from random import Random, SystemRandom

import structlog
from aiohttp import web

from agents.sandbox import certificates, controllers, faults, kubeconfig
from agents.sandbox.cluster import Cluster, Settings
from agents.sandbox.kubeconfig import Access
from agents.sandbox.server import PREFIX, Server
from agents.sandbox.timers import Timers
from protocol import arguments as commandline

TOKEN_BYTES = 32  # 256 bits: nobody guesses it
TLS_BUFFER_BYTES = 32 * 1024  # two records; asyncio takes 256 KiB for each connection, and every watch is one
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - where to listen, and no address to connect to
CLUSTERS_MAX = 10_000  # some 30 KiB each before their objects; beyond it, one process is too busy: start another


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    arguments = _parser().parse(argv)
    names = arguments.cluster or [f"cluster-{number}" for number in range(1, arguments.clusters + 1)]
    if len(set(names)) != len(names) or not 1 <= len(names) <= CLUSTERS_MAX:
        sys.stderr.write(f"flotilla sandbox: between 1 and {CLUSTERS_MAX} clusters, each with its own name\n")
        return 2
    unmet = [one.clusters for one in arguments.fault if not any(map(one.concerns, names))]
    if unmet:
        sys.stderr.write(f"flotilla sandbox: --fault: no cluster is called {unmet[0]}\n")
        return 2
    _log_to_stderr()
    asyncio.run(_serve(arguments, names))
    return 0


DESCRIPTION = """\
Serve small Kubernetes clusters in memory, and write a kubeconfig for them: an API server each, and what makes workloads
ready. They are forgotten when it ends, by SIGTERM or Ctrl-C. For demos, tests and trying things out.
"""

MORE = """\
Example:
  flotilla sandbox --cluster edge-1 --cluster edge-2 --dir sandbox
  kubectl --kubeconfig sandbox/kubeconfig --context edge-1 get namespaces

Exit codes: 0 stopped when asked to, 1 failed, 2 used wrongly.
"""


def _parser() -> commandline.Parser:
    parser = commandline.Parser("flotilla sandbox", DESCRIPTION, usage="--dir DIR [OPTION...]", more=MORE)
    parser.add_argument(
        "--clusters",
        type=int,
        default=1,
        metavar="N",
        help="how many clusters, named cluster-1 and so on (default: %(default)s)",
    )
    parser.add_argument("--cluster", action="append", metavar="NAME", help="a cluster by name; repeatable")
    parser.add_argument(
        "--dir", type=Path, required=True, metavar="DIR", help="where the file 'kubeconfig' is written (required)"
    )
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="where it listens (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, metavar="PORT", help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--ready-after",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="until a workload is ready (default: %(default)s)",
    )
    parser.add_argument("--no-controllers", dest="controllers", action="store_false", help="an API server by itself")
    described = """what happens to requests of some clusters from the beginning: a pattern of names and a fault as it is
        POSTed to a cluster's /sandbox/faults, for instance 'edge-*={"watch": "silent", "times": 0}'; repeatable"""
    parser.add_argument("--fault", type=_wish, action="append", default=[], metavar="CLUSTERS=JSON", help=described)
    parser.add_argument("--no-pods", dest="pods", action="store_false", help="create no Pods below workloads")
    return parser


def _wish(text: str) -> faults.Wish:
    try:
        return faults.wish(text)
    except ValueError as error:  # argparse swallows its message
        raise argparse.ArgumentTypeError(str(error)) from error


def _log_to_stderr() -> None:
    """Keep the standard output for the one line that says when the sandbox is ready.

    Tracebacks are plain: the pretty ones print local variables, and with them the tokens of clusters.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _serve(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
    timers = Timers(time.time)
    hosts = tuple(dict.fromkeys((arguments.listen, "127.0.0.1", "localhost")))
    identity = certificates.create(hosts, at=datetime.datetime.now(datetime.UTC))
    settings = Settings(
        ready_after_s=arguments.ready_after,
        pods=arguments.pods,
        controllers=arguments.controllers,
        authority_pem=identity.authority_pem.decode(),
    )
    random = SystemRandom()  # it has no state to share
    clusters = {name: (_cluster(name, timers, settings, random), secrets.token_urlsafe(TOKEN_BYTES)) for name in names}
    for cluster, _ in clusters.values():
        for one in arguments.fault:
            if one.concerns(cluster.name):
                cluster.faults.add(one.fault)
    server = Server(clusters, timers)
    stop = _stop_event()
    runner = web.ServerRunner(server.web_server(), shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.listen, arguments.port, ssl_context=identity.context).start()
        port = runner.addresses[0][1]
        host = "127.0.0.1" if arguments.listen in _ANYWHERE else arguments.listen
        base = f"https://{host}:{port}/{PREFIX}"
        accesses = [Access(name, f"{base}/{name}", token) for name, (_, token) in clusters.items()]
        path = arguments.dir / "kubeconfig"
        kubeconfig.write(path, kubeconfig.document(accesses, identity.authority_pem))
        ready = {"ready": True, "kubeconfig": str(path), "clusters": len(names), "port": port}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(server.pump())
            await stop.wait()
            pump.cancel()
    finally:
        await runner.cleanup()


def _cluster(name: str, timers: Timers, settings: Settings, random: Random) -> Cluster:
    cluster = Cluster(name, timers=timers, settings=settings, random=random)
    controllers.attach(cluster)
    return cluster


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
