"""`flotilla agent`: run the agent, make its key."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agents import (
    agent,
    bootstrap,
    clock,
    configuration,
    doctor,
    enrolling,
    errors,
    hub_api,
    identities,
    keys,
    settings,
)
from agents.kube import access, client
from agents.kube import errors as kube_errors
from protocol import arguments as commandline
from protocol import crashpoints, diagnosis, telemetry

USAGE_ERROR = 2
TOKEN_VARIABLE = "FLOTILLA_ENROL_TOKEN"  # noqa: S105 - a variable's name

DESCRIPTION = """\
The agent brings one cluster, or several, to the state that its hub publishes, and reports back. It only connects
outwards: to the hub's NATS and to the API server of each cluster.
"""

COMMANDS = {
    "run": "serve clusters until SIGTERM or Ctrl-C",
    "doctor": "say what keeps the agent from its work, and what to do",
    "keygen": "make the agent's key and print its public part",
}

EXAMPLES = """\
Examples:
  flotilla agent run --hub https://hub:8420 --token … --ca-pin sha256:… --kubeconfig edge-1.yaml --state-dir edge-1
      What 'flotilla cluster add' prints: enrol once, then serve the cluster. The key never leaves this machine.
  flotilla agent keygen --out edge-1.nk
      Make the agent's key. The public key is printed; hand it to 'flotilla cluster add --agent-key'.
  flotilla agent run --credentials edge-1.json --kubeconfig ~/.kube/config --context edge-1 --state-dir state
      Serve one cluster from outside of it.
  flotilla agent run --credentials /etc/flotilla/credentials.json --in-cluster --state-dir /var/lib/flotilla
      Serve the cluster that the agent runs in.
  flotilla agent run --config agents.yaml --state-dir state
      Serve all clusters of a file:
        clusters:
          - {credentials: edge-1.json, kubeconfig: edge-1.yaml}
          - {credentials: edge-2.json, kubeconfig: all.yaml, context: edge-2}
"""

RUN = """\
Serve clusters: verify what the hub publishes, apply, prune, watch, report. Whom to serve is said by --hub, by
--credentials, or by --config for several. Logs go to standard error.
"""

RUN_USAGE = "--state-dir DIR [OPTION...]"

RUN_CODES = "Exit codes: 0 stopped when asked to, 2 used or set up wrongly, or the hub lets none of its agents in."

DOCTOR = """\
Look at everything that the agent needs: its identity, the hub, the API server and its rights there, the disk. It takes
the flags of 'flotilla agent run', and changes nothing.
"""

DOCTOR_MORE = """\
Example:
  flotilla agent doctor --hub https://hub:8420 --kubeconfig edge-1.yaml --state-dir edge-1

Exit codes: 0 all is well, 1 warnings, 2 errors, or used wrongly.
"""

KEYGEN = "Make the agent's key in a file that only its owner reads, and print its public part."

KEYGEN_MORE = """\
Example:
  flotilla agent keygen --out edge-1.nk

Exit codes: 0 done, 2 used wrongly, or the file cannot be written.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code (2: used wrongly, or set up wrongly)."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = _overview().command(words, COMMANDS)
    arguments = PARSERS[command]().parse(words[1:])
    try:
        return RUNS[command](arguments)
    except (errors.SetupError, crashpoints.CrashPointError, telemetry.TelemetryError) as error:
        sys.stderr.write(f"flotilla agent: {error}\n")
        return USAGE_ERROR


def _overview() -> commandline.Parser:
    text = f"{DESCRIPTION}\nCommands:\n{commandline.listed(COMMANDS)}"
    return commandline.Parser("flotilla agent", text, usage="COMMAND [OPTION...]", more=EXAMPLES)


def _run_parser() -> commandline.Parser:
    examples = "Example:\n" + EXAMPLES.split("\n", 1)[1].split("\n")[0]
    parser = commandline.Parser("flotilla agent run", RUN, usage=RUN_USAGE, more=f"{examples}\n\n{RUN_CODES}")
    _add_run(parser)
    return parser


def _doctor_parser() -> commandline.Parser:
    parser = commandline.Parser("flotilla agent doctor", DOCTOR, usage=RUN_USAGE, more=DOCTOR_MORE)
    _add_run(parser)
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", metavar="FORM", help="table or json"
    )
    return parser


def _keygen_parser() -> commandline.Parser:
    parser = commandline.Parser("flotilla agent keygen", KEYGEN, usage="--out FILE", more=KEYGEN_MORE)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where the private key goes (mode 0600; required)"
    )
    return parser


def _add_run(parser: commandline.Parser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with a list of clusters")
    parser.add_argument("--hub", default="", metavar="URL", help="enrol at this hub, unless that was done already")
    parser.add_argument(
        "--token",
        default="",
        metavar="TOKEN",
        help=f"what 'flotilla cluster add' printed (default: {TOKEN_VARIABLE}); used once",
    )
    parser.add_argument("--token-file", default="", metavar="FILE", help="file that holds the token")
    parser.add_argument("--ca-pin", default="", metavar="sha256:…", help="of the hub's authority, as it was printed")
    parser.add_argument("--ca-file", default="", metavar="FILE", help="the authority itself, PEM")
    parser.add_argument(
        "--insecure-plain", action="store_true", help="send the token unencrypted beyond this machine, if it must be"
    )
    parser.add_argument("--credentials", default="", metavar="FILE", help="a credentials file, as the hub made it")
    parser.add_argument("--seed-file", default="", metavar="FILE", help="the agent's key, if not in the credentials")
    parser.add_argument("--kubeconfig", default="", metavar="FILE", help="how to reach the API server from outside")
    parser.add_argument("--context", default="", metavar="NAME", help="a context of the kubeconfig (default: current)")
    parser.add_argument("--in-cluster", action="store_true", help="use the service account of this pod")
    parser.add_argument(
        "--service-account",
        default=str(access.SERVICE_ACCOUNT),
        metavar="DIR",
        help="the pod's token and authority (default: %(default)s)",
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, metavar="DIR", help="what must survive a restart (required)"
    )
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
    parser.add_argument(
        "--log-format",
        choices=("auto", "console", "json"),
        default="auto",
        help="auto: console on a terminal, else json (default: %(default)s)",
    )


def _run(arguments: argparse.Namespace) -> int:
    found, directory = _configuration(arguments)
    served = [_served(cluster, directory, arguments) for cluster in found.clusters]
    names = ("heartbeat", "resync", "health_interval", "requests_max")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    options = msgspec.structs.replace(found.settings, **given)
    if problem := agent.terms_of(options).problem:
        raise errors.SetupError(f"settings: times of the lease: {problem}")
    bootstrap.configure_logging(arguments.log_format)
    exported = bootstrap.telemetry_opened()
    try:
        around = bootstrap.surroundings(exported)
        return asyncio.run(bootstrap.serve(served, arguments.state_dir, options=options, around=around))
    finally:
        exported.close()


def _doctor(arguments: argparse.Namespace) -> int:
    """0: all is well, 1: warnings, 2: errors."""
    bootstrap.configure_logging(arguments.log_format)
    found, directory = _configuration(arguments)
    findings: list[diagnosis.Finding] = []
    for number, cluster in enumerate(found.clusters, start=1):
        several = f" ({number})" if len(found.clusters) > 1 else ""
        examined = asyncio.run(_examined(_served(cluster, directory, arguments), arguments.state_dir))
        findings += [msgspec.structs.replace(one, check=one.check + several) for one in examined]
    sys.stdout.write(diagnosis.text(findings, as_json=arguments.output == "json"))
    return diagnosis.exit_code(findings)


async def _examined(served: bootstrap.Served, directory: Path) -> list[diagnosis.Finding]:
    clocks = clock.SystemClock()
    if isinstance(served, configuration.Identity):
        return await doctor.examine(served, directory, clocks=clocks, chance=clock.system_random())
    try:
        identity = await enrolling.known(served, client.Limits())
    except (errors.AgentError, kube_errors.KubeError) as error:
        api = hub_api.HubApi(served.hub_url, served.trust)
        return await doctor.expect(str(error), api, served.access, directory=directory, clocks=clocks)
    return await doctor.examine(identity, directory, clocks=clocks, chance=clock.system_random())


def _served(cluster: configuration.Cluster, directory: Path, arguments: argparse.Namespace) -> bootstrap.Served:
    if not cluster.hub:
        return configuration.identify(cluster, directory)
    token = (arguments.token or os.environ.get(TOKEN_VARIABLE, "")) if arguments.hub else ""
    file = None if cluster.in_cluster else arguments.state_dir / identities.FILE_NAME
    return enrolling.newcomer(cluster, directory, token=token, file=file)


def _configuration(arguments: argparse.Namespace) -> tuple[configuration.Configuration, Path]:
    if sum(map(bool, (arguments.config, arguments.credentials, arguments.hub))) != 1:
        raise errors.SetupError("run: needs one of --hub, --credentials and --config")
    if arguments.config:
        return configuration.load(arguments.config), arguments.config.parent
    cluster = configuration.Cluster(
        credentials=arguments.credentials,
        hub=arguments.hub,
        token_file=arguments.token_file,
        ca_pin=arguments.ca_pin,
        ca_file=arguments.ca_file,
        insecure_plain=arguments.insecure_plain,
        seed_file=arguments.seed_file,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        in_cluster=arguments.in_cluster,
        service_account=arguments.service_account,
    )
    return configuration.Configuration((cluster,)), Path()


def _keygen(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{keys.generate(arguments.out)}\n")
    return 0


PARSERS = {"run": _run_parser, "doctor": _doctor_parser, "keygen": _keygen_parser}
RUNS = {"run": _run, "doctor": _doctor, "keygen": _keygen}
