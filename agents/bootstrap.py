"""The composition root: the only place that knows the clock, the randomness, the environment and all clusters at
once."""

import asyncio
import importlib.metadata
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from agents import agent, clock, configuration, enrolling, errors, settings
from agents.domain import retry
from agents.kube import client
from protocol import complaints, crashpoints, telemetry, tracing

SERVICE = "flotilla-agent"

RESTART_BASE_S = 1.0
RESTART_CEILING_S = 60.0
"""A cluster whose agent failed is taken up again; one that fails each time costs little."""


def telemetry_opened() -> telemetry.Telemetry:
    """What the environment asks for; raise TelemetryError."""
    version = importlib.metadata.version("flotilla-gitops")
    log = structlog.get_logger()
    return telemetry.opened(SERVICE, version, os.environ, told=lambda text: log.warning("telemetry", reason=text))


def surroundings(exported: telemetry.Telemetry) -> agent.Surroundings:
    """Those of production."""
    return agent.Surroundings(
        clocks=clock.SystemClock(),
        chance=clock.system_random(),
        traces=tracing.Tracing(exported.tracer("flotilla.agent")),
        meter=exported.meter("flotilla.agent"),
        boundary=crashpoints.from_environment(os.environ),
        version=importlib.metadata.version("flotilla-gitops"),
        host=socket.gethostname(),
    )


def configure_logging(form: str = "auto") -> None:
    """Standard error: `console` for a person, `json` with one object a line, `auto`: console on a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            tracing.add_ids,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    complaints.listen(structlog.get_logger())


Served = configuration.Identity | enrolling.Newcomer
"""A cluster whose agent is known to the hub already, or one whose agent enrols first."""

PULSE_S = 5.0
"""Far below what any probe allows, and a write every five seconds wakes no disk that sleeps."""

NOT_LET_IN = 2
"""Exit code when the hub lets in no agent of those that it was to serve."""


class Pulse:
    """Two files whose age says how the process does, for whoever cannot ask it: it listens nowhere.

    `alive`: its loop turns. `ready`: every cluster is found and being served. They are touched, never read.
    """

    def __init__(self, directory: Path, count: int) -> None:
        """`count`: of the clusters that it is to serve."""
        self._directory = directory
        self._count = count
        self.agents: dict[int, agent.Agent] = {}

    async def run(self) -> None:
        """Touch, for ever."""
        log = structlog.get_logger()
        while True:
            try:
                await asyncio.to_thread(self._touch)
            except OSError as error:
                log.warning("pulse not written", reason=str(error))
            await asyncio.sleep(PULSE_S)

    def _touch(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / "alive").touch()
        if len(self.agents) == self._count and all(one.is_serving for one in self.agents.values()):
            (self._directory / "ready").touch()


async def serve(
    served: Sequence[Served],
    directory: Path,
    *,
    options: settings.Settings,
    around: agent.Surroundings,
) -> int:
    """Serve all clusters until SIGTERM or SIGINT, or until there is none left to serve; the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pulse = Pulse(directory, len(served))
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(pulse.run())
        running = [
            tasks.create_task(_supervise(one, directory, options=options, around=around, pulse=pulse)) for one in served
        ]
        stopped = tasks.create_task(stop.wait())
        # Not gathered: a gathering that nobody awaits any more complains of the cancellation below.
        ended = tasks.create_task(asyncio.wait(running))
        await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (*running, stopped, ended, beating):
            task.cancel()
    return 0 if stop.is_set() else NOT_LET_IN


async def _supervise(
    served: Served, directory: Path, *, options: settings.Settings, around: agent.Surroundings, pulse: Pulse
) -> None:
    """Keep one cluster served, for as long as the hub lets its agent in. Whatever goes wrong with it is its own
    affair."""
    log = structlog.get_logger().bind(cluster=_name(served))
    attempt = 0
    while True:
        begun = around.clocks.monotonic()
        try:
            identity = await _identity(served, options, around)
            made = agent.Agent(identity, directory, options=options, around=around)
            pulse.agents[id(served)] = made
            await made.run()
        except errors.NotLetIn as error:
            log.error("agent is not let in", reason=str(error))  # noqa: TRY400 - the reason says it all
            return
        except Exception:  # a bug in serving one cluster must not stop the others; it is logged whole
            log.exception("agent failed")
        if around.clocks.monotonic() - begun > RESTART_CEILING_S:
            attempt = 0
        delay = retry.backoff(
            attempt, base_s=RESTART_BASE_S, ceiling_s=RESTART_CEILING_S, chance=around.chance.random()
        )
        attempt += 1
        await asyncio.sleep(delay)


async def _identity(served: Served, options: settings.Settings, around: agent.Surroundings) -> configuration.Identity:
    if isinstance(served, configuration.Identity):
        return served
    limits = client.Limits(options.requests_max, options.request_timeout)
    try:
        return await enrolling.Enrolment(served, limits=limits, around=around).identity()
    except errors.SetupError as error:
        raise errors.NotLetIn(str(error)) from error


def _name(served: Served) -> str:
    return served.credentials.name if isinstance(served, configuration.Identity) else f"at {served.hub_url}"
