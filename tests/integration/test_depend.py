"""`dependsOn` from a commit to the clusters: who waits, who goes on, and what a person sees of it."""

import json

import pytest

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


def seen(fleet: Fleet) -> bundles.Detail | None:
    """The waiting bundle as `flotilla bundle show` tells it; None as long as no commit has it."""
    shared = fleet.hub.shared
    facts = sight.Facts(
        observed=shared.observed,
        published=shared.published,
        catalogs=shared.library.catalogs,
        roots=shared.library.roots,
        silence=fleet.hub.shared.clock() - fleet.hub.shared.started_at,
    )
    looking = sight.Sight(shared.world, facts, shared.clock())
    found = [one for one in bundles.every(looking) if one.entry.bundle == WEB]
    return bundles.detail(looking, found[0], ()) if found else None


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(1)]


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
