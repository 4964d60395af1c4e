"""A hub's reactors on streams in memory, and agents that answer what was published for them.

What outlives a hub stands in `Streams`: a second hub on the same streams is another process, or the same one after a
restart. The clock stands still until it is moved.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from controller import library, runtime, transact
from controller.domain import catalogs, clusters, fleet, sources
from controller.domain.world import World
from controller.reactors import listening, publishing, rolling
from controller.store import memory
from protocol import bundles, canonical, desired, ids, messages, reports, sealing, signing, specs, status
from protocol.events import log
from protocol.events import sources as source_events
from tests.fixtures import hub as hubs
from tests.fixtures import streams

BY = "test"
SIGNER = signing.Signer(bytes(32))
Content = Mapping[str, Sequence[str]]
"""ConfigMaps by bundle."""


class Streams:
    """The log, the desired states, the blobs, the reports, and the time."""

    def __init__(self) -> None:
        self.now = hubs.START
        self.log = memory.MemoryStore()
        self.desired = streams.Desired()
        self.blobs = streams.Blobs(self.clock)
        self.reports = streams.Reports()
        self._ids = 0

    def clock(self) -> datetime.datetime:
        return self.now

    def later(self, seconds: float) -> None:
        """Move the clock."""
        self.now += datetime.timedelta(seconds=seconds)

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    async def events(self) -> list[log.Event]:
        """All events of the log."""
        return [log.RECORD.decode(stored.body).event async for stored in self.log.read(0)]


class Hub:
    """The reactors of one process."""

    def __init__(
        self, of: Streams, *, boundary: Callable[[str], None] = lambda _name: None, blobs: library.Blobs | None = None
    ) -> None:
        """`blobs`: as this hub stores them."""
        self.streams = of
        self.shelves = library.Library(blobs or of.blobs)
        transactor = transact.Transactor(of.log, clock=of.clock, new_id=of.new_id)
        timing = runtime.Timing(silence_s=30.0, look_again_s=0.01)
        self.shared = runtime.Runtime(transactor, self.shelves, clock=of.clock, timing=timing)
        self.publishing = publishing.Publishing(self.shared, of.desired, SIGNER, new_id=of.new_id, boundary=boundary)
        self.rolling = rolling.Rolling(self.shared, self.publishing)
        self.listening = listening.Listening(self.shared, of.desired)

    @property
    def world(self) -> World:
        return self.shared.world

    async def start(self) -> None:
        """Fold the log and learn what is published, as a process does before its reactors run."""
        await self.shared.transactor.catch_up()
        await self.run(lambda world: fleet.initialize(world.fleet, SIGNER.public_key))
        await self.publishing.load()

    async def run(self, decide: Callable[[World], Sequence[log.Event]]) -> int:
        """Decide and append; how many events."""
        return len(await self.shared.transactor.run(decide, by=BY))

    async def add_cluster(self, name: str, **labels: str) -> ids.ClusterId:
        """A cluster whose agent has said hello."""
        cluster = hubs.account(len(self.world.clusters) + 1)
        added = clusters.Cluster(id=cluster, name=name, labels=labels, managed_by=specs.ManagedBy.COMMAND)
        await self.run(lambda world: clusters.add(world.clusters, added))
        await self.hear(reports.Hello(
            origin=Agent(self, cluster).origin(), cluster_uid=f"uid-{name}", agent_version="1", kubernetes_version="1",
            root=canonical.NO_DIGEST, inventory=0,
        ))  # fmt: skip
        return cluster

    async def declare(self, name: str = "shop", **changes: Any) -> ids.SourceName:
        """A source for all clusters."""
        fields = {"url": f"https://git.example/{name}.git", "all_clusters": True} | changes
        spec = specs.SourceSpec(**fields)
        by = specs.ManagedBy.COMMAND
        await self.run(lambda world: sources.declare(world.sources.get(ids.SourceName(name)), name, spec, by=by))
        return ids.SourceName(name)

    async def resolve(
        self,
        content: Content,
        source: str = "shop",
        *,
        broken: Sequence[str] = (),
        wishes: Mapping[str, catalogs.Rollout] = {},
        renderer: str = "test",
    ) -> str:
        """Let a commit of the source say this, with wishes of bundles by their paths; the commit. Another renderer
        makes another catalog of it."""
        name = ids.SourceName(source)
        entries = tuple([await self._entry(name, path, names, path in broken) for path, names in content.items()])
        entries = tuple(msgspec.structs.replace(entry, rollout=wishes.get(entry.path)) for entry in entries)
        commit = canonical.digest("commit", repr((sorted(content.items()), broken, wishes)).encode())[:40]
        revision = source_events.Revision(ref="main", commit=commit, tree="7d" * 20)
        catalog = catalogs.Catalog(source=name, revision=revision, renderer=renderer, entries=entries)
        digest = await self.shared.library.store(bundles.CATALOG_TAG, catalogs.CATALOG.encode(catalog))
        event = source_events.RevisionResolved(
            name=name, revision=revision, catalog=digest, previous=self.world.sources[name].catalog, renderer=renderer,
            bundles=len(entries), objects=sum(catalogs.objects(entry) for entry in entries),
        )  # fmt: skip
        await self.run(lambda world: sources.resolved(world.sources[name], event))
        return commit

    async def _entry(self, source: ids.SourceName, path: str, names: Sequence[str], broken: bool) -> catalogs.Entry:
        bundle = ids.bundle_id(source, path)
        objects = tuple(
            bundles.IndexEntry(object=config_map(name), manifest=canonical.digest("m", name.encode()))
            for name in sorted(names)
        )
        index = bundles.BundleIndex(bundle=bundle, options=bundles.BundleOptions(), objects=objects)
        digest = await self.shared.library.store(bundles.INDEX_TAG, canonical.encode(index))
        problem = (source_events.Problem(path="x.yaml", reason="not YAML"),) if broken else ()
        return catalogs.Entry(
            bundle=bundle,
            path=path,
            tree="1a" * 20,
            variants=(catalogs.Variant(index=digest, objects=len(objects)),),
            errors=problem,
        )

    async def hear(self, report: reports.Report, *, live: bool = True) -> None:
        """Let an agent's report be stored and folded."""
        stored = self.streams.reports.say(
            report.origin.cluster, reports.KINDS[type(report)], messages.REPORT.encode(report)
        )
        await self.listening.take_report(stored, live=live)

    async def settle(self, *agents: "Agent") -> None:
        """Let everything run until nothing changes any more: roll out, publish, and let the agents answer."""
        while True:
            before = self.world.log_head
            await self.rolling.drive_all()
            published = await self.publishing.publish_all()
            answered = [await agent.answer() for agent in agents]
            if self.world.log_head == before and not published and not any(answered):
                return


class Agent:
    """Says to a hub what a cluster's agent would, from what lies on the cluster's subject."""

    def __init__(self, hub: Hub, cluster: ids.ClusterId, *, health: status.Health = status.Health.HEALTHY) -> None:
        self._hub = hub
        self.cluster = cluster
        self.health = health
        self._answered = ""

    async def state(self) -> desired.DesiredState | None:
        """The newest desired state, its signature verified."""
        stored = await self._hub.streams.desired.last(self.cluster)
        if stored is None:
            return None
        signed = messages.SIGNED.decode(stored.body)
        signing.verify(signed, trusted=frozenset({SIGNER.public_key}))
        return messages.STATE.decode(signed.payload)

    async def deletions(self) -> tuple[desired.Deletion, ...]:
        """What the newest desired state names for deletion."""
        stored = await self._hub.streams.desired.last(self.cluster)
        assert stored is not None, "nothing was published"
        return messages.DELETIONS.decode(messages.SIGNED.decode(stored.body).deletions).items

    async def root(self) -> bundles.ClusterRoot:
        """What the newest desired state holds."""
        state = await self.state()
        assert state is not None, "nothing was published"
        data = self._hub.streams.blobs.stored[sealing.blob_name(state.root)]
        return messages.ROOT.decode(sealing.open_blob(state.root, bundles.ROOT_TAG, data))

    def origin(self, state: desired.DesiredState | None = None) -> reports.Origin:
        """Of its next report, resting on this state or on none."""
        return reports.Origin(
            cluster=self.cluster,
            boot=1,
            number=self._hub.shared.seen(self.cluster).newest[1] + 1,
            at=self._hub.streams.now,
            epoch=state.epoch if state is not None else 0,
            generation=state.generation if state is not None else 0,
            log_head=state.log_head if state is not None else desired.GENESIS,
        )

    async def beat(self) -> None:
        """Say that it is there, and what it holds."""
        state = await self.state()
        root = state.root if state is not None else canonical.NO_DIGEST
        body = messages.BEAT.encode(reports.Beat(origin=self.origin(state), root=root))
        await self._hub.listening.take_beat(self.cluster, body)

    async def answer(self) -> bool:
        """Work the newest state through and report it, once."""
        state = await self.state()
        if state is None or self._answered == (said := f"{state.epoch}.{state.generation}.{self.health}"):
            return False
        self._answered = said
        root = await self.root()
        await self._hub.hear(
            reports.Applied(
                origin=self.origin(state),
                root=state.root,
                bundles=tuple(
                    reports.BundleStatus(
                        bundle=entry.bundle, index=entry.index, sync=status.Sync.SYNCED, health=self.health, objects=1
                    )
                    for entry in root.bundles
                ),
                inventory=len(root.bundles),
            )
        )
        return True

    async def confirm(self, *, outcome: reports.Outcome = reports.Outcome.GONE) -> reports.Deleted:
        """Report that all that is named is settled; the report."""
        report = reports.Deleted(
            origin=self.origin(await self.state()),
            confirmations=tuple(
                reports.Confirmation(debt=one.debt, object=one.object, outcome=outcome)
                for one in await self.deletions()
            ),
        )
        await self._hub.hear(report)
        return report


def config_map(name: str) -> ids.ObjectId:
    """An object that nobody misses."""
    return ids.ObjectId(group="", kind="ConfigMap", namespace="web", name=name)


async def started(
    of: Streams, *, boundary: Callable[[str], None] = lambda _name: None, blobs: library.Blobs | None = None
) -> Hub:
    """A hub on these streams."""
    hub = Hub(of, boundary=boundary, blobs=blobs)
    await hub.start()
    return hub
