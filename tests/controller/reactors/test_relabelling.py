"""Clusters whose labels change and change back, from a real repository: each gets exactly what a hub that knew nothing
would give it, and what it should not have any more goes by name or waits for a person."""

import pathlib
import random
from collections.abc import AsyncIterator

import pytest

from controller import repositories
from controller.domain import clusters, debts, inputs, placements
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool
from protocol import bundles, ids, messages, sealing, specs
from protocol.canonical import Digest
from tests.controller import repositories as origins
from tests.controller.reactors import rig

STEPS = 8
ENVIRONMENTS = ("dev", "prod", "test", "")

TARGETS = """targets:
- {matchLabels: {env: dev}, overlays: [dev]}
- {matchLabels: {env: prod}, overlays: [prod]}
- {}
"""


def files(chance: random.Random) -> dict[str, str]:
    """A commit: one bundle that differs, one that asks for a label, and one that only some clusters get."""
    found = {
        "web/flotilla.yaml": TARGETS,
        "web/a.yaml": origins.config_map("a", chance.choice(["one", "two"])),
        "web/overlays/dev/d.yaml": origins.config_map("d"),
        "web/overlays/prod/a_patch.yaml": "data: {key: three}\n",
        "web/overlays/prod/p.yaml": origins.config_map("p"),
        "asks/a.yaml": origins.config_map("asks", "'${cluster.labels.env:-none}'"),
        "some/flotilla.yaml": f"targets: [{{matchLabels: {{env: {chance.choice(['dev', 'prod'])}}}}}]\n",
    }
    found |= {f"some/{name}.yaml": origins.config_map(f"some-{name}") for name in "abcd"}
    return found


class Relabelled:
    """A hub that polls one repository, and two clusters that answer."""

    def __init__(self, hub: rig.Hub, origin: origins.Origin, opener: polling.Open) -> None:
        self.hub = hub
        self.origin = origin
        self._opener = opener
        self._polling = polling.Polling(hub.shared, opener, chance=random.Random(1))
        self.agents: list[rig.Agent] = []

    async def settle(self) -> None:
        """Poll until every cluster is rendered for, and let all of it reach the agents."""
        source = self.hub.world.sources[ids.SourceName("shop")]
        await self._polling.poll(source.name, source.spec, self._opener(source.name, source.spec))
        await self.hub.settle(*self.agents)

    async def label(self, agent: rig.Agent, env: str) -> None:
        labels, by = {"env": env} if env else {}, specs.ManagedBy.COMMAND
        await self.hub.run(lambda world: clusters.label(world.clusters[agent.cluster], labels, by=by))

    async def has(self, agent: rig.Agent) -> dict[str, Digest]:
        """The bundles that the cluster was given, by their paths."""
        return {one.bundle.partition("/")[2]: one.index for one in (await agent.root()).bundles}

    async def holds(self, agent: rig.Agent) -> frozenset[ids.ObjectId]:
        """All objects that the cluster was given."""
        stored = self.hub.streams.blobs.stored
        digests = [one.index for one in (await agent.root()).bundles]
        data = [(one, bundles.INDEX_TAG, stored[sealing.blob_name(one)]) for one in digests]
        indexes = [messages.INDEX.decode(sealing.open_blob(*one)) for one in data]
        return frozenset(item.object for index in indexes for item in index.objects)

    async def expected(self, agent: rig.Agent) -> dict[str, Digest]:
        """What a hub that knew nothing of this repository would give it."""
        source = self.hub.world.sources[ids.SourceName("shop")]
        assert source.revision is not None
        facts = self.facts(agent)
        request = polling.Request(source.revision, source.spec.paths, previous=None, fleet=(facts,), covered=False)
        resolved = await self._opener(source.name, source.spec).resolve(request)
        placed = [(entry.path, placements.place(entry, facts)) for entry in resolved.catalog.entries]
        return {path: one.index for path, one in placed if one is not None}

    def facts(self, agent: rig.Agent) -> inputs.Facts:
        return placements.facts(self.hub.world.clusters[agent.cluster], self.hub.world.fleet.groups)

    def owed(self, agent: rig.Agent) -> list[debts.Debt]:
        return [one for one in self.hub.world.ledger.debts.values() if one.cluster == agent.cluster]


@pytest.fixture
async def relabelled(tmp_path: pathlib.Path, workers: pool.Pool) -> AsyncIterator[Relabelled]:
    store = mirrors.Mirrors(tmp_path / "mirrors", environ={})
    origin = origins.Origin(tmp_path / "origin.git")
    hub = await rig.started(rig.Streams())
    found = Relabelled(hub, origin, repositories.opener(store, workers))
    for name in ("one", "two"):
        found.agents.append(rig.Agent(hub, await hub.add_cluster(name, env="dev")))
    await hub.declare(url=origin.url, paths=("*",))
    yield found
    await store.close()


@pytest.mark.parametrize("seed", range(6))
async def test_labels_that_go_back_and_forth_give_exactly_what_they_say(relabelled: Relabelled, seed: int) -> None:
    chance = random.Random(seed)
    relabelled.origin.commit(files(chance))
    await relabelled.settle()
    had = {agent.cluster: await relabelled.holds(agent) for agent in relabelled.agents}
    for _ in range(STEPS):
        if chance.random() < 0.3:
            relabelled.origin.commit(files(chance))
        for agent in chance.sample(relabelled.agents, chance.choice([1, 2])):
            await relabelled.label(agent, chance.choice(ENVIRONMENTS))
        await relabelled.settle()
        for agent in relabelled.agents:
            assert await relabelled.has(agent) == await relabelled.expected(agent)
            had[agent.cluster] = await check_losses(relabelled, agent, had[agent.cluster], chance)


async def check_losses(
    relabelled: Relabelled, agent: rig.Agent, had: frozenset[ids.ObjectId], chance: random.Random
) -> frozenset[ids.ObjectId]:
    """What the cluster had and should not have is owed, and nothing that it should have is; only what need not wait for
    a person is named. Sometimes the cluster then loses that. What it has then."""
    ledger, holds = relabelled.hub.world.ledger, await relabelled.holds(agent)
    owed = relabelled.owed(agent)
    assert {one.object for one in owed} == had - holds
    named = {one.debt: one.object for one in await agent.deletions()}
    assert named == {one.id: one.object for one in owed if debts.may_go(ledger, one)}
    whole = {one.object for one in owed if one.bundle == "shop/some" and "some" not in await relabelled.has(agent)}
    assert not whole & set(named.values()), "a bundle that leaves whole waits for a person"
    if named and chance.random() < 0.5:
        await agent.confirm()
        await relabelled.hub.settle(*relabelled.agents)
        return holds | (had - set(named.values()))
    return holds | had
