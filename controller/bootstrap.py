"""The hub put together: every part made once, given what it needs, and run in one task group."""

import asyncio
import contextlib
import datetime
import functools
import pathlib
import random
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec
import structlog

from controller import (
    backups,
    encrypting,
    entrance,
    errors,
    exporting,
    keys,
    lag,
    library,
    locks,
    metrics,
    nats_server,
    nats_storage,
    repositories,
    runtime,
    settings,
    transact,
)
from controller.broker import connection, doors
from controller.domain import fleet, readmission
from controller.git import mirrors
from controller.reactors import (
    asking,
    expiring,
    forgetting,
    listening,
    polling,
    publishing,
    renewing,
    rolling,
    sweeping,
)
from controller.render import children, pool, stages, worker, workplaces
from protocol import crashpoints, telemetry, tracing
from protocol.events import fleet as fleet_events

logger = structlog.get_logger(__name__)

BY = "hub"
MIRRORS = "mirrors"
CHARTS = "charts"
PLACES = "rendering"


class Hub(msgspec.Struct, frozen=True):
    """A hub whose parts are made and whose log is folded; nothing runs yet."""

    settings: settings.Settings
    directory: pathlib.Path
    ring: keys.KeyRing
    doors: doors.Doors
    shared: runtime.Runtime
    mirrors: mirrors.Mirrors
    polling: polling.Polling
    rolling: rolling.Rolling
    publishing: publishing.Publishing
    listening: listening.Listening
    asking: asking.Asking
    entrance: entrance.Entrance
    renewing: renewing.Renewing
    expiring: expiring.Expiring
    sweeping: sweeping.Sweeping
    forgetting: forgetting.Forgetting
    lag: lag.Lag
    metrics: metrics.Metrics
    exporting: exporting.Exporting | None
    encryption: encrypting.Encryption
    server: nats_server.Server | None
    """The embedded one."""
    nats_url: str


def utc_now() -> datetime.datetime:
    """The hub's only clock."""
    return datetime.datetime.now(datetime.UTC)


def new_id() -> str:
    """A fresh event id."""
    return uuid.uuid4().hex


@contextlib.asynccontextmanager
async def assembled(
    chosen: settings.Settings,
    *,
    environ: Mapping[str, str],
    clock: Callable[[], datetime.datetime] = utc_now,
) -> AsyncIterator[Hub]:
    """Open everything and fold the log; raise HubError if something is missing."""
    directory = settings.state_directory(chosen)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    backups.check_finished(directory)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(locks.shared(directory))
        ring = keys.KeyRing(directory / keys.DIRECTORY)
        encryption = encrypting.of(chosen, directory, clock=clock)
        url = chosen.nats_url
        server = None
        if not url:
            server = await stack.enter_async_context(
                nats_server.running(
                    nats_server.Settings(
                        state_dir=directory, host=chosen.nats_listen, port=chosen.nats_port, tls=encryption.nats
                    ),
                    ring,
                    at=clock(),
                )
            )
            url = server.url
        opened = await stack.enter_async_context(doors.opened([url], ring, at=clock(), trust=encryption.trust(url)))
        store = mirrors.Mirrors(directory / MIRRORS, environ=environ, git=shutil.which("git"))
        stack.push_async_callback(store.close)
        late = lag.Lag(time.monotonic)
        measured = metrics.Metrics(lag_s=lambda: late.worst_s)
        opened.hub.timed = measured.asked
        exported = await stack.enter_async_context(exporting.opened(environ))
        traces = tracing.Tracing(exported.tracer("flotilla.hub"))
        watch = exporting.watch(measured, traces, clock)
        workers = await stack.enter_async_context(_workers(chosen, directory, watch))
        around = _Around(
            settings=chosen,
            directory=directory,
            ring=ring,
            doors=opened,
            mirrors=store,
            workers=workers,
            lag=late,
            metrics=measured,
            traces=traces,
            exported=exported,
            environ=environ,
            nats_url=chosen.advertise or encrypting.told(url, chosen.nats_listen if server is not None else ""),
            encryption=encryption,
            server=server,
        )
        hub = _hub(around, clock=clock, boundary=crashpoints.from_environment(environ))
        await _prepare(hub)
        yield hub


@contextlib.asynccontextmanager
async def _workers(chosen: settings.Settings, directory: pathlib.Path, watch: pool.Watch) -> AsyncIterator[pool.Pool]:
    """The processes that render, and a directory for their temporary files: a process that was killed leaves some."""
    with workplaces.room(directory / PLACES) as places, workplaces.room_in_memory() as memory:
        tools = await asyncio.to_thread(
            stages.find_tools, charts=str(directory / CHARTS), places=str(places), memory=str(memory or "")
        )
        tools = msgspec.structs.replace(
            tools,
            chart_repositories=tuple(chosen.chart_repositories.split()),
            allow_remote_bases=chosen.allow_remote_bases,
        )
        if (tools.helm or tools.kustomize) and not await asyncio.to_thread(children.cuts_network):
            logger.warning("renderers keep the network", reason="the kernel takes it from nobody (user namespaces?)")
        workers = pool.Pool(functools.partial(worker.Worker, tools), version=tools.version, places=places, watch=watch)
        with contextlib.closing(workers):
            yield workers


async def run(hub: Hub) -> None:
    """Run every reactor until one of them fails or the task is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.listening.read_reports(hub.doors.reports))
        group.create_task(hub.listening.read_beats(hub.doors.beats))
        group.create_task(hub.polling.run())
        group.create_task(hub.rolling.run())
        group.create_task(hub.publishing.run())
        group.create_task(hub.sweeping.run())
        group.create_task(hub.forgetting.run())
        group.create_task(hub.renewing.run(hub.doors.renewals))
        group.create_task(hub.expiring.run())
        group.create_task(hub.entrance.announce_all())
        group.create_task(hub.encryption.keep_fresh(hub.server))
        group.create_task(_follow(hub.shared))
        group.create_task(_lost(hub.doors.hub))
        if hub.server is not None:
            group.create_task(_kept(hub.server, hub.shared.clock))
            group.create_task(_written(hub.server))
        group.create_task(hub.lag.run())
        if hub.exporting is not None:
            group.create_task(hub.exporting.run())


class _Around(msgspec.Struct, frozen=True):
    """What the hub stands on."""

    settings: settings.Settings
    directory: pathlib.Path
    ring: keys.KeyRing
    doors: doors.Doors
    mirrors: mirrors.Mirrors
    workers: pool.Pool
    lag: lag.Lag
    metrics: metrics.Metrics
    traces: tracing.Tracing
    exported: telemetry.Telemetry
    environ: Mapping[str, str]
    encryption: encrypting.Encryption
    server: nats_server.Server | None
    nats_url: str


def _exporting(around: _Around, shared: runtime.Runtime) -> exporting.Exporting | None:
    if not around.exported.asked.metrics:
        return None
    return exporting.Exporting(
        exporting.families(around.metrics, shared, named_max=around.settings.metrics_clusters_max),
        telemetry.metric_exporter(),
        resource=around.exported.resource,
        clock=shared.clock,
        interval_s=exporting.interval_s(around.environ),
    )


def _hub(around: _Around, *, clock: Callable[[], datetime.datetime], boundary: crashpoints.Boundary) -> Hub:
    opened = around.doors
    transactor = transact.Transactor(opened.log, clock=clock, new_id=new_id, traces=around.traces, boundary=boundary)
    timing = runtime.Timing(silence_s=around.settings.silence_s)
    shelves = library.Library(opened.blobs)
    shared = runtime.Runtime(transactor, shelves, clock=clock, timing=timing, traces=around.traces)
    publisher = publishing.Publishing(shared, opened.desired, around.ring.signer, new_id=new_id, boundary=boundary)
    resolver = polling.Polling(
        shared,
        repositories.opener(around.mirrors, around.workers),
        chance=random.Random(),  # noqa: S311 - jitter
    )
    door = _entrance(around, transactor, clock)
    return Hub(
        settings=around.settings,
        directory=around.directory,
        ring=around.ring,
        doors=opened,
        shared=shared,
        mirrors=around.mirrors,
        polling=resolver,
        rolling=rolling.Rolling(shared, publisher),
        publishing=publisher,
        listening=listening.Listening(shared, opened.desired),
        asking=asking.Asking(
            shared,
            publisher,
            resolver,
            live=opened.live,
            answers=opened.reports,
            signer=around.ring.signer,
            new_id=new_id,
        ),
        entrance=door,
        renewing=renewing.Renewing(door),
        expiring=expiring.Expiring(transactor, clock=clock),
        sweeping=_sweeping(around, shared),
        forgetting=forgetting.Forgetting(shared, shelves),
        lag=around.lag,
        metrics=around.metrics,
        exporting=_exporting(around, shared),
        encryption=around.encryption,
        server=around.server,
        nats_url=around.nats_url,
    )


def _sweeping(around: _Around, shared: runtime.Runtime) -> sweeping.Sweeping:
    opened, chosen = around.doors, around.settings
    keeping = sweeping.Keeping(
        retention=datetime.timedelta(days=chosen.blob_retention_days), interval_s=chosen.blob_sweep_interval_s
    )
    made = sweeping.Sweeping(shared, opened.log, desired=opened.desired, shelf=opened.blobs, keeping=keeping)
    made.told = around.metrics.swept
    return made


def _entrance(
    around: _Around, transactor: transact.Transactor, clock: Callable[[], datetime.datetime]
) -> entrance.Entrance:
    return entrance.Entrance(
        transactor,
        around.doors.tenancy,
        around.doors.live,
        entrance.Address(
            nats_urls=(around.nats_url,),
            trusted_keys=(around.ring.signer.public_key,),
            hub_url=around.settings.public_url,
            authority=around.encryption.authority,
            pin=around.encryption.pin,
        ),
        clock=clock,
        lifetime=datetime.timedelta(seconds=around.settings.token_lifetime_s),
    )


async def _prepare(hub: Hub) -> None:
    """Fold the log, learn what is published, and notice a log that is younger than the fleet."""
    shared, run = hub.shared, hub.shared.transactor.run
    await shared.transactor.catch_up()
    was_empty = not shared.world.fleet.epoch
    await run(lambda world: fleet.initialize(world.fleet, hub.ring.signer.public_key), by=BY)
    accounts = len(hub.ring.clusters())
    if accounts:
        standing = await hub.doors.tenancy.standing(hub.ring.clusters())
        shared.accounts = readmission.Accounts(one for one in standing if readmission.is_unknown(shared.world, one.id))
        hub.entrance.heed(standing)
    if was_empty and accounts:
        event = fleet_events.RecoveryEntered(
            reason=f"the log is empty, but there are keys of {accounts} clusters", cluster="", epoch=0, generation=0
        )
        await run(lambda world: fleet.enter_recovery(world.fleet, event), by=BY)
    await hub.publishing.load()
    if shared.world.fleet.recovering:
        logger.error("hub is in recovery", reason=shared.world.fleet.recovering)


async def _follow(shared: runtime.Runtime) -> None:
    """See what another hub on the same log decides, for ever."""
    never = transact.Signal()
    while True:
        await never.wait(shared.timing.look_again_s)
        try:
            await shared.transactor.catch_up()
        except errors.Transient as error:
            logger.warning("log cannot be read", reason=str(error))


async def _lost(link: connection.Connection) -> None:
    await link.lost()


async def _kept(server: nats_server.Server, clock: Callable[[], datetime.datetime]) -> None:
    await server.keep_running(clock)


async def _written(server: nats_server.Server) -> None:
    await nats_storage.Watch(server).run()
