"""`dependsOn` from a commit to the clusters: who waits, who goes on, and what a person sees of it."""

import json

import pytest

from controller.domain import rollout_state
from controller.domain.views import bundles, sight
from protocol import ids
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

WEB = "fleet/apps/web"


def config(name: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


def files(fleet: Fleet, database: str) -> dict[str, str]:
    namespace = f"defaultNamespace: {fleet.namespace}\n"
    return {
        "apps/db/flotilla.yaml": namespace,
        "apps/db/db.json": database,
        "apps/web/flotilla.yaml": f"{namespace}dependsOn: [{{name: apps/db}}]\n",
        "apps/web/web.json": config("web"),
    }


def looking(fleet: Fleet) -> sight.Sight:
    """The hub as its views see it."""
    shared = fleet.hub.shared
    facts = sight.Facts(
        observed=shared.observed,
        published=shared.published,
        catalogs=shared.library.catalogs,
        roots=shared.library.roots,
        silence=fleet.hub.shared.clock() - fleet.hub.shared.started_at,
    )
    return sight.Sight(shared.world, facts, shared.clock())


def seen(fleet: Fleet) -> bundles.Detail | None:
    """The waiting bundle as `flotilla bundle show` tells it; None as long as no commit has it."""
    view = looking(fleet)
    found = [one for one in bundles.every(view) if one.entry.bundle == WEB]
    return bundles.detail(view, found[0], ()) if found else None


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(1)]


async def test_a_need_that_cannot_be_met_stops_at_the_first_cluster(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """It changes no manifest, and goes its way through the stages all the same."""
    for name in ("a", "b", "c"):
        await fleet.add_cluster(name, fleet_sandbox.pop(), {})
    said = files(fleet, config("db"))
    said["apps/db/flotilla.yaml"] += "targets: [{names: [c]}]\n"
    commit = fleet.merge(said | {"apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n"})
    await fleet.declare()
    await fleet.completed(commit)

    fleet.merge(said)

    def halted() -> rollout_state.Rollout | None:
        current = fleet.rollout()
        return current if current is not None and current.phase is rollout_state.Phase.HALTED else None

    await fleet.until("the rollout halts", lambda: halted() is not None)
    stopped = halted()
    assert stopped is not None
    failed = {fleet.hub.shared.world.clusters[one].name: reason for one, reason in stopped.failed.items()}
    assert list(failed) == ["a"]
    assert "is not placed on this cluster" in failed["a"]
    assert needing(fleet) == {"a"}

    await fleet.completed(fleet.merge(files(fleet, config("db"))))
    assert needing(fleet) == {"a", "b", "c"}


def needing(fleet: Fleet) -> set[str]:
    """The clusters that were told what the web needs."""
    view = looking(fleet)
    roots = {one.name: view.root(one.id) for one in view.clusters}
    return {
        name
        for name, root in roots.items()
        if root is not None and any(entry.bundle == WEB and entry.depends_on for entry in root.bundles)
    }


@pytest.mark.kube
async def test_a_real_api_server_gets_bundles_in_their_order(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites[0])


async def test_a_sandbox_cluster_gets_bundles_in_their_order(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, fleet_sandbox.pop())


async def _story(fleet: Fleet, site: Site) -> None:
    """The database cannot be applied: the web waits, under way and not failed. The next commit repairs it: both go on,
    and the web has been waited for by the rollout."""
    await fleet.add_cluster("edge", site, {})
    fleet.merge(files(fleet, config("no_such_name")))
    await fleet.declare()

    def waits() -> bool:
        detail = seen(fleet)
        return detail is not None and any(
            "waits for bundle fleet/apps/db to be ready" in one.reason for one in detail.clusters
        )

    await fleet.until("the web waits", waits)
    detail = seen(fleet)
    assert detail is not None
    assert [one.state for one in detail.clusters] == [bundles.State.PROGRESSING]
    path = f"/api/v1/namespaces/{fleet.namespace}/configmaps/web"
    assert await site.find(path) is None
    published = next(iter(fleet.hub.shared.published.values()))
    root = fleet.hub.shared.library.roots[published.root]
    assert {entry.bundle: [str(one.bundle) for one in entry.depends_on] for entry in root.bundles} == {
        ids.BundleId("fleet/apps/db"): [],
        ids.BundleId(WEB): ["fleet/apps/db"],
    }

    commit = fleet.merge(files(fleet, config("db")))
    await fleet.completed(commit)
    assert await site.find(path) is not None
