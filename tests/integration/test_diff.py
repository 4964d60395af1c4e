"""`flotilla diff` from end to end: the hub asks, agents try, and nothing is touched anywhere.

On clusters of the sandbox and on real API servers, with a hub, a Git repository and an agent for each cluster.
"""

import asyncio
import json

import pytest

from controller.domain import rejections, sources
from controller.domain.views import diffs
from controller.reactors import polling
from protocol import ids, specs
from tests.fixtures import fleet as fleets
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

CLUSTERS = ("dev", "prod")
TIME_S = 120.0
NEXT = ids.SourceName("next")


def config(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def path_of(fleet: Fleet, name: str = "") -> str:
    return f"/api/v1/namespaces/{fleet.namespace}/configmaps" + (f"/{name}" if name else "")


def files(fleet: Fleet, **objects: str) -> dict[str, str]:
    """One bundle, with an object in each file."""
    settings = {"apps/web/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n"}
    return settings | {f"apps/web/{name}.json": text for name, text in objects.items()}


async def versions(fleet: Fleet) -> dict[str, list[str]]:
    """Version and UID of every object in the namespace of each cluster; a controller's own comes when it likes."""
    found = {}
    for name, site in fleet.sites.items():
        listed = await site.find(path_of(fleet))
        assert listed is not None
        found[name] = sorted(
            f"{one['metadata']['name']} {one['metadata']['uid']} {one['metadata']['resourceVersion']}"
            for one in listed["items"]
            if one["metadata"]["name"] != "kube-root-ca.crt"
        )
    return found


async def suspend(fleet: Fleet, source: ids.SourceName) -> None:
    by = specs.ManagedBy.COMMAND
    await fleet.run(lambda world: sources.suspend(world.sources[source], "to look first", by=by))


async def begin(fleet: Fleet, sites: list[Site]) -> None:
    for name, site in zip(CLUSTERS, sites, strict=True):
        await fleet.add_cluster(name, site, {"env": name})
    commit = fleet.merge(files(fleet, same=config("same", x="1"), changed=config("changed", x="1"), old=config("old")))
    await fleet.declare()
    await fleet.completed(commit)


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """Two real clusters; started before the hub, for their start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(len(CLUSTERS))]


@pytest.mark.kube
async def test_real_api_servers_foretell_what_a_commit_changes(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites)


async def test_sandbox_clusters_foretell_what_a_commit_changes(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])


async def _story(fleet: Fleet, sites: list[Site]) -> None:
    """A source that is suspended, a commit that nobody has resolved: its changes, its deletions, and then the truth."""
    await begin(fleet, sites)
    source = ids.SourceName(fleets.SOURCE)
    await suspend(fleet, source)
    commit = fleet.merge(
        files(fleet, same=config("same", x="1"), changed=config("changed", x="2"), fresh=config("fresh"))
    )
    before, events = await versions(fleet), fleet.hub.shared.world.log_head
    found = await fleet.hub.asking.diff(fleets.SOURCE, "", time_s=TIME_S)

    assert (await versions(fleet), fleet.hub.shared.world.log_head) == (before, events)
    assert commit in found.revision
    assert [one.cluster for one in found.clusters] == list(CLUSTERS)
    for one in found.clusters:
        assert (one.heard, one.problem) == (True, "")
        assert one.counts == {"configured": 1, "created": 1, "unchanged": 1}
        told = {item.object.name: [(change.field, change.before, change.after) for change in item.changes]
                for item in one.objects}  # fmt: skip
        assert told == {"changed": [(".data.x", '"1"', '"2"')], "fresh": []}
        assert [(item.object.name, item.held) for item in one.deletions] == [("old", bool(found.held))]
    assert (found.changes, found.troubles) == (6, 0)
    assert fleet.hub.shared.asked == {}

    await fleet.run(lambda world: sources.resume(world.sources[source]))
    fleet.wake()
    await fleet.completed(commit)
    again = await fleet.hub.asking.diff(fleets.SOURCE, "prod", time_s=TIME_S)
    assert [(one.cluster, one.counts) for one in again.clusters] == [("prod", {"unchanged": 3})]


async def test_a_source_that_was_never_rolled_out_can_be_looked_at(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """Suspended before its first poll, with an object that another source has: seen, and still not in the log."""
    await begin(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])
    await suspend(fleet, ids.SourceName(fleets.SOURCE))
    fleet.merge(files(fleet, same=config("same", x="9"), more=config("more")) | {
        "new/api/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n", "new/api/one.json": config("one"),
    })  # fmt: skip
    spec = specs.SourceSpec(url=fleet.repository.url, paths=("new/*",), all_clusters=True)
    by = specs.ManagedBy.COMMAND
    await fleet.run(
        lambda _world: (
            *sources.declare(None, NEXT, spec, by=by),
            *sources.suspend(sources.Source(name=NEXT, spec=spec, managed_by=by), "to look first", by=by),
        )
    )
    events = fleet.hub.shared.world.log_head
    found = await fleet.hub.asking.diff(NEXT, "", time_s=TIME_S)

    assert [(one.cluster, one.counts, one.deletions) for one in found.clusters] == [
        ("dev", {"created": 1}, ()),
        ("prod", {"created": 1}, ()),
    ]
    assert fleet.hub.shared.world.log_head == events
    assert fleet.source(NEXT).revision is None


async def test_who_does_not_answer_is_listed(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """A cluster whose API server fails says so of each object; one whose agent is gone says nothing."""
    await begin(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])
    await fleet.sites["dev"].fault(status=500, verb="patch", namespace=fleet.namespace, times=1000)
    broken = await fleet.hub.asking.diff(fleets.SOURCE, "dev", time_s=TIME_S)
    assert {item.reason for item in broken.clusters[0].objects} == {"InternalError"}
    assert broken.troubles == 3

    await fleet.stop_agent("prod")
    silent = await fleet.hub.asking.diff(fleets.SOURCE, "prod", time_s=1.0)
    (one,) = silent.clusters
    assert (one.heard, one.problem, silent.troubles) == (False, "no answer in time", 1)


async def test_what_cannot_be_asked_is_refused(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """No such source, no such cluster, nothing resolved, nothing to read: each by name."""
    await begin(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])
    for source, cluster in (("nothing", ""), (fleets.SOURCE, "nowhere")):
        with pytest.raises(rejections.NotFound):
            await fleet.hub.asking.diff(source, cluster, time_s=TIME_S)
    await fleet.declare("broken", url=fleet.repository.url, paths=("no/such/*",))
    await fleet.until("the failure is known", lambda: fleet.source("broken").failure is not None)
    with pytest.raises(rejections.Invalid, match="no/such"):
        await fleet.hub.asking.diff("broken", "", time_s=TIME_S)
    await suspend(fleet, ids.SourceName("broken"))
    with pytest.raises(polling.SourceFailure, match="no/such"):
        await fleet.hub.asking.diff("broken", "", time_s=TIME_S)


async def test_a_bundle_that_would_leave_a_cluster_is_told_and_held(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """Its directory is still there: only its targets have changed."""
    await begin(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])
    await suspend(fleet, ids.SourceName(fleets.SOURCE))
    settings = f"defaultNamespace: {fleet.namespace}\ntargets: [{{matchLabels: {{env: dev}}}}]\n"
    fleet.merge(
        files(fleet, same=config("same", x="1"), changed=config("changed", x="1"), old=config("old"))
        | {"apps/web/flotilla.yaml": settings}
    )
    found = await fleet.hub.asking.diff(fleets.SOURCE, "", time_s=TIME_S)

    dev, prod = found.clusters
    assert (dev.counts, dev.deletions) == ({"unchanged": 3}, ())
    assert [(item.object.name, item.held) for item in prod.deletions] == [
        ("changed", True), ("old", True), ("same", True),
    ]  # fmt: skip
    assert found.held != ()


async def test_two_people_may_look_at_once(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    """Each has the answers to their own question."""
    await begin(fleet, [fleet_sandbox.pop() for _ in CLUSTERS])
    await suspend(fleet, ids.SourceName(fleets.SOURCE))
    asking = fleet.hub.asking
    found: list[diffs.Diff] = await asyncio.gather(
        *(asking.diff(fleets.SOURCE, cluster, time_s=TIME_S) for cluster in ("", "dev", "prod"))
    )

    assert [[one.cluster for one in each.clusters] for each in found] == [["dev", "prod"], ["dev"], ["prod"]]
    assert all(one.counts == {"unchanged": 3} for each in found for one in each.clusters)
