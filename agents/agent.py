"""The agent of one cluster: everything it is made of, and the tasks that keep it going.

hub.run ───▶ arrived, live messages          works from the first moment, with or without an API server
reporter.run, heartbeat
then, once the cluster's lease is ours and the API server has said which cluster this is:
inbox.run ─▶ acceptor.run ─▶ reconciler.run
planner.run                                  answers what a desired state would change
watcher.run ─▶ reconciler                    what became of managed objects, seen as it happens
"""

import asyncio
import functools
import random
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

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
    hooking,
    hub,
    inbox,
    inventory_store,
    keys,
    leading,
    lease_store,
    mark_store,
    measuring,
    namespaces,
    observing,
    outbox,
    parts,
    passes,
    planning,
    pruning,
    reconciler,
    renewing,
    reporter,
    scheduling,
    settings,
    surveying,
    watcher,
)
from agents.domain import fights, leases, retry
from agents.kube import access, client, discovery, reflector
from agents.kube import errors as kube_errors
from protocol import crashpoints, enrolment, plans, reports, subjects, tracing

T = TypeVar("T")

NAME_CHARS = 12
"""Of an installation's id, in the agent's name: enough to tell those of one host apart."""

LEASE_REQUESTS_MAX = 2
"""For the lease alone, so that it never waits behind what the agent applies."""


class Surroundings(msgspec.Struct, frozen=True):
    """What is given to an agent from outside, so that tests can give something else."""

    clocks: clock.Clock
    chance: random.Random
    traces: tracing.Tracing
    meter: metrics.Meter
    boundary: crashpoints.Boundary
    version: str
    host: str = "localhost"
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    bounds: fights.Bounds = fights.Bounds()


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
        self._leading: leading.Leading | None = None
        self._name = ""
        """Which of the cluster's agents this is."""
        self._reason = "starts"
        """Why nothing is served; an agent that waits for the lease knows more."""

    @property
    def is_serving(self) -> bool:
        """Is the cluster found, and worked on?"""
        return self._serving is not None

    async def run(self) -> None:
        """Serve, for ever."""
        session = access.Session(self._identity.access)
        try:
            if await self._disk.open():
                self._log.error("state on disk was damaged and is put aside")
            await self._box.open()
            installation = await self._disk.installation(self._around.new_id())
            self._name = f"{self._around.host}_{installation[:NAME_CHARS]}"
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
        """Wait for the lease, serve as long as it is ours, and again, for ever."""
        terms = terms_of(self._options)
        free = client.Client(session, client.Limits(LEASE_REQUESTS_MAX, terms.deadline_s))
        lead = leading.Leading(
            lease_store.LeaseStore(free),
            self._name,
            terms=terms,
            clocks=self._around.clocks,
            chance=self._around.chance,
        )
        while True:
            await self._insist(lambda: self._reached(session, free))
            self._leading = lead
            self._reporter.begin(await lead.acquire(self._boot))
            self._announcer.forget()
            self._reason = "reads what it left in the cluster"
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(lead.keep(), name="lease")
                    tasks.create_task(self._serve(session, lead), name="serve")
            except* errors.LeaseLost as lost:
                self._log.warning("stops to act", reason=str(lost.exceptions[0]))
            finally:
                self._serving = self._leading = None
                await lead.release()

    async def _reached(self, session: access.Session, api: client.Client) -> None:
        """Read the way to the API server anew, and try it."""
        await session.open()
        await api.get(surveying.CLUSTER_PATH)

    async def _boot(self, above: int) -> int:
        """The number under which we act next: above that of whoever acted last."""
        return await self._disk.next_boot(max(int(self._around.clocks.now().timestamp() * 1e9), above + 1))

    async def _serve(self, session: access.Session, lead: leading.Leading) -> None:
        limits = client.Limits(self._options.requests_max, self._options.request_timeout)
        serving = await self._insist(lambda: self._prepared(client.Client(session, limits, gate=lead.gate)))
        facts = serving.survey.facts
        self._log.info("cluster found", uid=facts.cluster_uid, kubernetes=facts.served.kubernetes_version)
        self._serving = serving
        if self._hub.connected:
            self._arrived()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving.inbox.run(), name="inbox")
            tasks.create_task(serving.acceptor.run(), name="acceptor")
            tasks.create_task(serving.reconciler.run(), name="reconciler")
            tasks.create_task(serving.planner.run(), name="planner")
            tasks.create_task(serving.sight.run(), name="watcher")
            tasks.create_task(serving.survey.run(lambda: self._served_anew(serving)), name="survey")

    async def _prepared(self, api: client.Client) -> "_Serving":
        """Everything that needs the API server."""
        around, options = self._around, self._options
        facts = await surveying.facts(api)
        survey = surveying.Survey(api, facts, interval_s=options.survey_interval, chance=around.chance)
        serving = self._assemble(api, survey)
        await serving.store.ensure_read()
        await serving.acceptor.restore()
        return serving

    async def _insist(self, step: Callable[[], Awaitable[T]]) -> T:
        """What a step gives, as soon as the API server lets it."""
        attempt = 0
        while True:
            try:
                return await step()
            except (kube_errors.KubeError, errors.Transient) as error:
                self._reason = str(error)
                self._log.warning("cluster not ready", reason=self._reason, attempt=attempt)
                delay = retry.backoff(
                    attempt,
                    base_s=self._options.retry_base,
                    ceiling_s=self._options.retry_ceiling,
                    chance=self._around.chance.random(),
                )
                attempt += 1
                await asyncio.sleep(delay)

    def _assemble(self, api: client.Client, survey: surveying.Survey) -> "_Serving":
        around, options, facts = self._around, self._options, survey.facts
        library = blobs.Library(self._disk, self._hub, fetches_max=options.blob_fetches_max)
        check = functools.partial(surveying.check, api, facts)
        trusted = frozenset(self._identity.credentials.trusted_keys)
        marks, store = mark_store.MarkStore(api), inventory_store.InventoryStore(api, around.boundary)
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
        kinds, spaces = discovery.Discovery(api), namespaces.Namespaces(api)
        sight = self._watcher(api)
        found = parts.Parts(
            kinds,
            store,
            marks,
            spaces,
            hooking.Hooks(
                hooking.Means(api, kinds, library, spaces, around.clocks, around.boundary, options.hook_timeout)
            ),
            applying.Applier(
                api,
                store=store,
                library=library,
                workers_max=options.requests_max,
                chance=around.chance,
                boundary=around.boundary,
            ),
            pruning.Pruner(api, kinds, store=store, boundary=around.boundary),
            observing.Observer(api),
            drifting.Looker(api, library, clocks=around.clocks, veil=keys.veil(self._identity.seed)),
            around.clocks,
            check,
            sight,
            around.bounds,
        )
        work = reconciler.Reconciler(
            accepting,
            passes.Cluster(found, established_timeout_s=options.established_timeout),
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
        sight.wake, sight.blinded = work.wake, self._see_less
        box = inbox.Inbox(self._cluster, self._hub, accepting, interval_s=options.resync, chance=around.chance)
        planner = planning.Planner(destination, api, library=library, outbox=self._reporter, clocks=around.clocks)
        return _Serving(survey, store, accepting, box, work, planner, sight)

    def _watcher(self, api: client.Client) -> watcher.Watcher:
        pace = reflector.Pace(silence_s=self._options.watch_silence, base_s=self._options.retry_base)
        return watcher.Watcher(api, around=watcher.Surroundings(pace, self._around.clocks, self._around.chance))

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

    def _see_less(self) -> None:
        """Something else cannot be watched than before."""
        if self._serving is not None:
            self._say_hello(self._serving)

    def _served_anew(self, serving: "_Serving") -> None:
        self._say_hello(serving)
        serving.reconciler.served_anew()

    def _say_hello(self, serving: "_Serving") -> None:
        facts = serving.survey.facts
        self._reporter.say(
            lambda origin: reports.Hello(
                origin=origin,
                cluster_uid=facts.cluster_uid,
                agent_version=self._around.version,
                kubernetes_version=facts.served.kubernetes_version,
                root=serving.reconciler.root,
                inventory=len(serving.store),
                api_versions=facts.served.api_versions,
                lost=self._reporter.lost,
                agent_key=self._hub.public_key,
                renews=self._identity.renewal is not None,
                unwatched=serving.sight.unwatched,
            )
        )

    async def _heartbeat(self) -> None:
        while True:
            self._measures.stands(connected=self._hub.connected, waiting=self._reporter.waiting)
            if self._hub.connected:
                try:
                    await self._beat()
                except errors.HubUnavailable as error:
                    self._log.debug("heartbeat", reason=str(error))
            await asyncio.sleep(self._options.heartbeat)

    async def _beat(self) -> None:
        if self._serving is not None:
            await self._reporter.beat(self._serving.reconciler.root, self._name)
            return
        lead = self._leading
        message = reports.Standby(
            cluster=self._cluster,
            at=self._around.clocks.now(),
            agent=self._name,
            reason=lead.reason if lead and not lead.is_valid else self._reason,
            holder=lead.holder if lead else "",
            agent_version=self._around.version,
        )
        await self._reporter.stand_by(message)


class _Serving(msgspec.Struct, frozen=True):
    """What there is once the cluster is known."""

    survey: surveying.Survey
    store: inventory_store.InventoryStore
    acceptor: acceptor.Acceptor
    inbox: inbox.Inbox
    reconciler: reconciler.Reconciler
    planner: planning.Planner
    sight: watcher.Watcher


def terms_of(options: settings.Settings) -> leases.Terms:
    """The times of the lease."""
    return leases.Terms(options.lease_duration, options.lease_deadline, options.lease_retry)
