"""What Prometheus scrapes."""

import re

import aiohttp
from prometheus_client import parser

from controller.api import face
from tests.fixtures import hub as hubs


async def scraped(client: aiohttp.ClientSession) -> dict[str, float]:
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        one.name + "".join(f"{{{value}}}" for value in one.labels.values()): one.value
        for family in parser.text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_the_fleet_is_told_in_numbers(client: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    catalog = await hub.resolve("shop", "web")
    for name in ("a", "b"):
        cluster = await hub.add_cluster(name)
        hub.publish(cluster, 1, catalog)
    hub.say(cluster)
    hub.counts["polls", "ok"] += 1

    found = await scraped(client)

    assert (found["flotilla_clusters{Online}"], found["flotilla_clusters{Never}"]) == (1, 1)
    assert (found["flotilla_polls_total{ok}"], found["flotilla_stream_clients"]) == (1, 0)
    assert found["flotilla_log_events_total"] == hub.world.log_head.sequence
    assert found["flotilla_cluster_lag_generations{a}"] == 1
    names = {one.partition("{")[0] for one in found}
    assert [one for one in names if not re.fullmatch(r"flotilla_[a-z_]+", one)] == []


async def test_metrics_may_be_opened_for_everybody(stranger: aiohttp.ClientSession, hub: hubs.Hub) -> None:
    async with stranger.get("/metrics") as answer:
        closed = answer.status
    hub.measures = face.Measures(open=True, named_clusters_max=0)
    await hub.add_cluster("a")

    found = await scraped(stranger)

    assert (closed, [one for one in found if "{a}" in one]) == (401, [])
