"""The full loop: a commit reaches every cluster, and what leaves Git leaves them as the rules say."""

import pytest

from controller.domain import debts
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

CLUSTERS = ("dev", "prod")


def config(name: str, value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n"


def path_of(fleet: Fleet, name: str) -> str:
    return f"/api/v1/namespaces/{fleet.namespace}/configmaps/{name}"


def first(fleet: Fleet) -> dict[str, str]:
    settings = f"defaultNamespace: {fleet.namespace}\n"
    return {
        "apps/web/flotilla.yaml": settings,
        "apps/web/settings.yaml": config("settings", "1"),
        "apps/web/banner.yaml": config("banner", "sale"),
        "apps/audit/flotilla.yaml": settings,
        "apps/audit/rules.yaml": config("rules", "strict"),
    }


async def begin(fleet: Fleet, sites: list[Site]) -> str:
    for name, site in zip(CLUSTERS, sites, strict=True):
        await fleet.add_cluster(name, site, {"env": name})
    commit = fleet.merge(first(fleet), "first")
    await fleet.declare()
    await fleet.completed(commit)
    return commit


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """Two real clusters; started before the hub, for their start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(len(CLUSTERS))]


@pytest.mark.kube
async def test_a_fleet_of_real_api_servers_follows_git(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites)


async def test_a_fleet_of_sandbox_clusters_follows_git(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])


@pytest.mark.kube
async def test_a_rejected_deletion_leaves_orphans(real_sites: list[Site], fleet: Fleet) -> None:
    await begin(fleet, real_sites)
    rules = [path_of(fleet, "rules")]
    before = await fleet.uids(rules)

    await fleet.completed(fleet.merge(_without(first(fleet), "apps/audit/")))
    held = _held(fleet)
    await fleet.run(lambda world: debts.reject(world.ledger, held.id, held.digest))

    seen = fleet.hub.shared.seen
    cluster_ids = list(fleet.hub.shared.world.clusters)
    await fleet.until("orphans", lambda: all(seen(one).orphan_total == 1 for one in cluster_ids))
    assert before == await fleet.uids(rules)


async def _story(fleet: Fleet, sites: list[Site]) -> None:
    """Converge, change, prune, hold, approve, roll back."""
    original = await begin(fleet, sites)
    names = [path_of(fleet, name) for name in ("settings", "banner", "rules")]
    settings, banner, rules = names
    before = await fleet.uids(names)
    assert all(before.values())

    changed = {**first(fleet), "apps/web/settings.yaml": config("settings", "2")}
    await fleet.completed(fleet.merge(changed, "change"))
    for site in fleet.sites.values():
        found = await site.find(settings)
        assert found is not None
        assert found["data"] == {"value": "2"}
    assert before == await fleet.uids(names)

    pruned = _without(changed, "apps/web/banner")
    await fleet.completed(fleet.merge(pruned, "prune"))
    await fleet.until("the pruning", lambda: not fleet.hub.shared.world.ledger.debts)
    assert [""] * len(sites) == list((await fleet.uids([banner])).values())

    await fleet.completed(fleet.merge(_without(pruned, "apps/audit/"), "drop a bundle"))
    held = _held(fleet)
    assert {key: before[key] for key in before if key[1] == rules} == await fleet.uids([rules])
    await fleet.run(lambda world: debts.approve(world.ledger, held.id, held.digest))
    await fleet.until("the approved deletion", lambda: not fleet.hub.shared.world.ledger.debts)
    assert [""] * len(sites) == list((await fleet.uids([rules])).values())

    fleet.repository.reset(original)
    await fleet.completed(original)
    after = await fleet.uids(names)
    assert all(after.values())
    assert {key: before[key] for key in before if key[1] == settings} == await fleet.uids([settings])


def _held(fleet: Fleet) -> debts.DeletionSet:
    (held,) = [one for one in fleet.hub.shared.world.ledger.sets.values() if one.decision is debts.Decision.HELD]
    return held


def _without(files: dict[str, str], prefix: str) -> dict[str, str]:
    return {path: text for path, text in files.items() if not path.startswith(prefix)}
