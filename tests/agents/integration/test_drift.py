"""What differs from Git and is not put right: bundles that only tell drift, or do not look, and ignored fields.

On the sandbox and on a real API server, whose field ownership decides what a missing field means.
"""

import re
from typing import Any

import pytest

from agents.domain import drift
from protocol import bundles, reports
from protocol.bundles import Drift, IgnoreRule
from protocol.reports import Forecast
from protocol.status import Health, Sync
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Bundle, Manifest, Publisher, bundle, config_map

pytestmark = pytest.mark.nats

SOON = 0.3
"""Seconds between resyncs: a test waits for some."""


def path_of(place: Place, name: str, plural: str = "configmaps", group: str = "api/v1") -> str:
    return f"/{group}/namespaces/{place.namespace}/{plural}/{name}"


def deployment(place: Place, replicas: int | None = 2, image: str = "registry.example/web:1") -> Manifest:
    labels = {"app": "web"}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": "web", "namespace": place.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def ignoring(*pointers: str, kind: str = "ConfigMap") -> tuple[IgnoreRule, ...]:
    return (IgnoreRule(kind=kind, pointers=pointers),)


def is_drifted(report: reports.Applied) -> bool:
    return any(item.drifted for item in report.bundles)


async def resynced(place: Place, hub_of_test: Publisher, *others: Bundle) -> None:
    """Until a resync after now has been through: it has put right what somebody changed in a bundle beside it."""
    path = path_of(place, "beacon")
    for _ in range(2):  # the first may have been under way already
        await place.api.merge(path, {"data": {"lit": "no"}})
        await place.until(path, lambda live: live["data"]["lit"] == "yes")


def beacon(place: Place) -> Bundle:
    """A bundle whose drift is put right, in the same pass as everything else."""
    return bundle("zz-beacon", config_map("beacon", place.namespace, lit="yes"))


async def test_with_alert_drift_is_told_with_its_fields_and_stays(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Until somebody takes it back, or Git brings other content."""
    station.options = station.faster(resync=SOON)
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue"), drift="alert"))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"colour": "red"}})
        told = await hub_of_test.hear(reports.Applied, is_drifted)
        (status,) = told.bundles
        (failure,) = status.failures
        assert (status.sync, status.health, status.failed) == (Sync.OUT_OF_SYNC, Health.HEALTHY, 0)
        assert failure.reason == "Drifted"
        assert failure.message.startswith("changed by somebody at ")
        assert failure.message.endswith(': .data.colour is "red", in Git "blue"')
        assert (await place.find(path) or {})["data"] == {"colour": "red"}

        await place.foreign.merge(path, {"data": {"colour": "blue"}})
        heard = len(hub_of_test.heard)
        await hub_of_test.hear(reports.Applied, lambda report: report.bundles[0].sync is Sync.SYNCED, after=heard - 1)

        await place.foreign.merge(path, {"data": {"colour": "red"}})
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="pink"), drift="alert"))
        await hub_of_test.applied()
        assert (await place.find(path) or {})["data"] == {"colour": "pink"}


async def test_with_alert_an_object_that_is_gone_or_another_is_told(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    station.options = station.faster(resync=SOON)
    path = path_of(place, "settings")
    async with station.running():
        part = bundle("web", config_map("settings", place.namespace, a="1"), drift="alert")
        await hub_of_test.publish(part, beacon(place))
        await hub_of_test.applied()
        metadata = (await place.find(path) or {})["metadata"]
        await place.api.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        gone = await hub_of_test.hear(reports.Applied, is_drifted)
        assert gone.bundles[0].failures[0].message == drift.GONE

        await place.foreign.apply(path, config_map("settings", place.namespace, a="1"), force=False)
        other = await hub_of_test.hear(
            reports.Applied,
            lambda report: is_drifted(report) and report.bundles[0].failures[0].message.startswith("another object"),
        )
        assert (gone.bundles[0].health, other.bundles[0].health) == (Health.MISSING, Health.MISSING)
        heard = len(hub_of_test.heard)
        await place.foreign.merge(path, {"metadata": {"labels": {"team": "a"}}})
        await resynced(place, hub_of_test)
        assert not any(isinstance(report, reports.Ready) for report in hub_of_test.heard[heard:])
        assert (await place.find(path) or {})["metadata"]["managedFields"][0]["manager"] == "somebody"


async def test_new_content_is_applied_with_all_of_its_bundle(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """What drifted or is gone is put right then, and only then; a plan foretells it."""
    here = place.namespace

    def part(value: str) -> Bundle:
        manifests = (config_map(name, here, a="1") for name in ("drifted", "gone"))
        return bundle("web", *manifests, config_map("changing", here, a=value), drift="off")

    async with station.running():
        await hub_of_test.publish(part("1"))
        await hub_of_test.applied()
        await place.foreign.merge(path_of(place, "drifted"), {"data": {"a": "2"}})
        metadata = (await place.find(path_of(place, "gone")) or {})["metadata"]
        version = metadata["resourceVersion"]
        await place.api.delete(path_of(place, "gone"), uid=metadata["uid"], resource_version=version)

        foretold = await hub_of_test.forecast(part("2"))
        await hub_of_test.publish(part("2"))
        applied = await hub_of_test.applied()

    assert {item.object.name: item.forecast for item in foretold.objects} == {
        "drifted": Forecast.CONFIGURED,
        "gone": Forecast.CREATED,
        "changing": Forecast.CONFIGURED,
    }
    assert applied.bundles[0].changed == 3
    assert {
        name: (await place.find(path_of(place, name)) or {})["data"] for name in ("drifted", "gone", "changing")
    } == {
        "drifted": {"a": "1"},
        "gone": {"a": "1"},
        "changing": {"a": "2"},
    }


async def test_with_off_nobody_looks(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Neither at a changed field nor, after a restart, at anything that has the content of Git."""
    station.options = station.faster(resync=SOON)
    path = path_of(place, "settings")
    parts = (bundle("web", config_map("settings", place.namespace, a="1"), drift="off"), beacon(place))
    async with station.running():
        await hub_of_test.publish(*parts)
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await resynced(place, hub_of_test)
    async with station.running():
        await resynced(place, hub_of_test)

    assert (await place.find(path) or {})["data"] == {"a": "2"}
    assert not any(is_drifted(report) for report in hub_of_test.of(reports.Applied))


async def test_with_alert_drift_outlives_a_restart_of_the_agent(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """An agent that knows nothing yet looks before it applies."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1"), drift="alert"))
        await hub_of_test.applied()
    await place.foreign.merge(path, {"data": {"a": "2"}})
    async with station.running():
        await hub_of_test.hear(reports.Applied, is_drifted)

    assert (await place.find(path) or {})["data"] == {"a": "2"}


async def test_an_ignored_field_is_set_at_creation_and_then_left_to_the_cluster(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Another field beside it is still put right, and Git's own change of the ignored one does not count either."""
    station.options = station.faster(resync=SOON)
    path = path_of(place, "web", "deployments", "apis/apps/v1")
    ignore = ignoring("/spec/replicas", kind="Deployment")
    async with station.running():
        await hub_of_test.publish(bundle("web", deployment(place), ignore=ignore), beacon(place))
        await hub_of_test.applied()
        assert (await place.find(path) or {})["spec"]["replicas"] == 2
        await place.foreign.merge(path, {"spec": {"replicas": 5, "revisionHistoryLimit": 3}})
        await resynced(place, hub_of_test)
        assert (await place.find(path) or {})["spec"]["replicas"] == 5

        newer = deployment(place, replicas=1, image="registry.example/web:2")
        await hub_of_test.publish(bundle("web", newer, ignore=ignore), beacon(place))
        await hub_of_test.applied()

    spec = (await place.find(path) or {})["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"]) == (5, 3)
    assert spec["template"]["spec"]["containers"][0]["image"] == "registry.example/web:2"


async def test_a_field_that_only_we_own_stays_when_it_is_ignored(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Leaving it out would take it away: it was never anybody else's."""
    ignore = ignoring("/data/a")
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, a="1", b="1")))
        await hub_of_test.applied()
        changed = config_map("settings", place.namespace, a="2", b="2")
        await hub_of_test.publish(bundle("web", changed, ignore=ignore))
        await hub_of_test.applied()

    assert (await place.find(path_of(place, "settings")) or {})["data"] == {"a": "1", "b": "2"}


async def test_an_ignored_field_that_somebody_took_away_stays_away(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    station.options = station.faster(resync=SOON)
    path = path_of(place, "settings")
    part = bundle("web", config_map("settings", place.namespace, a="1", b="1"), ignore=ignoring("/data/a"))
    async with station.running():
        await hub_of_test.publish(part, beacon(place))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": None, "b": "2"}})
        await place.until(path, lambda live: live["data"].get("b") == "1")
        await resynced(place, hub_of_test)

    assert (await place.find(path) or {})["data"] == {"b": "1"}


async def test_an_object_that_is_ignored_as_a_whole_is_created_and_never_touched_again(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Not by a resync, a restart or new content; but it is created again when it is gone."""
    station.options = station.faster(resync=SOON)
    path, ignore = path_of(place, "settings"), (IgnoreRule(kind="ConfigMap", name="settings"),)
    first = bundle("web", config_map("settings", place.namespace, a="1"), ignore=ignore)
    second = bundle("web", config_map("settings", place.namespace, a="3", c="3"), ignore=ignore)
    async with station.running():
        await hub_of_test.publish(first, beacon(place))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2", "b": "2"}})
        version = (await place.find(path) or {})["metadata"]["resourceVersion"]
        await resynced(place, hub_of_test)
        await hub_of_test.publish(second, beacon(place))
        applied = await hub_of_test.applied()
        assert {item.sync for item in applied.bundles} == {Sync.SYNCED}
    async with station.running():
        await resynced(place, hub_of_test)
        live = await place.find(path) or {}
        assert (live["data"], live["metadata"]["resourceVersion"]) == ({"a": "2", "b": "2"}, version)

        await place.api.delete(path, uid=live["metadata"]["uid"], resource_version=version)
        await place.until(path, lambda live: live["data"] == {"a": "3", "c": "3"})


async def test_with_alert_what_is_ignored_is_no_drift(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Beside it, drift is told, of its own fields alone."""
    station.options = station.faster(resync=SOON)
    path = path_of(place, "settings")
    manifest = config_map("settings", place.namespace, a="1", b="1")
    async with station.running():
        await hub_of_test.publish(bundle("web", manifest, drift="alert", ignore=ignoring("/data/a")))
        await hub_of_test.applied()
        await place.foreign.merge(path, {"data": {"a": "2", "b": "2"}})
        told = await hub_of_test.hear(reports.Applied, is_drifted)

    assert told.bundles[0].failures[0].message.endswith(': .data.b is "2", in Git "1"')


async def test_with_alert_a_secrets_values_are_not_told(place: Place, station: Station, hub_of_test: Publisher) -> None:
    station.options = station.faster(resync=SOON)
    metadata = {"name": "key", "namespace": place.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"token": "b2xk"}}
    async with station.running():
        await hub_of_test.publish(bundle("web", secret, drift="alert"))
        await hub_of_test.applied()
        await place.foreign.merge(path_of(place, "key", "secrets"), {"data": {"token": "bmV3"}})
        told = await hub_of_test.hear(reports.Applied, is_drifted)

    message = told.bundles[0].failures[0].message
    assert re.search(r": \.data\.token is hmac:[0-9a-f]{16}, in Git hmac:[0-9a-f]{16}$", message)
    told_whole = repr(hub_of_test.heard)
    assert not [value for value in ("b2xk", "bmV3", "old", "new") if f'"{value}"' in told_whole or value in message]


async def test_an_object_that_differs_only_in_what_is_ignored_is_adopted(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """With ifNoDiff, a difference that does not count is none."""
    path = path_of(place, "settings")
    async with station.running():
        await hub_of_test.publish(bundle("first", config_map("beacon", place.namespace)))
        await hub_of_test.applied()
        await place.foreign.apply(path, config_map("settings", place.namespace, a="2", b="1"), force=False)
        manifest = config_map("settings", place.namespace, a="1", b="1")
        await hub_of_test.publish(bundle("web", manifest, ignore=ignoring("/data/a")))
        await hub_of_test.applied()
        await hub_of_test.hear(reports.Adopted)

    assert (await place.find(path) or {})["data"] == {"a": "2", "b": "1"}


async def test_a_plan_foretells_no_change_of_what_stays_as_it_is(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Ignored fields, ignored objects, and drift that is not reverted; new content is still a change."""
    here = place.namespace
    whole = (IgnoreRule(kind="ConfigMap"),)

    def parts(value: str) -> list[Bundle]:
        return [
            bundle("field", config_map("field", here, a=value, b="1"), ignore=ignoring("/data/a")),
            bundle("whole", config_map("whole", here, a=value), ignore=whole),
            bundle("alert", config_map("alert", here, a="1"), drift="alert"),
            bundle("off", config_map("off", here, a=value), drift="off"),
        ]

    async with station.running():
        await hub_of_test.publish(*parts("1"))
        await hub_of_test.applied()
        for name in ("field", "whole", "alert", "off"):
            await place.foreign.merge(path_of(place, name), {"data": {"a": "2"}})
        same = await hub_of_test.forecast(*parts("1"))
        other = await hub_of_test.forecast(*parts("3"))

    assert (same.objects, same.unchanged, same.problem) == ((), 4, "")
    (changed,) = other.objects
    assert (changed.object.name, changed.forecast) == ("off", Forecast.CONFIGURED)


async def test_somebody_who_writes_in_between_is_not_overruled(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The field is ignored while a writer counts it up as fast as it can: no count is ever taken back."""
    station.options = station.faster(resync=0.01)
    path = path_of(place, "settings")
    part = bundle("web", config_map("settings", place.namespace, count="0"), ignore=ignoring("/data/count"))
    async with station.running():
        await hub_of_test.publish(part)
        await hub_of_test.applied()
        for number in range(1, 100):
            written = await place.foreign.merge(path, {"data": {"count": str(number)}})
            assert written["data"]["count"] == str(number)
            assert (await place.find(path) or {})["data"]["count"] == str(number)


def test_the_options_are_left_out_where_they_say_nothing() -> None:
    """So that indexes of bundles without them keep their digests."""
    assert bundles.BundleOptions(drift=Drift.REVERT, ignore=()) == bundles.BundleOptions()
    assert bundles.canonical.encode(bundles.BundleOptions()) == b"{}"
