"""Random lives of a fleet with two hubs that sweep: whatever something names can be read, whatever happened before.

Included: what a hub remembers to have stored, bundles that a commit takes from the one before unread, catalogs that are
named long after they were stored, sources that are suspended, removed and declared again, rollouts of whatever outcome,
recoveries, hubs that restart or look away for weeks, clusters that are silent meanwhile, and whoever reads what was
desired a moment ago. Not included: how a commit is rendered, and nats-server.
"""

import asyncio
import datetime
from collections.abc import Iterable

import hypothesis
from hypothesis import strategies as st

from controller.broker import blobs
from controller.domain import assignments, catalogs, fleet, sources, sweeping, world
from controller.reactors import polling
from controller.reactors import sweeping as reactor
from protocol import bundles, canonical, ids, messages, sealing, specs, status
from protocol.canonical import Digest
from protocol.events import fleet as fleet_events
from protocol.events import sources as source_events
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Streams

HOUR_S = 3600.0
KEEPING = reactor.Keeping(retention=datetime.timedelta(days=5), interval_s=HOUR_S)
SHOP = ids.SourceName("shop")
CONTENTS = {
    "a": {"apps/web": ["a", "b"], "apps/shop": ["s"]},
    "b": {"apps/web": ["a"], "apps/shop": ["s"]},
    "c": {"apps/web": ["a", "c"]},
    "d": {"apps/web": ["d"]},
}


class Shelf:
    """The blobs as one hub stores them: what it remembers to have stored is not sent again."""

    def __init__(self, of: Streams) -> None:
        self._of = of
        self._known = blobs.Known()
        self.get, self.held, self.after = of.blobs.get, of.blobs.held, of.blobs.after
        self.removed: set[Digest] = set()

    async def put(self, given: Iterable[sealing.Sealed]) -> None:
        at = self._of.now.timestamp()
        unknown = [blob for blob in given if not self._known.holds(blob.name, at)]
        await self._of.blobs.put(unknown)
        for blob in unknown:
            self._known.remember(blob.name, at)

    async def remove(self, blob: sweeping.Held) -> None:
        self._known.drop(blob.name)
        before = blob.name in self._of.blobs.stored
        await self._of.blobs.remove(blob)
        if before and blob.name not in self._of.blobs.stored:
            self.removed.add(blob.name)


class Side:
    """One hub, and what it is about to name."""

    def __init__(self, of: Streams, hub: rig.Hub, shelf: Shelf) -> None:
        self.hub = hub
        self.shelf = shelf
        self.sweeping = reactor.Sweeping(hub.shared, of.log, desired=of.desired, shelf=self.shelf, keeping=KEEPING)
        self.prepared: tuple[sources.Source, source_events.RevisionResolved, datetime.datetime] | None = None
        self.lately: set[Digest] = set()
        """Public names of all that was desired since its last sweep began."""


async def started(of: Streams) -> Side:
    """A hub that remembers nothing."""
    shelf = Shelf(of)
    return Side(of, await rig.started(of, blobs=shelf), shelf)


class Life:
    """A fleet of two clusters, two hubs, and one source."""

    def __init__(self) -> None:
        self.of = Streams()
        self.sides: list[Side] = []
        self.clusters: list[ids.ClusterId] = []
        self.silent: set[ids.ClusterId] = set()
        self.health = status.Health.HEALTHY

    async def begin(self) -> None:
        for _ in range(2):
            self.sides.append(await started(self.of))
        self.clusters = [await self.sides[0].hub.add_cluster(name) for name in ("edge", "spare")]
        await self.sides[0].hub.declare()
        await self.follow(0, "a")

    async def follow(self, which: int, content: str) -> None:
        await self.prepare(which, content)
        await self.name(which)
        await self.settle(which)

    async def prepare(self, which: int, content: str) -> None:
        """Store what a commit says; bundles that did not change are taken from the catalog before, unread."""
        side, at = self.sides[which], self.of.now
        await side.hub.shared.transactor.catch_up()
        source = side.hub.world.sources.get(SHOP)
        if source is None or source.removed:
            return
        before = await self._before(side, source)
        entries = []
        for path, names in CONTENTS[content].items():
            tree = canonical.digest("tree", repr(names).encode())[:40]
            known = before.get(path)
            entries.append(known if known is not None and known.tree == tree else await _entry(side, path, names, tree))
        revision = source_events.Revision(ref="main", commit=content * 40, tree=content * 40)
        catalog = catalogs.Catalog(source=SHOP, revision=revision, renderer="test", entries=tuple(entries))
        digest = await side.hub.shelves.store(bundles.CATALOG_TAG, catalogs.CATALOG.encode(catalog))
        event = source_events.RevisionResolved(
            name=SHOP, revision=revision, catalog=digest, previous=source.catalog, renderer="test",
            bundles=len(entries), objects=1,
        )  # fmt: skip
        side.prepared = source, event, at

    async def name(self, which: int) -> None:
        """Name what was stored, as far as polling lets it be named."""
        side = self.sides[which]
        if side.prepared is None:
            return
        source, event, began = side.prepared
        side.prepared = None

        def decide(found: world.World) -> tuple[source_events.Event, ...]:
            present = found.sources[SHOP]
            polling.check_in_time(present, source, event, waited=self.of.now - began)
            return () if present.removed else sources.resolved(present, event)

        try:
            await side.hub.run(decide)
        except polling.OvertakenError:
            return

    async def settle(self, which: int) -> None:
        """Let a hub roll out and publish, and those agents answer that are heard."""
        side = self.sides[which]
        agents = [Agent(side.hub, one, health=self.health) for one in self.clusters if one not in self.silent]
        await side.hub.shared.transactor.catch_up()
        for agent in agents:
            await agent.beat()
        await side.hub.settle(*agents)
        await self.look()

    async def look(self) -> None:
        """Somebody begins to read what is desired now."""
        wanted = await desired_names(self.of)
        for side in self.sides:
            side.lately |= wanted

    async def sweep(self, which: int) -> None:
        side = self.sides[which]
        side.shelf.removed.clear()
        begun = await desired_names(self.of)
        await side.sweeping.sweep()
        assert not side.shelf.removed & side.lately, "somebody still reads it"
        side.lately = begun
        await check(self.of)

    async def restart(self, which: int) -> None:
        lately = self.sides[which].lately
        self.sides[which] = await started(self.of)
        self.sides[which].lately = lately

    async def order(self, which: int, command: str) -> None:
        """Let a person say something."""
        hub, by = self.sides[which].hub, specs.ManagedBy.COMMAND
        await hub.shared.transactor.catch_up()
        source = hub.world.sources[SHOP]
        match command:
            case "suspend":
                await hub.run(lambda found: sources.suspend(found.sources[SHOP], "a holiday", by=by))
            case "resume":
                await hub.run(lambda found: sources.resume(found.sources[SHOP]))
            case "remove":
                await hub.run(lambda found: sources.remove(found.sources[SHOP], prune=False, by=by))
            case "declare" if source.removed:
                await hub.declare()
            case "recover":
                lost = fleet_events.RecoveryEntered(reason="ahead", cluster=self.clusters[0], epoch=9, generation=9)
                await hub.run(lambda found: fleet.enter_recovery(found.fleet, lost))
                await self.sweep(which)
                await hub.run(lambda found: fleet.recover(found.fleet, "restored"))

    async def step(self, step: tuple[str, int, str]) -> None:
        what, which, value = step
        match what:
            case "follow":
                await self.follow(which, value)
            case "prepare":
                await self.prepare(which, value)
            case "name":
                await self.name(which)
            case "settle":
                await self.settle(which)
            case "sweep":
                await self.sweep(which)
            case "restart":
                await self.restart(which)
            case "wait":
                self.of.later(float(value) * HOUR_S)
                await self.sweep(which)
                self.of.later(HOUR_S)
                await self.sweep(which)
            case "silence":
                self.silent ^= {self.clusters[which]}
            case "health":
                self.health = status.Health.DEGRADED if which else status.Health.HEALTHY
            case _:
                await self.order(which, value)
        await check(self.of)

    async def _before(self, side: Side, source: sources.Source) -> dict[str, catalogs.Entry]:
        if not source.catalog:
            return {}
        await side.hub.shelves.need_catalogs([source.catalog])
        return {one.path: one for one in side.hub.shelves.catalogs[source.catalog].entries}


async def _entry(side: Side, path: str, names: list[str], tree: str) -> catalogs.Entry:
    shelf, entries = side.hub.shelves, []
    for name in names:
        manifest = await shelf.store(bundles.MANIFEST_TAG, f"{path} {name}".encode())
        entries.append(bundles.IndexEntry(object=rig.config_map(name), manifest=manifest))
    bundle = ids.bundle_id(SHOP, path)
    index = bundles.BundleIndex(bundle=bundle, options=bundles.BundleOptions(), objects=tuple(entries))
    digest = await shelf.store(bundles.INDEX_TAG, canonical.encode(index))
    variant = catalogs.Variant(index=digest, objects=len(entries))
    return catalogs.Entry(bundle=bundle, path=path, tree=tree, variants=(variant,))


class Walk:
    """Reads all below some names, as a hub or an agent that has nothing would."""

    def __init__(self, of: Streams) -> None:
        self._of = of
        self.names: set[Digest] = set()

    def plain(self, tag: str, digest: Digest) -> bytes:
        name = sealing.blob_name(digest)
        assert name in self._of.blobs.stored, f"the {tag} {digest[:8]} is gone"
        self.names.add(name)
        return sealing.open_blob(digest, tag, self._of.blobs.stored[name])

    def root(self, digest: Digest) -> None:
        for one in messages.ROOT.decode(self.plain(bundles.ROOT_TAG, digest)).bundles:
            self.index(one.index)

    def catalog(self, digest: Digest) -> None:
        for entry in catalogs.CATALOG.decode(self.plain(bundles.CATALOG_TAG, digest)).entries:
            for variant in entry.variants:
                self.index(variant.index)

    def index(self, digest: Digest) -> None:
        for one in messages.INDEX.decode(self.plain(bundles.INDEX_TAG, digest)).objects:
            self.plain(bundles.MANIFEST_TAG, one.manifest)


async def desired_names(of: Streams) -> set[Digest]:
    """The public names of all that the desired states need."""
    walk = Walk(of)
    for stored in await of.desired.all():
        walk.root(messages.STATE.decode(messages.SIGNED.decode(stored.body).payload).root)
    return walk.names


async def check(of: Streams) -> None:
    """All that is desired, in force, or was in force within the retention can be read."""
    await desired_names(of)
    walk, then, given = Walk(of), world.World(), set[Digest]()
    async for stored in of.log.read(0):
        before = assignments.catalog_digests(then)
        record = then.take(stored.sequence, stored.subject, stored.body)
        in_force = assignments.catalog_digests(then)
        assert in_force - before <= sweeping.catalogs_named(record.event), "what comes into force is named by its event"
        if record.at < of.now - KEEPING.retention:
            given.clear()
        given |= in_force
    for digest in given:
        walk.catalog(digest)


WHICH = st.integers(0, 1)
CONTENT = st.sampled_from(sorted(CONTENTS))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("follow"), WHICH, CONTENT),
        st.tuples(st.just("prepare"), WHICH, CONTENT),
        st.tuples(st.just("name"), WHICH, st.just("")),
        # Hours: within the grace, beyond it, and beyond the retention.
        st.tuples(st.just("wait"), WHICH, st.sampled_from(["0", "13", "25", "200"])),
        st.tuples(st.sampled_from(["settle", "sweep", "restart", "silence", "health"]), WHICH, st.just("")),
        st.tuples(st.just("order"), WHICH, st.sampled_from(["suspend", "resume", "remove", "declare", "recover"])),
    ),
    max_size=20,
)
"""What happens, to or by which hub or cluster, and with what."""


COMES_BACK = [("follow", 0, "b"), ("follow", 0, "c"), ("wait", 1, "200"), ("follow", 0, "a")]
"""One hub stored it, another one deleted it."""

NAMED_LATE = [("prepare", 0, "b"), ("wait", 1, "0"), ("wait", 1, "0"), ("name", 0, ""), ("settle", 1, "")]

OVERTAKEN = [("prepare", 0, "b"), ("follow", 1, "c"), ("follow", 1, "d"), ("wait", 1, "200"), ("name", 0, "")]


@hypothesis.given(STEPS)
@hypothesis.example(COMES_BACK)
@hypothesis.example(NAMED_LATE)
@hypothesis.example(OVERTAKEN)
def test_whatever_happens_all_that_is_named_can_be_read(steps: list[tuple[str, int, str]]) -> None:
    asyncio.run(_live(steps))


async def _live(steps: list[tuple[str, int, str]]) -> None:
    life = Life()
    await life.begin()
    for step in steps:
        await life.step(step)
