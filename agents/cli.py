"""`flotilla agent`: run the agent, make its key."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agents import bootstrap, configuration, errors, keys, settings
from protocol import crashpoints, telemetry

USAGE_ERROR = 2

DESCRIPTION = """\
The agent brings one cluster, or several, to the state that its hub publishes, and reports back.
It only connects outwards: to the hub's NATS and to the API server of each cluster.
"""

EXAMPLES = """\
examples:
  flotilla agent keygen --out edge-1.nk
      Make the agent's key. The public key is printed; hand it to 'flotilla hub' when you register the cluster.
  flotilla agent run --credentials edge-1.json --kubeconfig ~/.kube/config --context edge-1 --state-dir state
      Serve one cluster from outside of it.
  flotilla agent run --credentials /etc/flotilla/credentials.json --in-cluster --state-dir /var/lib/flotilla
      Serve the cluster that the agent runs in.
  flotilla agent run --config agents.yaml --state-dir state
      Serve all clusters of a file:
        clusters:
          - {credentials: edge-1.json, kubeconfig: edge-1.kubeconfig}
          - {credentials: edge-2.json, kubeconfig: all.kubeconfig, context: edge-2}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code (2: used wrongly, or set up wrongly)."""
    arguments = make_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (errors.SetupError, crashpoints.CrashPointError, telemetry.TelemetryError) as error:
        sys.stderr.write(f"flotilla agent: {error}\n")
        return USAGE_ERROR


def make_parser() -> argparse.ArgumentParser:
    """The commands of `flotilla agent`."""
    parser = argparse.ArgumentParser(
        prog="flotilla agent",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="serve clusters until SIGTERM"))
    make = commands.add_parser("keygen", help="make the agent's key and print its public part")
    make.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the private key goes (mode 0600)")
    make.set_defaults(run=_keygen)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with a list of clusters")
    parser.add_argument("--credentials", metavar="FILE", help="the cluster's credentials, as the hub made them")
    parser.add_argument("--seed-file", default="", metavar="FILE", help="the agent's key, if not in the credentials")
    parser.add_argument("--kubeconfig", default="", metavar="FILE", help="how to reach the API server from outside")
    parser.add_argument("--context", default="", metavar="NAME", help="a context of the kubeconfig (default: current)")
    parser.add_argument("--in-cluster", action="store_true", help="use the service account of this pod")
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR", help="what must survive a restart")
    for field, text in (
        ("heartbeat", "seconds between heartbeats"),
        ("resync", "seconds between full applies, and between questions for the last state"),
        ("health-interval", "seconds between looks at objects that are not healthy yet"),
        ("requests-max", "concurrent requests to one API server"),
    ):
        name = field.replace("-", "_")
        default = getattr(settings.DEFAULTS, name)
        parser.add_argument(
            f"--{field}", type=type(default), metavar="N", default=None, help=f"{text} (default: {default:g})"
        )
    parser.add_argument("--log-format", choices=("auto", "console", "json"), default="auto")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    found, directory = _configuration(arguments)
    identities = [configuration.identify(cluster, directory) for cluster in found.clusters]
    names = ("heartbeat", "resync", "health_interval", "requests_max")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    options = msgspec.structs.replace(found.settings, **given)
    bootstrap.configure_logging(arguments.log_format)
    exported = bootstrap.telemetry_opened()
    try:
        around = bootstrap.surroundings(exported)
        return asyncio.run(bootstrap.serve(identities, arguments.state_dir, options=options, around=around))
    finally:
        exported.close()


def _configuration(arguments: argparse.Namespace) -> tuple[configuration.Configuration, Path]:
    if bool(arguments.config) == bool(arguments.credentials):
        raise errors.SetupError("run: needs either --credentials or --config")
    if arguments.config:
        return configuration.load(arguments.config), arguments.config.parent
    cluster = configuration.Cluster(
        credentials=arguments.credentials,
        seed_file=arguments.seed_file,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        in_cluster=arguments.in_cluster,
    )
    return configuration.Configuration((cluster,)), Path()


def _keygen(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{keys.generate(arguments.out)}\n")
    return 0
