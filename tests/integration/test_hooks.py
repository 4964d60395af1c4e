"""Helm's hooks from a commit with a chart to clusters: what waits for them, and what a failed one does to a rollout."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.domain import rollout_state
from controller.domain.views import bundles, clusters, sight
from controller.render import programs
from protocol.reports import HookProgress
from tests.fixtures import fleet as fleets
from tests.fixtures import processes
from tests.fixtures.fleet import Fleet, Site
from tests.fixtures.kube import ControlPlanes

pytestmark = [pytest.mark.nats, pytest.mark.helm, pytest.mark.timeout(900)]

WEB = "fleet/apps/web"
WORDS = "no such table"
MERGE = "application/merge-patch+json"

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations:
    helm.sh/hook: {phases}
    sandbox.flotilla.gitops/ready-after: "86400"
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: main, image: "tool:{{{{ .Values.version }}}}"}}]
"""

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {version: "{{ .Values.version }}"}
"""

End = Callable[[Site, str, bool], Awaitable[None]]
"""Lets the Job at a path end, well or not."""


def chart(fleet: Fleet, version: str) -> dict[str, str]:
    return {
        "apps/web/flotilla.yaml": f"namespace: {fleet.namespace}\n",
        "apps/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "apps/web/values.yaml": f"version: '{version}'\n",
        "apps/web/templates/migrate.yaml": JOB.format(name="migrate", phases="pre-install,pre-upgrade"),
        "apps/web/templates/smoke.yaml": JOB.format(name="smoke", phases="post-install,post-upgrade,pre-delete"),
        "apps/web/templates/config.yaml": CONFIG,
    }


@pytest.fixture
def with_helm(helm_program: programs.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub that is started next finds helm."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(helm_program.path.parent), os.environ["PATH"])))


@pytest.fixture
def real_sites(control_planes: ControlPlanes) -> list[Site]:
    """A real cluster; started before the hub, for its start blocks the event loop."""
    return [fleets.site_of(one) for one in control_planes(1)]


@pytest.mark.kube
@pytest.mark.usefixtures("with_helm")
async def test_a_real_api_server_runs_the_hooks_of_a_chart(real_sites: list[Site], fleet: Fleet) -> None:
    await _story(fleet, real_sites[0], _end_by_pod)


@pytest.mark.usefixtures("with_helm")
async def test_a_sandbox_cluster_runs_the_hooks_of_a_chart(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    await _story(fleet, fleet_sandbox.pop(), _end_by_annotation)


async def _end_by_annotation(site: Site, path: str, well: bool) -> None:
    asked = {} if well else {"sandbox.flotilla.gitops/fail": f"BackoffLimitExceeded {WORDS}"}
    annotations = {**asked, "sandbox.flotilla.gitops/ready-after": "0"}
    await site.change(path, {"metadata": {"annotations": annotations}})


async def _end_by_pod(site: Site, path: str, well: bool) -> None:
    """As the kubelet of the Job's pod would."""
    job = await site.find(path) or {}
    namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]
    pods = f"/api/v1/namespaces/{namespace}/pods"
    found: list[Any] = []

    async def is_there() -> bool:
        page = await site.find(f"{pods}?labelSelector=batch.kubernetes.io/controller-uid={uid}")
        found[:] = (page or {"items": []})["items"]
        return bool(found)

    await processes.until("the Job has a pod", is_there)
    code = {"exitCode": 0} if well else {"exitCode": 1, "message": WORDS}
    container = {"name": "main", "image": "tool", "imageID": "", "ready": False, "restartCount": 0,
                 "state": {"terminated": {"reason": "Completed" if well else "Error", **code}}}  # fmt: skip
    status = {"phase": "Succeeded" if well else "Failed", "containerStatuses": [container]}
    where = f"{pods}/{found[0]['metadata']['name']}/status"
    code_, answer = await asyncio.to_thread(
        lambda: site.client.call("PATCH", where, {"status": status}, content_type=MERGE)
    )
    assert code_ == 200, answer


class _Stage:
    """What the story looks at."""

    def __init__(self, fleet: Fleet, site: Site, end: End) -> None:
        self._fleet = fleet
        self._site = site
        self._end = end

    async def version(self) -> str:
        """What the applied ConfigMap says; empty: it is not there."""
        found = await self._site.find(f"/api/v1/namespaces/{self._fleet.namespace}/configmaps/web")
        return str(found["data"]["version"]) if found else ""

    async def end(self, name: str, version: str, *, well: bool = True) -> None:
        """Let the hook of this version end, once the hub shows that it runs."""
        path = f"/apis/batch/v1/namespaces/{self._fleet.namespace}/jobs/{name}"

        async def runs() -> bool:
            job = await self._site.find(path)
            is_new = job is not None and f"tool:{version}" in str(job["spec"])
            return is_new and (name, HookProgress.RUNNING) in self.hooks()

        await processes.until(f"{name} of {version} runs", runs)
        await self._end(self._site, path, well)

    def hooks(self) -> list[tuple[str, HookProgress]]:
        """The hooks as the hub shows them."""
        found = clusters.detail(self.looking(), self.looking().clusters[0]).hooks
        return [(one.object.rpartition("/")[2].rpartition(" ")[2], one.progress) for one in found]

    def looking(self) -> sight.Sight:
        """The hub as its views see it."""
        return self._fleet.looking()


async def _story(fleet: Fleet, site: Site, end: End) -> None:
    """An install waits for its hooks, one after the other. An upgrade whose migration fails changes nothing and stops
    the rollout, which names it; the fix goes through. What is never run is a warning."""
    stage = _Stage(fleet, site, end)
    await fleet.add_cluster("edge", site, {})
    await fleet.declare()
    first = fleet.merge(chart(fleet, "1"))
    await stage.end("migrate", "1")
    await stage.end("smoke", "1")
    await fleet.completed(first)
    assert await stage.version() == "1"
    assert [progress for _, progress in stage.hooks()] == [HookProgress.SUCCEEDED] * 2
    (found,) = [one for one in bundles.every(stage.looking()) if one.entry.bundle == WEB]
    (warning,) = bundles.detail(stage.looking(), found).warnings
    assert warning.endswith("smoke: its hook pre-delete is never run (post-install, post-upgrade is)")

    fleet.merge(chart(fleet, "2"))
    await stage.end("migrate", "2", well=False)
    await fleet.until("the rollout halts", lambda: _phase(fleet) is rollout_state.Phase.HALTED)
    halted = fleet.rollout()
    assert halted is not None
    (why,) = halted.failed.values()
    assert "migrate" in str(why)
    assert WORDS in str(why)
    assert (await stage.version(), stage.hooks()[0]) == ("1", ("migrate", HookProgress.FAILED))

    third = fleet.merge(chart(fleet, "3"))
    await stage.end("migrate", "3")
    await stage.end("smoke", "3")
    await fleet.completed(third)
    assert await stage.version() == "3"


def _phase(fleet: Fleet) -> rollout_state.Phase | None:
    current = fleet.rollout()
    return current.phase if current is not None else None
