"""`flotilla demo`: the whole loop on this machine, with a story."""

import asyncio
import contextlib
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Sequence

from rich import console

from controller import errors
from controller.demo import checks, fleet, incidents, processes, screen, story, telling
from controller.render import stages
from protocol import arguments

FAILURE = 1
INTERRUPTED = 130

DESCRIPTION = """\
Starts nats-server, a hub, four agents and twelve sandbox clusters as separate processes on the loopback, makes a Git
repository of a Helm chart, a kustomization and plain manifests, and shows what five merges do, what becomes of an
edit by hand, and of a cluster that is cut off. Everything ends with it, and nothing is left behind.
"""

CODES = "Exit codes: 0 every step came true in the clusters, 1 one did not, 2 used wrongly, 130 stopped by Ctrl-C."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0: every step came true in the clusters themselves."""
    parser = arguments.Parser("flotilla demo", DESCRIPTION, more=CODES)
    parser.add_argument("--keep", action="store_true", help="leave it running at the end, and say what to look at")
    options = parser.parse(sys.argv[1:] if argv is None else argv)
    output = console.Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    code = FAILURE
    try:
        _need_renderers()
        code = asyncio.run(_run(output, keep=options.keep))
    except* errors.HubError as failures:
        output.print(f"[red]the demo failed:[/] {_first(failures)}")
    return code


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


class ProgramsMissing(errors.Terminal):
    """helm or kustomize is not there."""


def _need_renderers() -> None:
    """One bundle of the demo is a chart, one a kustomization; raise ProgramsMissing where they cannot be rendered."""
    found = stages.find_tools()
    reasons = [found.helm_missing] if found.helm is None else []
    reasons += [found.kustomize_missing] if found.kustomize is None else []
    if reasons:
        raise ProgramsMissing(
            f"{'; '.join(reasons)}. In a checkout of Flotilla, `make demo` brings both: helm"
            " comes into .venv, kustomize is compiled once"
        )


async def _run(output: console.Console, *, keep: bool) -> int:
    stop = asyncio.Event()
    processes.on_signal(stop)
    with tempfile.TemporaryDirectory(prefix="flotilla-demo-") as directory:
        telling = asyncio.create_task(_tell(pathlib.Path(directory), output, stop if keep else None))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((telling, stopping), return_when=asyncio.FIRST_COMPLETED)
            if telling.done() or keep:
                return await telling
            output.print("\nstopping")
            return INTERRUPTED
        finally:
            stopping.cancel()
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # raised above already
                await telling


async def _tell(directory: pathlib.Path, output: console.Console, stop: asyncio.Event | None) -> int:
    show = screen.Screen(output)
    show.say("starting nats-server, the hub, four agents and twelve clusters, each on the loopback …")
    async with fleet.started(directory) as running:
        show.say(f"the page: {await running.page()}")
        tell = telling.Telling(running, show)
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(child.ended()) for child in running.children]
            await story.Story(tell).tell()
            await incidents.Incidents(tell).tell()
            show.summary(tell.steps)
            if stop is not None:
                await _what_to_look_at(running, show)
                await stop.wait()
            for task in watching:
                task.cancel()
    return 0


async def _what_to_look_at(running: fleet.Fleet, show: screen.Screen) -> None:
    path = "" if shutil.which("flotilla") else f"PATH={pathlib.Path(sys.executable).parent}:$PATH "
    show.say(f"""
It goes on running; Ctrl-C ends it. The page: {await running.page()}
In another terminal:

  export {path}KUBECONFIG={running.kubeconfig}
  export FLOTILLA_URL={running.hub_url} FLOTILLA_TOKEN=$(cat {running.token_file})
  flotilla ui                        # the page again: each link signs in one browser, once
  flotilla status
  flotilla rollout status {fleet.SOURCE}
  flotilla bundle show {fleet.SOURCE}/apps/storefront
  flotilla deletions list
  flotilla events
  kubectl --context prod-1 -n {checks.NAMESPACE} get all
  git clone {running.repository.url} my-fleet    # change something, push to main
""")
