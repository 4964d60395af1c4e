"""Lists with filters, pages and tags; the two sides of a cluster, and its past."""

import datetime
from typing import Any

import aiohttp
import pytest

from controller import library
from controller.api import face
from protocol import ids, reports, status
from protocol.events import clusters as cluster_events
from protocol.events import rollouts as events
from protocol.events import sources as source_events
from tests.controller.domain.views.test_drifts import drift
from tests.fixtures import hub as hubs

API = "/api/v1"


@pytest.fixture
async def fleet(hub: hubs.Hub) -> hubs.Hub:
    """Twelve clusters with the bundles of one source; the third is ill."""
    catalog = await hub.resolve("shop", "web", "api")
    for number in range(12):
        cluster = await hub.add_cluster(f"edge-{number:02d}", env="prod" if number < 4 else "test")
        hub.publish(cluster, 4, catalog)
        hub.say(cluster, health=status.Health.DEGRADED if number == 2 else status.Health.HEALTHY)
    return hub


async def get(client: aiohttp.ClientSession, path: str, code: int = 200) -> Any:
    async with client.get(f"{API}/{path}") as answer:
        assert answer.status == code
        return await answer.json(content_type=None)


async def names(client: aiohttp.ClientSession, path: str, field: str = "name") -> list[str]:
    return [one[field] for one in (await get(client, path))["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labels=env%3Dprod&limit=2", ["edge-00", "edge-01"]),
        ("labels=env in (prod),env&health=Healthy", ["edge-00", "edge-01", "edge-03"]),
        ("health=Degraded", ["edge-02"]),
        ("text=EDGE-1", ["edge-10", "edge-11"]),
        ("bundle=shop/web&text=01", ["edge-01"]),
        ("source=other", []),
        ("connection=Offline", []),
        ("sync=OutOfSync", []),
        ("group=none", []),
    ],
)
async def test_clusters_are_filtered(
    client: aiohttp.ClientSession, fleet: hubs.Hub, query: str, expected: list[str]
) -> None:
    assert await names(client, f"clusters?{query}") == expected


@pytest.mark.parametrize(
    "query",
    ["clusters?labels=a b", "clusters?health=Fine", "sources?state=resolved", "rollouts?phase=x",
     "deletions?decision=x", "bundles?state=x", "clusters?after=%21", "clusters?after=_w"],
)  # fmt: skip
async def test_a_senseless_filter_is_refused(client: aiohttp.ClientSession, query: str) -> None:
    problem = await get(client, query, 400)

    assert problem["errors"][0]["parameter"] == query.partition("?")[2].partition("=")[0]


async def test_other_lists_are_filtered(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    await fleet.resolve("tools", "dns", url="https://git.example/tools.git")
    await fleet.write(source_events.SourceSuspended(name=hubs.ids.SourceName("tools"), reason="by command"))
    stage = events.PlannedStage(name="canary", reason="first", max_concurrency=1, clusters=(hubs.account(1),))
    await fleet.roll_out("shop", stage)

    assert await names(client, "sources?state=Suspended") == ["tools"]
    assert await names(client, "sources?text=SHOP") == ["shop"]
    assert await names(client, "bundles?source=shop", "id") == ["shop/api", "shop/web"]
    assert await names(client, "bundles?text=dns&cluster=edge-01", "id") == ["tools/dns"]
    assert await names(client, "bundles?state=Failed", "id") == ["shop/api", "shop/web"]
    assert await names(client, "rollouts?phase=running", "source") == ["shop"]
    assert await names(client, "rollouts?phase=paused", "source") == []
    assert await names(client, "deletions?decision=held&source=shop", "id") == []


async def test_the_pages_of_a_list_are_the_list(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    found: list[str] = []
    path, pages = f"{API}/clusters?limit=5&labels=env", 0
    while path:
        async with client.get(path) as answer:
            found += [one["name"] for one in (await answer.json())["items"]]
            path = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        pages += 1

    assert (found, pages) == ([f"edge-{number:02d}" for number in range(12)], 3)


async def test_what_is_not_new_is_not_sent_again(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    async def ask(tag: str) -> tuple[int, str, int]:
        async with client.get(f"{API}/clusters", headers={"If-None-Match": tag}) as answer:
            return answer.status, answer.headers["ETag"], len(await answer.read())

    first, tag, size = await ask('"other"')
    second, _, nothing = await ask(f'"a", {tag}')
    fleet.say(hubs.account(1), drifted=1)
    third, observed, _ = await ask(tag)
    await fleet.write(cluster_events.ClusterSuspended(cluster=hubs.account(1), reason="by command"))
    fourth, decided, _ = await ask(observed)
    fleet.now += datetime.timedelta(seconds=10)
    fifth, _, _ = await ask(decided)

    assert (first, second, third, fourth, fifth) == (200, 304, 200, 200, 200)
    assert (size > 1000, nothing) == (True, 0)


async def test_both_sides_of_a_cluster_are_told(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    desired = await get(client, "clusters/edge-02/desired")
    observed = await get(client, "clusters/edge-02/observed")

    assert [one["bundle"] for one in desired["bundles"]] == ["shop/api", "shop/web"]
    assert [(one["bundle"], one["health"]) for one in observed["bundles"]] == [
        ("shop/api", "Degraded"),
        ("shop/web", "Degraded"),
    ]
    assert desired["root"] == observed["root"]
    await get(client, "clusters/nobody/desired", 404)


async def test_debts_are_told_one_by_one(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    assert (await get(client, "debts?mayGo=true&cluster=edge-01"))["items"] == []
    await get(client, "debts?mayGo=perhaps", 400)


async def test_drift_is_told_of_the_fleet_and_of_a_cluster(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    cluster = hubs.account(3)
    fleet.take(reports.DriftDetected(origin=fleet.origin(cluster), drifts=(drift("settings"),)))
    found = (await get(client, "drift?manager=kubectl-edit"))["items"]
    of_cluster = await get(client, "clusters/edge-02/drift")

    assert [(one["cluster"], one["fields"][0]["manager"]) for one in found] == [("edge-02", "kubectl-edit")]
    assert (of_cluster["open"], of_cluster["ended"]) == (found, [])
    assert (await get(client, "drift?cluster=edge-01"))["items"] == []


async def test_the_past_is_told_by_place_and_by_time(client: aiohttp.ClientSession, fleet: hubs.Hub) -> None:
    head = fleet.world.log_head.sequence
    by_place = await get(client, f"clusters/edge-02/past?at={head}")
    by_time = await get(client, "clusters/edge-02/past?at=2026-11-05T13:00:00+01:00")

    assert by_place == by_time
    assert (by_place["labels"], by_place["event"], by_place["head"]) == ({"env": "prod"}, head, head)
    await get(client, "clusters/edge-02/past?at=2026-11-05T11:59:59Z", 404)
    await get(client, "clusters/edge-11/past?at=3", 404)


async def test_the_past_is_told_by_the_commit_that_a_cluster_was_given(
    client: aiohttp.ClientSession, fleet: hubs.Hub
) -> None:
    stage = events.PlannedStage(name="canary", reason="the first", max_concurrency=1, clusters=(hubs.account(3),))
    await get(client, f"clusters/edge-02/past?at={hubs.COMMIT}", 404)
    await fleet.roll_out("shop", stage)
    shop = fleet.world.sources[ids.SourceName("shop")]
    await fleet.write(
        events.ClustersAdmitted(
            source=shop.name, rollout=ids.RolloutId("shop-3f1c9a7b"), stage="canary", catalog=shop.catalog,
            clusters=stage.clusters, at=hubs.START.isoformat(), reports_sequence=1,
        ),
        by="rollouts",
    )  # fmt: skip
    given_at = fleet.world.log_head.sequence
    await fleet.add_cluster("edge-99")

    for at in (hubs.COMMIT, hubs.COMMIT[:7], str(shop.revision)):
        found = await get(client, f"clusters/edge-02/past?at={at}")
        assert (found["event"], found["given"][0]["origin"]["by"]) == (given_at, "rollouts")
    await get(client, f"clusters/edge-03/past?at={hubs.COMMIT}", 404)


async def test_a_past_that_is_not_kept_any_more_is_gone(
    client: aiohttp.ClientSession, fleet: hubs.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swept(_digests: object) -> face.Catalogs:
        raise library.MissingBlobError("catalog 3f1c…: not among the blobs")

    monkeypatch.setattr(fleet, "catalogs_named", swept)

    found = await get(client, f"clusters/edge-02/past?at={fleet.world.log_head.sequence}", 410)

    assert found["detail"].startswith("what was given then is not kept any more (catalog 3f1c…")


@pytest.mark.parametrize("at", ["", "0", "400", "yesterday", "2026-11-05T12:00:00", "9" * 5000])
async def test_a_senseless_time_is_refused(client: aiohttp.ClientSession, at: str) -> None:
    async with client.get(f"{API}/clusters/edge-02/past", params={"at": at}) as answer:
        assert answer.status in (400, 414)
