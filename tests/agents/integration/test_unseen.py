"""Drift that nobody saw come: while the agent was down, between two looks, in fields that are not ours any more.

On the sandbox and on a real API server. No resync comes by itself here.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.domain import fights
from protocol import reports
from protocol.bundles import IgnoreRule
from protocol.drifts import Kind, Means
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.integration.telling import corrected, delete, detected, drifted, insist, path_of
from tests.agents.publisher import Publisher, bundle, config_map

pytestmark = pytest.mark.nats


@pytest.mark.parametrize("back", [False, True], ids=["changed", "changed back"])
async def test_what_drifted_while_the_agent_was_away_is_told_before_it_is_put_right(
    place: Place, station: Station, hub_of_test: Publisher, *, back: bool
) -> None:
    """With field, actor and time; also what somebody changed back, which leaves the field somebody else's."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1", b="1")))
        await hub_of_test.applied()
    boot, heard = hub_of_test.heard[-1].origin.boot, len(hub_of_test.heard)
    await place.foreign.merge(path, {"data": {"a": "2"}})
    if back:
        await place.foreign.merge(path, {"data": {"a": "1"}})
    async with station.running():
        found = await detected(hub_of_test, "settings", after=heard)
        ended = await corrected(hub_of_test, "settings", after=heard)
        whole = await hub_of_test.hear(reports.DriftDetected, lambda report: report.all and report.origin.boot > boot)
        assert (await place.find(path) or {})["data"] == {"a": "1", "b": "1"}

        heard = len(hub_of_test.heard)
        await place.foreign.merge(path, {"data": {"a": "3"}})
        assert (await detected(hub_of_test, "settings", after=heard)).fields[0].actual == '"3"'

    (field,) = found.fields
    assert (field.field, field.expected, field.actual) == (".data.a", '"1"', '"1"' if back else '"2"')
    assert (field.manager, field.operation, field.passed) == ("somebody", "Update", back)
    assert field.time is not None
    assert (ended.drift, ended.means) == (found, Means.REVERTED)
    assert (whole.drifts, whole.origin.number > 1) == ((), True)


async def test_an_object_that_was_deleted_while_the_agent_was_away_is_told(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
        await hub_of_test.applied()
    heard = len(hub_of_test.heard)
    await delete(place, path)
    async with station.running():
        found = await detected(hub_of_test, "settings", after=heard)
        ended = await corrected(hub_of_test, "settings", after=heard)

    assert (found.kind, ended.means) == (Kind.GONE, Means.REVERTED)


async def test_a_start_without_drift_asks_for_no_dry_run_and_tells_none(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
            await hub_of_test.applied()
        boot = hub_of_test.heard[-1].origin.boot
        proxy.requests.clear()
        async with station.running():
            await hub_of_test.hear(reports.DriftDetected, lambda report: report.all and report.origin.boot > boot)

    assert proxy.count("PATCH", "/configmaps/settings") == 1, "the apply"
    assert drifted(hub_of_test) == set()


async def test_with_alert_every_further_change_is_told(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Of the same field, though it is not ours any more, and of another one."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1", b="1"), drift="alert"))
        await hub_of_test.applied()
        for changes in ({"a": "2"}, {"a": "3"}, {"a": "4", "b": "4"}, {"a": "4", "b": None}):
            heard = len(hub_of_test.heard)
            await place.foreign.merge(path, {"data": changes})
            found = await detected(hub_of_test, "settings", after=heard)
            told = {one.field: one.actual for one in found.fields}
            assert told == {f".data.{name}": f'"{value}"' if value else "" for name, value in changes.items()}

        heard = len(hub_of_test.heard)
        await place.foreign.merge(path, {"data": {"a": "1", "b": "1"}})
        assert (await corrected(hub_of_test, "settings", after=heard)).means is Means.GONE


async def test_with_alert_what_came_and_went_between_two_looks_is_told(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    """And what becomes of the field then, though it is not ours any more."""
    path = path_of(place, "settings")
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1"), drift="alert"))
            await hub_of_test.applied()
            blind = proxy.strike("GET", "/namespaces/kube-system", status=503)
            await place.foreign.merge(path, {"data": {"a": "2"}})
            await place.patience(lambda: blind.struck > 0)
            await place.foreign.merge(path, {"data": {"a": "1"}})
            proxy.faults.clear()
            ended = await corrected(hub_of_test, "settings")
            heard = len(hub_of_test.heard)
            await place.foreign.merge(path, {"data": {"a": "3"}})
            found = await detected(hub_of_test, "settings", after=heard)

    (passed,), (field,) = ended.drift.fields, found.fields
    assert (passed.field, passed.passed, passed.manager, ended.means) == (".data.a", True, "somebody", Means.GONE)
    assert (field.actual, field.passed) == ('"3"', False)


@pytest.mark.parametrize(
    ("options", "means", "left"),
    [
        ({"drift": "alert", "ignore": (IgnoreRule(pointers=("/data/a",)),)}, Means.IGNORED, "2"),
        ({"drift": "off"}, Means.IGNORED, "2"),
        ({"drift": "revert"}, Means.REVERTED, "1"),
    ],
    ids=["ignored", "off", "revert"],
)
async def test_what_a_bundle_says_of_its_drift_counts_at_once(
    place: Place, station: Station, hub_of_test: Publisher, options: dict[str, Any], means: Means, left: str
) -> None:
    """Though the content is what it was, and no resync comes."""
    path, content = path_of(place, "settings"), config_map("settings", place.namespace, a="1")
    async with station.running():
        await hub_of_test.publish(bundle("web", content, drift="alert"))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await detected(hub_of_test, "settings")
        await hub_of_test.publish(bundle("web", content, **options))
        ended = await corrected(hub_of_test, "settings")
        applied = await hub_of_test.applied()

    assert (ended.means, applied.bundles[0].drifted) == (means, 0)
    assert (await place.find(path) or {})["data"] == {"a": left}


async def test_what_a_bundle_ignored_until_now_is_told_and_put_right(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path, content = path_of(place, "settings"), config_map("settings", place.namespace, a="1")
    async with station.running():
        await hub_of_test.publish(bundle("web", content, ignore=(IgnoreRule(pointers=("/data/a",)),)))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await hub_of_test.publish(bundle("web", content))
        found = await detected(hub_of_test, "settings")
        ended = await corrected(hub_of_test, "settings")

    assert (found.fields[0].actual, found.fields[0].manager, ended.means) == ('"2"', "somebody", Means.REVERTED)
    assert (await place.find(path) or {})["data"] == {"a": "1"}


@pytest.mark.parametrize("restart", [False, True], ids=["seen", "after a start"])
async def test_drift_is_told_before_it_is_put_right_though_the_first_look_fails(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path, *, restart: bool
) -> None:
    path = path_of(place, "settings")
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
            await hub_of_test.applied()
            if not restart:
                failing = proxy.strike("PATCH", "/configmaps/settings", query="dryRun", status=503, times=1)
                await place.foreign.merge(path, {"data": {"a": "2"}})
                await corrected(hub_of_test, "settings")
        if restart:
            failing = proxy.strike("PATCH", "/configmaps/settings", query="dryRun", status=503, times=1)
            await place.foreign.merge(path, {"data": {"a": "2"}})
            async with station.running():
                await corrected(hub_of_test, "settings")
        found = await detected(hub_of_test, "settings")

    assert failing.struck == 1
    assert (found.fields[0].actual, found.fields[0].manager) == ('"2"', "somebody")
    assert (await place.find(path) or {})["data"] == {"a": "1"}


async def test_where_the_look_goes_on_failing_drift_is_put_right_untold(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    """That the cluster is as Git says comes before what is told of it."""
    path = path_of(place, "settings")
    async with faults.proxied(place.access, tmp_path) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        async with station.running():
            await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
            await hub_of_test.applied()
            proxy.strike("PATCH", "/configmaps/settings", query="dryRun", status=503)
            await place.foreign.merge(path, {"data": {"a": "2"}})
            await place.until(path, lambda live: live["data"]["a"] == "1")


async def test_of_a_field_that_was_taken_away_whoever_wrote_last_is_named(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1", b="1")))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": None, "extra": "1"}})
        found = await detected(hub_of_test, "settings")

    (field,) = found.fields
    assert (field.field, field.actual, field.manager, field.last_writer) == (".data.a", "", "", "somebody")
    assert field.last_written is not None


async def test_a_fight_is_over_once_nobody_undoes_a_revert(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """On a real clock, with shorter times: the other controller is stopped, and what it did is put right for good."""
    path = path_of(place, "settings")
    station.bounds = fights.Bounds(window_s=5, pause_base_s=0.1, pause_ceiling_s=0.5)

    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1")))
        await hub_of_test.applied()
        async with asyncio.TaskGroup() as tasks:
            controller = tasks.create_task(insist(place, path))
            await hub_of_test.hear(reports.DriftDetected, lambda report: any(
                found.fighting and found.fighting.count > 4 for found in report.drifts
            ))  # fmt: skip
            controller.cancel()
        heard = len(hub_of_test.heard)
        ended = await corrected(hub_of_test, "settings", after=heard)
        await hub_of_test.hear(reports.Applied, lambda report: not is_drifted(report), after=heard)
        assert (await place.find(path) or {})["data"] == {"a": "1"}

    assert ended.means is Means.REVERTED
    assert ended.drift.fighting is not None


def is_drifted(report: reports.Applied) -> bool:
    return any(item.drifted for item in report.bundles)
