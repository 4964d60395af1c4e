"""Hooks of bundles, run in a cluster: in their order, once, and with nobody else's objects touched.

On the real control plane a test says how the pods of Jobs end, in the place of a kubelet; the sandbox says it itself.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.kube import client
from protocol import reports
from protocol.reports import HookProgress
from protocol.status import Health, Sync
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Bundle, Manifest, Publisher, after, bundle, config_map, deletion

pytestmark = pytest.mark.nats

BOTH = "pre-install,pre-upgrade"
LATER = "post-install,post-upgrade"
WORDS = "no such table"


def hooked(manifest: Manifest, phases: str = BOTH, **said: str) -> Manifest:
    """The manifest as a hook: `weight` and `delete_policy` as a chart says them."""
    told = {f"helm.sh/hook-{key.replace('_', '-')}": value for key, value in said.items()}
    annotations = {**manifest["metadata"].get("annotations", {}), "helm.sh/hook": phases, **told}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def job(place: Place, name: str = "migrate", *, command: str = "up") -> Manifest:
    """A Job that ends when the test says so."""
    container = {"name": "main", "image": "registry.example/tool:1", "command": [command]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": place.namespace,
            "annotations": {"sandbox.flotilla.gitops/ready-after": "86400"},
        },
        "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


def path_of(place: Place, name: str = "migrate") -> str:
    return f"/apis/batch/v1/namespaces/{place.namespace}/jobs/{name}"


async def end(place: Place, name: str = "migrate", *, well: bool = True) -> dict[str, Any]:
    """Let the Job end, once it is there; the Job as it was before that."""
    found = await place.until(path_of(place, name), lambda _: True)
    if place.has_workloads:
        asked = {} if well else {"sandbox.flotilla.gitops/fail": f"BackoffLimitExceeded {WORDS}"}
        annotations = {**asked, "sandbox.flotilla.gitops/ready-after": "0"}
        await place.foreign.merge(path_of(place, name), {"metadata": {"annotations": annotations}})
        return found
    uid = found["metadata"]["uid"]
    selector = f"?labelSelector=batch.kubernetes.io/controller-uid={uid}"
    pods = f"/api/v1/namespaces/{place.namespace}/pods"
    listed = await place.until(pods + selector, lambda page: bool(page["items"]))
    await _report(place.foreign, f"{pods}/{listed['items'][0]['metadata']['name']}/status", well=well)
    return found


async def _report(of: client.Client, path: str, *, well: bool) -> None:
    code = {"exitCode": 0} if well else {"exitCode": 1, "message": WORDS}
    container = {"name": "main", "image": "tool", "imageID": "", "ready": False, "restartCount": 0,
                 "state": {"terminated": {"reason": "Completed" if well else "Error", **code}}}  # fmt: skip
    phase = "Succeeded" if well else "Failed"
    await of.merge(path, {"status": {"phase": phase, "containerStatuses": [container]}})


def progress(found: reports.BundleStatus) -> dict[str, str]:
    return {f"{one.phase} {one.object.name}": one.progress.value for one in found.hooks}


def is_running(name: str) -> Any:
    return lambda found: any(
        one.object.name == name and one.progress is HookProgress.RUNNING and one.reason for one in found.hooks
    )


def is_well(found: reports.BundleStatus) -> bool:
    return found.sync is Sync.SYNCED and found.health is Health.HEALTHY


def web(place: Place, *hooks: Manifest, **data: str) -> Bundle:
    return bundle("web", config_map("settings", place.namespace, **data)).with_hooks(*hooks)


async def test_objects_wait_for_the_hooks_before_them_and_those_after_wait_for_the_objects(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The whole story of an install, while another bundle goes ahead."""
    part = web(
        place,
        hooked(config_map("seed", place.namespace), "pre-install", weight="-5"),
        hooked(job(place), BOTH),
        hooked(job(place, "check"), LATER),
    )
    async with station.running():
        await hub_of_test.publish(part, bundle("other", config_map("other", place.namespace)))
        waiting = await hub_of_test.stands("web", is_running("migrate"))
        await place.until(f"/api/v1/namespaces/{place.namespace}/configmaps/other", lambda _: True)
        assert (waiting.sync, waiting.health, waiting.failed) == (Sync.UNKNOWN, Health.PROGRESSING, 0)
        assert waiting.failures[0].object.name == "migrate"
        assert waiting.failures[0].message.startswith("pre-install hook: ")
        assert progress(waiting) == {
            "pre-install migrate": "Running",
            "post-install check": "Waiting",
            "pre-install seed": "Succeeded",
        }
        assert await place.config_map("settings") is None

        await end(place)
        checking = await hub_of_test.stands("web", is_running("check"))
        assert (checking.sync, checking.health) == (Sync.SYNCED, Health.PROGRESSING)
        assert await place.config_map("settings") is not None

        await end(place, "check")
        done = await hub_of_test.stands("web", is_well)

    assert set(progress(done).values()) == {"Succeeded"}
    assert [entry.object.name for entry in await place.inventory()] == ["other", "settings"]
    assert await place.config_map("seed") is not None


async def test_a_hook_runs_once_for_its_content_and_again_for_the_next(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Neither a start of the agent nor the same content anew makes it run again; another content is an upgrade."""
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        first = await end(place)
        await hub_of_test.stands("web", is_well)
        heard = len(hub_of_test.heard)
        await hub_of_test.publish(web(place, hooked(job(place))), bundle("other"))
        await hub_of_test.hear(reports.Applied, lambda report: report.origin.generation == 2)
    async with station.running():
        await hub_of_test.stands("web", is_well, after=heard)
        again = await place.until(path_of(place), lambda _: True)
        assert again["metadata"]["uid"] == first["metadata"]["uid"]

        await hub_of_test.publish(web(place, hooked(job(place, command="further")), colour="red"))
        await place.until(path_of(place), lambda live: live["metadata"]["uid"] != first["metadata"]["uid"])
        found = await place.config_map("settings") or {}
        assert not found.get("data")
        await end(place)
        done = await hub_of_test.stands(
            "web", lambda found: is_well(found) and "pre-upgrade migrate" in progress(found)
        )

    assert progress(done) == {"pre-upgrade migrate": "Succeeded"}


async def test_an_agent_that_starts_again_goes_on_waiting(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        await hub_of_test.stands("web", is_running("migrate"))
        heard = len(hub_of_test.heard)
    before = await place.until(path_of(place), lambda _: True)
    async with station.running():
        await hub_of_test.stands("web", is_running("migrate"), after=heard)
        assert await place.config_map("settings") is None
        assert (await end(place))["metadata"]["uid"] == before["metadata"]["uid"]
        await hub_of_test.stands("web", is_well, after=heard)


async def test_a_failed_hook_keeps_everything_as_it_was(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Nothing is applied, nothing pruned, and the reason is told; the next content heals it."""
    old = config_map("old", place.namespace)
    settings = config_map("settings", place.namespace, colour="blue")
    async with station.running():
        await hub_of_test.publish(bundle("web", settings, old))
        await hub_of_test.stands("web", is_well)
        part = web(place, hooked(job(place)), colour="red")
        await hub_of_test.publish(part, deletions=[deletion("d1", old, part)])
        await end(place, well=False)
        failed = await hub_of_test.stands("web", lambda found: found.health is Health.DEGRADED)
        held = await hub_of_test.hear(reports.Deleted)
        assert (failed.sync, failed.failed, failed.failures[0].object.name) == (Sync.OUT_OF_SYNC, 1, "migrate")
        assert WORDS in failed.failures[0].message
        assert progress(failed) == {"pre-upgrade migrate": "Failed"}
        assert [item.reason for item in held.undeleted] == ["BundleNotApplied"]
        found = await place.config_map("settings")
        assert found is not None
        assert found["data"] == {"colour": "blue"}
        assert await place.config_map("old") is not None

        part = web(place, hooked(job(place, command="mended")), colour="green")
        await hub_of_test.publish(part, deletions=[deletion("d1", old, part)])
        await place.until(path_of(place), lambda live: "mended" in str(live["spec"]))
        await end(place)
        await hub_of_test.stands("web", lambda found: is_well(found) and bool(found.hooks))
        await hub_of_test.hear(reports.Deleted, lambda report: bool(report.confirmations))

    found = await place.config_map("settings")
    assert found is not None
    assert found["data"] == {"colour": "green"}


async def test_a_failed_hook_after_the_objects_is_the_bundles_failure(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The objects stay, and who depends on the bundle goes on waiting. A start of the agent changes nothing of it."""
    part = web(place, hooked(job(place), LATER))
    top = after(bundle("top", config_map("top", place.namespace)), part)
    async with station.running():
        await hub_of_test.publish(part, top)
        await end(place, well=False)
        failed = await hub_of_test.stands("web", lambda found: found.health is Health.DEGRADED)
        heard = len(hub_of_test.heard)
    async with station.running():
        again = await hub_of_test.stands("web", lambda found: found.health is Health.DEGRADED, after=heard)
        waiting = await hub_of_test.stands("top", lambda found: bool(found.failures), after=heard)

    assert (failed.sync, failed.failed, again.failures[0].object.name) == (Sync.SYNCED, 0, "migrate")
    assert WORDS in again.failures[0].message
    assert waiting.failures[0].reason == "DependencyNotReady"
    assert await place.config_map("settings") is not None
    assert await place.config_map("top") is None


async def test_an_object_of_somebody_else_is_never_touched(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """It has the hook's name: the hook fails until somebody takes it away, and then goes on by itself."""
    await place.foreign.create("/api/v1/namespaces", {"metadata": {"name": place.namespace}})
    jobs = path_of(place).rpartition("/")[0]
    theirs = await place.foreign.create(jobs, job(place, command="theirs"))
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        failed = await hub_of_test.stands("web", lambda found: bool(found.failed))
        live = await place.until(path_of(place), lambda _: True)
        assert (failed.health, failed.failures[0].reason) == (Health.DEGRADED, "AlreadyExists")
        assert live["metadata"]["uid"] == theirs["metadata"]["uid"]
        assert "theirs" in str(live["spec"])

        version = live["metadata"]["resourceVersion"]
        await place.api.delete(path_of(place), uid=live["metadata"]["uid"], resource_version=version)
        await place.until(path_of(place), lambda found: found["metadata"]["uid"] != theirs["metadata"]["uid"])
        await end(place)
        await hub_of_test.stands("web", is_well)


async def test_a_newer_state_waits_for_no_hook_of_the_one_before(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place)), colour="blue"))
        await hub_of_test.stands("web", is_running("migrate"))
        await hub_of_test.publish(web(place, colour="red"))
        done = await hub_of_test.stands("web", is_well)

    found = await place.config_map("settings")
    assert done.hooks == ()
    assert found is not None
    assert found["data"] == {"colour": "red"}
    assert await place.find(path_of(place)) is not None  # as an interrupted helm leaves it


async def test_what_hooks_made_goes_by_their_policies_once_all_are_over(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A Job may need what a hook before it made. What holds data stays, whatever its policy says."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": place.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    part = web(
        place,
        hooked(config_map("seed", place.namespace), delete_policy="hook-succeeded", weight="-1"),
        hooked(claim, delete_policy="before-hook-creation,hook-succeeded", weight="-1"),
        hooked(job(place), delete_policy="hook-succeeded"),
    )
    claims = f"/api/v1/namespaces/{place.namespace}/persistentvolumeclaims/data"
    async with station.running():
        await hub_of_test.publish(part)
        await hub_of_test.stands("web", is_running("migrate"))
        assert await place.config_map("seed") is not None
        await end(place)
        await hub_of_test.stands("web", is_well)
        kept = await place.until(claims, lambda _: True)
        assert await place.config_map("seed") is None
        assert await place.find(path_of(place)) is None

        await hub_of_test.publish(msgspec.structs.replace(part, manifests=()))
        await end(place)
        await hub_of_test.stands("web", lambda found: is_well(found) and not found.objects)
        again = await place.until(claims, lambda _: True)

    assert again["metadata"]["uid"] == kept["metadata"]["uid"]


async def test_a_hook_that_takes_too_long_fails_its_bundle_and_may_still_end_well(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    station.options = station.faster(hook_timeout=0.0)
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        late = await hub_of_test.stands("web", lambda found: found.health is Health.DEGRADED)
        assert (late.failures[0].reason, await place.config_map("settings")) == ("HookTimeout", None)
        await end(place)
        await hub_of_test.stands("web", is_well)


async def test_a_hook_that_vanished_has_failed(place: Place, station: Station, hub_of_test: Publisher) -> None:
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        await hub_of_test.stands("web", is_running("migrate"))
        live = await place.until(path_of(place), lambda _: True)
        version = live["metadata"]["resourceVersion"]
        await place.api.delete(path_of(place), uid=live["metadata"]["uid"], resource_version=version)
        failed = await hub_of_test.stands("web", lambda found: found.health is Health.DEGRADED)

    assert failed.failures[0].reason == "HookGone"


@pytest.fixture
async def proxy(place: Place, station: Station, tmp_path: Path) -> AsyncIterator[faults.Proxy]:
    """The station's agent goes through a proxy that a test can make misbehave."""
    async with faults.proxied(place.access, tmp_path) as (made, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        yield made


async def test_a_hook_whose_creation_got_no_answer_is_not_made_twice(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """As after a crash between the two: the object itself tells for which run it was made."""
    fault = proxy.strike("POST", "/jobs", status=500, times=1, after=True)
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        await hub_of_test.stands("web", is_running("migrate"))
        await end(place)
        await hub_of_test.stands("web", is_well)

    assert (fault.struck, proxy.count("POST", "/jobs")) == (1, 1)


async def test_records_that_cannot_be_read_are_never_taken_for_none(
    place: Place, station: Station, hub_of_test: Publisher, proxy: faults.Proxy
) -> None:
    """A hook that ran would run again. Everything waits, and goes on when they can be read."""
    async with station.running():
        await hub_of_test.publish(web(place, hooked(job(place))))
        first = await end(place)
        await hub_of_test.stands("web", is_well)
    fault = proxy.strike("GET", "/configmaps", query="flotilla.gitops/hooks", status=500)
    heard = len(hub_of_test.heard)
    async with station.running():
        await hub_of_test.hear(reports.Failed, after=heard)
        fault.times = 0
        await hub_of_test.stands("web", is_well, after=heard)

    live = await place.find(path_of(place)) or {}
    assert live["metadata"]["uid"] == first["metadata"]["uid"]


async def test_a_bundle_that_comes_back_is_installed_anew(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """What its hook left behind is ours still, and gives way."""
    part = bundle("web").with_hooks(hooked(job(place), "pre-install"))
    async with station.running():
        await hub_of_test.publish(part)
        first = await end(place)
        await hub_of_test.stands("web", is_well)
        await hub_of_test.publish(bundle("other"))
        await hub_of_test.hear(reports.Applied, lambda report: report.origin.generation == 2)
        assert await place.find(path_of(place)) is not None
        await hub_of_test.publish(part)
        await place.until(path_of(place), lambda live: live["metadata"]["uid"] != first["metadata"]["uid"])
        await end(place)
        await hub_of_test.hear(reports.Applied, lambda report: report.origin.generation == 3)
