"""What a desired state would change, asked and answered, with nothing changed by it.

On the sandbox and on a real API server: every kind of outcome, who may ask, and that all versions stay what they were.
"""

import datetime
import re
import secrets
from typing import Any

import pytest

from protocol import reports, signing
from protocol.reports import FieldChange, FieldConflict, Forecast
from protocol.status import Health
from tests.agents.conftest import SYSTEM, Place, Station
from tests.agents.publisher import Manifest, Publisher, bundle, config_map

pytestmark = pytest.mark.nats

CONTROLLERS_OWN = "kube-root-ca.crt"


def by_name(found: reports.Planned) -> dict[str, reports.PlannedObject]:
    return {item.object.name: item for item in found.objects}


def secret(name: str, namespace: str, **data: str) -> Manifest:
    return {**config_map(name, namespace), "kind": "Secret", "data": None, "stringData": data}


async def versions(place: Place) -> dict[str, str]:
    """The version of everything that a plan could have touched, with the namespaces that are there. What controllers
    make in a new namespace, and what is on its way out, comes and goes by itself."""
    found: dict[str, str] = {}
    for path in (
        f"/api/v1/namespaces/{place.namespace}/configmaps",
        f"/api/v1/namespaces/{place.namespace}/secrets",
        SYSTEM,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ):
        async for item in place.api.list(path):
            metadata = item["metadata"]
            if metadata["name"] == CONTROLLERS_OWN or "deletionTimestamp" in metadata:
                continue
            found[f"{path}/{metadata['name']}"] = f"{metadata['uid']} {metadata['resourceVersion']}"
    async for item in place.api.list("/api/v1/namespaces"):
        if "deletionTimestamp" not in item["metadata"]:
            found[f"namespace {item['metadata']['name']}"] = item["metadata"]["uid"]
    return found


async def foreign(place: Place, manifest: Manifest) -> None:
    """Somebody else applies an object."""
    plural = {"ConfigMap": "configmaps", "Secret": "secrets"}[manifest["kind"]]
    path = f"/api/v1/namespaces/{place.namespace}/{plural}/{manifest['metadata']['name']}"
    await place.foreign.apply(path, manifest, force=False)


async def test_every_outcome_is_foretold_and_nothing_is_touched(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Created, configured, unchanged, adopted, in conflict, refused by us, by the server, and as nobody's kind."""
    here = place.namespace
    key = secret("key", here, token="old-secret")
    async with station.running():
        await hub_of_test.publish(
            bundle("web", config_map("same", here, x="1"), config_map("changed", here, x="1", gone="1"), key),
            bundle("other", config_map("theirs", here)),
        )
        await hub_of_test.applied()
        for name, value in (("alike", "1"), ("different", "1"), ("held", "1")):
            await foreign(place, config_map(name, here, x=value))
        before = await versions(place)

        found = await hub_of_test.forecast(
            bundle(
                "web",
                config_map("same", here, x="1"),
                config_map("changed", here, x="2"),
                secret("key", here, token="new-secret"),
                config_map("fresh", here),
                config_map("alike", here, x="1"),
                config_map("different", here, x="2"),
                config_map("no_such_name", here),
                config_map("theirs", here),
                {"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "thing", "namespace": here}},
            ),
            bundle("always", config_map("held", here, x="2"), adopt="always"),
            bundle("other", config_map("theirs", here)),
        )
        after = await versions(place)

    assert after == before
    outcomes = by_name(found)
    assert {name: item.forecast for name, item in outcomes.items()} == {
        "alike": Forecast.ADOPTED,
        "changed": Forecast.CONFIGURED,
        "different": Forecast.CONFLICT,
        "fresh": Forecast.CREATED,
        "held": Forecast.CONFLICT,
        "key": Forecast.CONFIGURED,
        "no_such_name": Forecast.FAILED,
        "theirs": Forecast.FAILED,
        "thing": Forecast.FAILED,
    }
    assert (found.unchanged, found.problem, found.left_out, found.parts) == (2, "", 0, 1)
    assert outcomes["changed"].changes == (FieldChange(".data.gone", '"1"', ""), FieldChange(".data.x", '"1"', '"2"'))
    assert outcomes["held"].conflicts == (FieldConflict("somebody", ".data.x"),)
    assert outcomes["key"].changes == (FieldChange(".data.token", "(hidden)", "(hidden)"),)
    assert {name: outcomes[name].reason for name in ("no_such_name", "theirs", "thing")} == {
        "no_such_name": "Invalid",
        "theirs": "AlreadyClaimed",
        "thing": "NoMatch",
    }
    assert "secret" not in repr(found)


async def test_a_cautious_bundle_says_what_it_would_refuse_to_adopt(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """`ifNoDiff` where the manager is no obstacle but the value is, and `never`."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace)))
        await hub_of_test.applied()
        await foreign(place, config_map("there", place.namespace, x="1"))
        before = await versions(place)
        more = await hub_of_test.forecast(bundle("new", config_map("there", place.namespace, y="2")))
        never = await hub_of_test.forecast(bundle("new", config_map("there", place.namespace, x="1"), adopt="never"))
        after = await versions(place)

    assert after == before
    found = by_name(more)["there"]
    assert (found.forecast, found.reason) == (Forecast.FAILED, "AlreadyExists")
    assert "differs from Git at .data.y" in found.message
    assert FieldChange(".data.y", "", '"2"') in found.changes
    assert "adopt: never" in by_name(never)["there"].message


async def test_what_the_plan_itself_would_bring_cannot_be_tried(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A namespace in the bundle, one that is only used, and a kind: each object says why it was not tried."""
    group = f"{place.namespace}.example"
    definition: dict[str, Any] = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boats.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Boat", "plural": "boats", "singular": "boat", "listKind": "BoatList"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    boat = {"apiVersion": f"{group}/v1", "kind": "Boat", "metadata": {"name": "ahoy", "namespace": "default"}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    async with station.running():
        await hub_of_test.publish()
        await hub_of_test.applied()
        before = await versions(place)
        found = await hub_of_test.forecast(
            bundle("a", namespace, definition, boat, config_map("in", place.namespace)),
            bundle("b", config_map("used", f"{place.namespace}-used")),
        )
        after = await versions(place)

    assert after == before
    outcomes = by_name(found)
    assert {item.forecast for item in found.objects} == {Forecast.CREATED}
    assert {name: item.message for name, item in outcomes.items() if item.message} == {
        "ahoy": "not dry-run: its kind is new",
        "in": "not dry-run: its namespace is new",
        "used": "not dry-run: its namespace is new",
    }
    assert len(found.objects) == 5


async def test_what_a_server_says_of_a_secret_is_withheld(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Its message may quote what it refuses; a conflict names fields and managers, and is told."""
    here = place.namespace
    broken = {**secret("tls", here, token="quoted-value"), "type": "kubernetes.io/tls", "data": {"x": "not base64 !"}}
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", here)))
        await hub_of_test.applied()
        await foreign(place, secret("held", here, token="theirs"))
        found = await hub_of_test.forecast(bundle("web", broken, secret("held", here, token="ours"), adopt="always"))

    outcomes = by_name(found)
    assert outcomes["tls"].forecast is Forecast.FAILED
    assert "withheld" in outcomes["tls"].message
    assert outcomes["held"].conflicts != ()
    assert outcomes["held"].message != ""
    assert not {"quoted-value", "theirs", "ours"} & set(repr(found).replace("'", " ").split())


async def test_hooks_that_would_run_are_foretold_and_none_runs(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Of content that the cluster has not seen; of what it has, they ran."""
    seed = config_map("seed", place.namespace)
    seed["metadata"]["annotations"] = {"helm.sh/hook": "pre-install,post-upgrade"}
    first = bundle("web", config_map("settings", place.namespace, x="1")).with_hooks(seed)
    second = bundle("web", config_map("settings", place.namespace, x="2")).with_hooks(seed)
    async with station.running():
        await hub_of_test.publish()
        await hub_of_test.applied()
        fresh = await hub_of_test.forecast(first)
        assert await place.config_map("seed") is None
        await hub_of_test.publish(first)
        await hub_of_test.stands("web", lambda found: found.health is Health.HEALTHY)
        same = await hub_of_test.forecast(first)
        changed = await hub_of_test.forecast(second)

    assert [(one.object.name, one.bundle, one.phase) for one in fresh.hooks] == [("seed", "test/web", "pre-install")]
    assert (same.hooks, same.unchanged) == ((), 1)
    assert [one.phase for one in changed.hooks] == ["post-upgrade"]


async def test_only_the_source_that_is_asked_about_is_looked_at(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The bundles of the others are in the root, so that claims are seen."""
    async with station.running():
        await hub_of_test.publish()
        await hub_of_test.applied()
        found = await hub_of_test.forecast(bundle("web", config_map("settings", "default")), source="elsewhere")

    assert (found.objects, found.unchanged, found.problem) == ((), 0, "")


async def test_a_long_answer_comes_in_parts(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Each fits into a message; what is beyond the bound is counted."""
    wide = {f"key-{number:02}": "v" * 190 for number in range(40)}
    many = [config_map(f"c{number:03}", place.namespace, **wide) for number in range(300)]
    async with station.running():
        await hub_of_test.publish(bundle("web", *({**item, "data": {"first": "x"}} for item in many)))
        await hub_of_test.applied()
        first = await hub_of_test.forecast(bundle("web", *many))
        heard = [first]
        for part in range(2, first.parts + 1):
            heard.append(await hub_of_test.hear(reports.Planned, lambda report, part=part: report.part == part))

    assert first.parts > 1
    assert sum(len(item.objects) for item in heard) + first.left_out == len(many)


async def test_only_the_hub_is_answered_and_only_in_time(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A stranger's key, another cluster's UID: silence. A question that ran out says so, because clocks differ."""
    stranger = signing.Signer(secrets.token_bytes(32))
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=90)
    part = bundle("web", config_map("settings", "default"))
    async with station.running():
        await hub_of_test.publish()
        await hub_of_test.applied()
        await hub_of_test.ask(part, signer=stranger)
        await hub_of_test.ask(part, cluster_uid="another")
        late = await hub_of_test.forecast(part, expires_at=past)
        good = await hub_of_test.forecast(part)

    assert re.search(r"ran out \d+ s ago", late.problem)
    assert [item.request for item in hub_of_test.of(reports.Planned)] == [late.request, good.request]
    assert hub_of_test.of(reports.Refused) == []


async def test_a_root_that_is_not_there_is_a_problem_not_a_crash(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    async with station.running():
        await hub_of_test.publish()
        await hub_of_test.applied()
        found = await hub_of_test.forecast(root="ab" * 32)
        again = await hub_of_test.forecast(bundle("web", config_map("settings", "default")))

    assert "the hub has no such blob" in found.problem
    assert by_name(again)["settings"].forecast is Forecast.CREATED
