"""A hub in memory with two clusters that have the bundles of one source."""

import pytest

from controller.domain import catalogs, debts, derivation
from controller.domain.views import sight
from protocol import bundles, ids
from tests.controller.domain import examples
from tests.fixtures import hub as hubs


class Fleet:
    """The hub, and short ways to name what is in it."""

    def __init__(self, hub: hubs.Hub, catalog: catalogs.Catalog, members: tuple[ids.ClusterId, ...]) -> None:
        self.hub = hub
        self.catalog = catalog
        self.a, self.b = members
        self.silence = hub.silence

    @property
    def looking(self) -> sight.Sight:
        """The fleet at this instant."""
        facts = sight.Facts(
            observed=self.hub.observed,
            published=self.hub.published,
            catalogs=self.hub.catalogs,
            roots=self.hub.roots,
            silence=self.silence,
            polled=self.hub.polled,
            tried_again=self.hub.tried_again,
            strangers=self.hub.strangers,
        )
        return sight.Sight(self.hub.world, facts, self.hub.now)

    async def owe(self, *, whole: bool = False) -> debts.Debt:
        """Let cluster a owe an object; a whole bundle waits for a person."""
        one = examples.config_map("whole" if whole else "old", "shop")
        drop = derivation.Drop(
            object=one, identity=one, bundle=ids.BundleId("shop/web"), prune=bundles.Prune.OWNED, whole_bundle=whole,
            misplaced=False,
        )  # fmt: skip
        cause = debts.Cause(topic=f"shop-{one.name}", source=examples.SHOP, revision="main")
        losses = [debts.Loss(cluster=self.a, drops=(drop,), objects=100)]
        await self.hub.write(*debts.plan(self.hub.world.ledger, cause, losses, examples.AT))
        await self.hub.write(*debts.open_debts(self.hub.world.ledger, cause, losses, examples.AT))
        return list(self.hub.world.ledger.debts.values())[-1]


@pytest.fixture
async def fleet() -> Fleet:
    """Both clusters were given the source's bundles, and say that all is well."""
    hub = hubs.Hub()
    await hub.begin()
    members = (await hub.add_cluster("a", env="prod"), await hub.add_cluster("b"))
    catalog = await hub.resolve("shop", "web", "api")
    for cluster in members:
        hub.publish(cluster, 4, catalog)
        hub.say(cluster)
    return Fleet(hub, catalog, members)
