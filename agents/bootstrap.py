"""The composition root: the only place that knows the clock, the randomness, the environment and all clusters at
once."""

import asyncio
import importlib.metadata
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from opentelemetry.sdk import resources as telemetry_resources
from opentelemetry.sdk import trace as telemetry_trace

from agents import agent, clock, configuration, settings, tracing
from agents.domain import retry
from protocol import crashpoints

RESTART_BASE_S = 1.0
RESTART_CEILING_S = 60.0
"""A cluster whose agent failed is taken up again; one that fails each time costs little."""


def surroundings() -> agent.Surroundings:
    """Those of production."""
    provider = telemetry_trace.TracerProvider(
        resource=telemetry_resources.Resource.create({"service.name": "flotilla-agent"})
    )
    return agent.Surroundings(
        clocks=clock.SystemClock(),
        chance=clock.system_random(),
        tracer=provider.get_tracer(tracing.SOURCE),
        boundary=crashpoints.from_environment(os.environ),
        version=importlib.metadata.version("flotilla-gitops"),
    )


def configure_logging() -> None:
    """One JSON object a line on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


async def serve(
    identities: Sequence[configuration.Identity],
    directory: Path,
    *,
    options: settings.Settings,
    around: agent.Surroundings,
) -> int:
    """Serve all clusters until SIGTERM or SIGINT; the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_supervise(identity, directory, options=options, around=around))
            for identity in identities
        ]
        await stop.wait()
        for task in running:
            task.cancel()
    return 0


async def _supervise(
    identity: configuration.Identity, directory: Path, *, options: settings.Settings, around: agent.Surroundings
) -> None:
    """Keep one cluster served. Whatever goes wrong with it is its own affair."""
    log = structlog.get_logger().bind(cluster=identity.credentials.name)
    attempt = 0
    while True:
        begun = around.clocks.monotonic()
        try:
            await agent.Agent(identity, directory, options=options, around=around).run()
        except Exception:  # a bug in serving one cluster must not stop the others; it is logged whole
            log.exception("agent failed")
        if around.clocks.monotonic() - begun > RESTART_CEILING_S:
            attempt = 0
        delay = retry.backoff(
            attempt, base_s=RESTART_BASE_S, ceiling_s=RESTART_CEILING_S, chance=around.chance.random()
        )
        attempt += 1
        await asyncio.sleep(delay)
