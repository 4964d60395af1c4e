"""The agent of one cluster: everything it is made of, and the tasks that keep it going.

hub.run ───▶ arrived, live messages          works from the first moment, with or without an API server
reporter.run, heartbeat
then, once the API server has said which cluster this is:
inbox.run ─▶ acceptor.run ─▶ reconciler.run
planner.run                                  answers what a desired state would change
"""

import asyncio
import functools
import random
from pathlib import Path
from typing import Any

import msgspec
import structlog
from opentelemetry import metrics

from agents import (
    acceptor,
    announcing,
    applying,
    blobs,
    clock,
    configuration,
    disk,
    drifting,
    errors,
    hub,
    inbox,
    inventory_store,
    mark_store,
    measuring,
    observing,
    outbox,
    passes,
    planning,
    pruning,
    reconciler,
    renewing,
    reporter,
    scheduling,
    settings,
)
from agents.domain import retry
from agents.kube import access, client, discovery
from agents.kube import errors as kube_errors
from protocol import crashpoints, enrolment, plans, reports, subjects, tracing
from protocol.canonical import NO_DIGEST

VERSION_PATH = "/version"
CLUSTER_PATH = "/api/v1/namespaces/kube-system"


class Surroundings(msgspec.Struct, frozen=True):
    """What is given to an agent from outside, so that tests can give something else."""

    clocks: clock.Clock
    chance: random.Random
    traces: tracing.Tracing
    meter: metrics.Meter
    boundary: crashpoints.Boundary
    version: str


class Facts(msgspec.Struct, frozen=True):
    """What the API server says about itself."""

    cluster_uid: str
    kubernetes_version: str
    api_versions: tuple[str, ...] = ()
    """What it serves beside Kubernetes' own groups."""


class Agent:
    """Serves one cluster."""

    def __init__(
        self,
        identity: configuration.Identity,
        directory: Path,
        *,
        options: settings.Settings,
        around: Surroundings,
    ) -> None:
        self._identity = identity
        self._options = options
        self._around = around
        self._cluster = identity.credentials.cluster
        self._log = structlog.get_logger().bind(cluster=identity.credentials.name)
        self._disk = disk.Disk(directory / self._cluster, cache_bytes_max=options.blob_cache_bytes)
        standing = renewing.identity_of(identity.credentials, identity.seed)
        self._hub = hub.Hub(standing, timeout_s=options.hub_timeout, chance=around.chance)
        self._box = outbox.Outbox(self._disk, outbox.Bounds(options.outbox_max, options.outbox_bytes))
        self._reporter = reporter.Reporter(
            self._cluster,
            self._hub,
            box=self._box,
            clocks=around.clocks,
            chance=around.chance,
            boundary=around.boundary,
        )
        self._reporter.relieved = self._say_anew
        self._announcer = announcing.Announcer(self._reporter)
        self._measures = measuring.Measures(around.meter, identity.credentials.name)
        self._serving: _Serving | None = None

    async def run(self) -> None:
        """Serve, for ever."""
        session = access.Session(self._identity.access)
        try:
            if await self._disk.open():
                self._log.error("state on disk was damaged and is put aside")
            await self._box.open()
            self._reporter.boot = await self._disk.next_boot(int(self._around.clocks.now().timestamp() * 1e9))
            async with asyncio.TaskGroup() as tasks:
                live = subjects.live(self._cluster)
                tasks.create_task(self._hub.run(live, receive=self._receive, arrived=self._arrived), name="hub")
                tasks.create_task(self._reporter.run(), name="reporter")
                tasks.create_task(self._heartbeat(), name="heartbeat")
                tasks.create_task(self._work(session), name="work")
                if self._identity.renewal is not None:
                    around = self._around
                    renewer = renewing.Renewer(
                        self._identity.renewal, self._hub, clocks=around.clocks, chance=around.chance
                    )
                    tasks.create_task(renewer.run(), name="renewer")
        finally:
            await session.close()
            await self._disk.close()

    async def _work(self, session: access.Session) -> None:
        serving = await self._prepared(session)
        self._serving = serving
        if self._hub.connected:
            self._arrived()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving.inbox.run(), name="inbox")
            tasks.create_task(serving.acceptor.run(), name="acceptor")
            tasks.create_task(serving.reconciler.run(), name="reconciler")
            tasks.create_task(serving.planner.run(), name="planner")

    async def _prepared(self, session: access.Session) -> "_Serving":
        """Everything that needs the API server, as soon as there is one."""
        attempt = 0
        while True:
            try:
                await session.open()
                limits = client.Limits(self._options.requests_max, self._options.request_timeout)
                api = client.Client(session, limits)
                facts = await _facts(api)
                serving = self._assemble(api, facts)
                await serving.store.ensure_read()
                await serving.acceptor.restore()
            except (kube_errors.KubeError, errors.Transient) as error:
                self._log.warning("cluster not ready", reason=str(error), attempt=attempt)
                delay = retry.backoff(
                    attempt,
                    base_s=self._options.retry_base,
                    ceiling_s=self._options.retry_ceiling,
                    chance=self._around.chance.random(),
                )
                attempt += 1
                await asyncio.sleep(delay)
            else:
                self._log.info("cluster found", uid=facts.cluster_uid, kubernetes=facts.kubernetes_version)
                return serving

    def _assemble(self, api: client.Client, facts: Facts) -> "_Serving":
        around, options = self._around, self._options
        library = blobs.Library(self._disk, self._hub, fetches_max=options.blob_fetches_max)
        marks = mark_store.MarkStore(api)
        check = functools.partial(_check, api, facts)
        trusted = frozenset(self._identity.credentials.trusted_keys)
        store = inventory_store.InventoryStore(api, around.boundary)
        destination = acceptor.Destination(self._cluster, facts.cluster_uid, trusted, check)
        accepting = acceptor.Acceptor(
            destination,
            store=self._disk,
            library=library,
            marks=marks,
            outbox=self._reporter,
            chance=around.chance,
            traces=around.traces,
            boundary=around.boundary,
        )
        kinds = discovery.Discovery(api)
        applier = applying.Applier(
            api,
            store=store,
            library=library,
            workers_max=options.requests_max,
            chance=around.chance,
            boundary=around.boundary,
        )
        pruner = pruning.Pruner(api, kinds, store=store, boundary=around.boundary)
        parts = passes.Parts(
            api,
            kinds,
            store,
            marks,
            applier,
            pruner,
            observing.Observer(api),
            drifting.Looker(api, library),
            around.clocks,
            check,
        )
        work = reconciler.Reconciler(
            accepting,
            passes.Cluster(parts, established_timeout_s=options.established_timeout),
            schedule=scheduling.Schedule(
                resync_s=options.resync,
                health_s=options.health_interval,
                base_s=options.retry_base,
                ceiling_s=options.retry_ceiling,
                chance=around.chance,
            ),
            watchers=reconciler.Watchers(self._announcer, around.traces, self._measures, self._log, facts.cluster_uid),
            clocks=around.clocks,
        )
        box = inbox.Inbox(self._cluster, self._hub, accepting, interval_s=options.resync, chance=around.chance)
        planner = planning.Planner(destination, api, library=library, outbox=self._reporter, clocks=around.clocks)
        return _Serving(facts, store, accepting, box, work, planner)

    def _receive(self, message: hub.Message) -> None:
        if enrolment.is_hint(message.data):
            self._hub.renewal.raise_()
            return
        # Before that the last value is not missed: it is asked for as soon as somebody can judge it.
        if self._serving is None:
            return
        if plans.is_request(message.data):
            self._serving.planner.receive(message)
        else:
            self._serving.inbox.receive(message)

    def _arrived(self) -> None:
        """The hub is there (again): say who we are, ask for the last state, deliver what waits."""
        self._reporter.arrived()
        if self._serving is not None:
            self._serving.inbox.arrived.raise_()
            self._say_hello(self._serving)

    def _say_anew(self) -> None:
        """Reports were lost: say everything once more, and how many they were."""
        if self._serving is not None:
            self._announcer.forget()
            self._serving.reconciler.look()
            self._say_hello(self._serving)

    def _say_hello(self, serving: "_Serving") -> None:
        self._reporter.say(
            lambda origin: reports.Hello(
                origin=origin,
                cluster_uid=serving.facts.cluster_uid,
                agent_version=self._around.version,
                kubernetes_version=serving.facts.kubernetes_version,
                root=serving.reconciler.root,
                inventory=len(serving.store),
                api_versions=serving.facts.api_versions,
                lost=self._reporter.lost,
            )
        )

    async def _heartbeat(self) -> None:
        while True:
            self._measures.stands(connected=self._hub.connected, waiting=self._reporter.waiting)
            if self._hub.connected:
                root = self._serving.reconciler.root if self._serving else NO_DIGEST
                try:
                    await self._reporter.beat(root)
                except errors.HubUnavailable as error:
                    self._log.debug("heartbeat", reason=str(error))
            await asyncio.sleep(self._options.heartbeat)


class _Serving(msgspec.Struct, frozen=True):
    """What there is once the cluster is known."""

    facts: Facts
    store: inventory_store.InventoryStore
    acceptor: acceptor.Acceptor
    inbox: inbox.Inbox
    reconciler: reconciler.Reconciler
    planner: planning.Planner


async def _check(api: client.Client, facts: Facts) -> None:
    """The address of an API server outlives its cluster; nothing may be written into the next one unasked."""
    kube_system: dict[str, Any] = await api.get(CLUSTER_PATH)
    found = kube_system["metadata"]["uid"]
    if found != facts.cluster_uid:
        raise errors.AnotherCluster(f"cluster: has UID {found} now, had {facts.cluster_uid}")


async def _facts(api: client.Client) -> Facts:
    kube_system: dict[str, Any] = await api.get(CLUSTER_PATH)
    version: dict[str, Any] = await api.get(VERSION_PATH)
    served = await discovery.api_versions(api)
    return Facts(kube_system["metadata"]["uid"], version.get("gitVersion", "unknown"), served)
