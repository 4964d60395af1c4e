"""What renders differently for each cluster, from a commit to real API servers: one variant that breaks keeps its last
content and lets the others go on, a value of one cluster changes that cluster alone, and dependsOn orders what a chart
and a kustomization give."""

import os

import pytest

from controller.domain import clusters
from controller.domain.views import bundles, sources
from controller.render import programs
from protocol import specs
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.kube, pytest.mark.timeout(900)]

WEB = "fleet/apps/web"
BROKEN = "replicas: [1\n"
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


@pytest.fixture
def sites(control_planes: ControlPlanes) -> list[Site]:
    """Two real clusters; started before the hub, for their start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(2)]


@pytest.fixture
def with_renderers(
    helm_program: programs.Program, kustomize_program: programs.Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub that is started next finds helm and kustomize."""
    path = os.pathsep.join((str(kustomize_program.path.parent), str(helm_program.path.parent), os.environ["PATH"]))
    monkeypatch.setenv("PATH", path)


def config(name: str, **data: str) -> str:
    lines = "".join(f"  {key}: '{value}'\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{lines}"


def chart(fleet: Fleet, *, dev: str, prod: str) -> dict[str, str]:
    return {
        "apps/web/flotilla.yaml": (
            f"namespace: {fleet.namespace}\nhelm: {{valuesFiles: ['env/${{cluster.labels.env}}.yaml']}}\n"
        ),
        "apps/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "apps/web/templates/web.yaml": config("web", replicas="{{ .Values.replicas }}"),
        "apps/web/env/dev.yaml": dev,
        "apps/web/env/prod.yaml": prod,
    }


async def data(fleet: Fleet, cluster: str, name: str) -> dict[str, str]:
    """What a ConfigMap holds in a cluster; nothing, if there is none."""
    found = await fleet.sites[cluster].find(f"/api/v1/namespaces/{fleet.namespace}/configmaps/{name}")
    return dict(found["data"]) if found is not None else {}


def generations(fleet: Fleet) -> dict[str, int]:
    world, published = fleet.hub.shared.world, fleet.hub.shared.published
    return {world.clusters[cluster].name: one.generation for cluster, one in published.items()}


@pytest.mark.helm
async def test_a_variant_that_breaks_keeps_its_content_and_the_others_go_on(
    with_renderers: None, sites: list[Site], fleet: Fleet
) -> None:
    for name, site in zip(("dev", "prod"), sites, strict=True):
        await fleet.add_cluster(name, site, {"env": name})
    commit = fleet.merge(chart(fleet, dev="replicas: 1\n", prod="replicas: 3\n"))
    await fleet.declare()
    await fleet.completed(commit)
    assert [await data(fleet, name, "web") for name in ("dev", "prod")] == [{"replicas": "1"}, {"replicas": "3"}]

    commit = fleet.merge(chart(fleet, dev="replicas: 2\n", prod=BROKEN))
    await fleet.completed(commit)
    assert [await data(fleet, name, "web") for name in ("dev", "prod")] == [{"replicas": "2"}, {"replicas": "3"}]

    view = fleet.looking()
    shown = bundles.detail(view, bundles.get(view, WEB), ())
    assert len(shown.errors) == 1
    assert "apps/web/env/prod.yaml" in shown.errors[0]
    assert sources.detail(view, fleet.source()).problems == shown.errors

    commit = fleet.merge(chart(fleet, dev="replicas: 2\n", prod="replicas: 4\n"))
    await fleet.completed(commit)
    assert [await data(fleet, name, "web") for name in ("dev", "prod")] == [{"replicas": "2"}, {"replicas": "4"}]
    assert fleet.source().problem_count == 0


async def test_a_value_of_a_cluster_changes_that_cluster_alone(sites: list[Site], fleet: Fleet) -> None:
    for name, site in zip(("dev", "prod"), sites, strict=True):
        await fleet.add_cluster(name, site, {})
    files = {
        "apps/web/flotilla.yaml": f"namespace: {fleet.namespace}\n",
        "apps/web/web.yaml": config("web", colour="${vars.colour:-grey}"),
    }
    commit = fleet.merge(files)
    await fleet.declare()
    await fleet.completed(commit)
    assert [await data(fleet, name, "web") for name in ("dev", "prod")] == [{"colour": "grey"}, {"colour": "grey"}]
    before = generations(fleet)

    values, by = {"colour": "blue"}, specs.ManagedBy.COMMAND
    await fleet.run(lambda world: clusters.describe(clusters.by_name(world.clusters, "dev"), {}, values, by=by))

    async def blue() -> bool:
        return await data(fleet, "dev", "web") == {"colour": "blue"}

    await fleets.processes.until("dev is blue", blue)
    assert await data(fleet, "prod", "web") == {"colour": "grey"}
    assert generations(fleet) == {"dev": before["dev"] + 1, "prod": before["prod"]}
    metrics = fleet.hub.metrics.exposition().decode()
    assert 'flotilla_renders_total{result="whole"} 2.0' in metrics  # the commit, and again with the value


@pytest.mark.helm
@pytest.mark.kustomize
async def test_a_chart_waits_for_the_kustomization_that_it_depends_on(
    with_renderers: None, sites: list[Site], fleet: Fleet
) -> None:
    await fleet.add_cluster("dev", sites[0], {"env": "dev"})
    files = chart(fleet, dev="replicas: 1\n", prod="replicas: 1\n")
    files["apps/web/flotilla.yaml"] += "dependsOn: [{name: apps/db}]\n"
    files |= {
        "apps/db/flotilla.yaml": f"namespace: {fleet.namespace}\n",
        "apps/db/kustomization.yaml": f"{KUSTOMIZATION}resources: [db.yaml]\n",
        "apps/db/db.yaml": config("no_such_name", a="1"),
    }
    fleet.merge(files)
    await fleet.declare()

    def waits() -> bool:
        found = [one for one in bundles.every(fleet.looking()) if one.entry.bundle == WEB]
        return (
            any(
                "waits for bundle fleet/apps/db" in one.reason
                for one in bundles.on_clusters(fleet.looking(), found[0].entry)
            )
            if found
            else False
        )

    await fleet.until("the chart waits", waits)
    assert await data(fleet, "dev", "web") == {}

    await fleet.completed(fleet.merge(files | {"apps/db/db.yaml": config("db", a="1")}))
    assert [await data(fleet, "dev", name) for name in ("db", "web")] == [{"a": "1"}, {"replicas": "1"}]
