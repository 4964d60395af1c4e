"""The real kubectl: what people type works on the real server and on the sandbox."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import requirements
from tests.conformance.kube_api import Api, eventually

KUBECTL_S = 180.0

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1"}]
"""

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(api: Api, tmp_path: Path) -> Kubectl:
    """Run kubectl in the test's namespace, with caches of its own."""
    program = shutil.which("kubectl")
    if program is None:
        requirements.require("kubectl", "there is no kubectl on PATH")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": api.server, "certificate-authority-data": authority(api)}}],
        "users": [{"name": "u", "user": {"token": api.token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": api.namespace}}],
        "current-context": "c",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    (tmp_path / "manifest.yaml").write_text(MANIFEST)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [program, f"--kubeconfig={path}", f"--cache-dir={tmp_path / 'cache'}", *words]
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}  # for the `diff` that kubectl calls
        return subprocess.run(
            command, capture_output=True, text=True, timeout=KUBECTL_S, cwd=tmp_path, env=environment, check=False
        )

    return run


def authority(api: Api) -> str:
    return base64.b64encode(api.authority_pem.encode()).decode()


def applied(kubectl: Kubectl) -> None:
    done = kubectl("apply", "--server-side", "-f", "manifest.yaml")
    assert done.returncode == 0, done.stderr


def test_a_manifest_is_applied_on_the_server_s_side(kubectl: Kubectl) -> None:
    done = kubectl("apply", "--server-side", "-f", "manifest.yaml")

    assert done.stdout.splitlines() == [
        "configmap/settings serverside-applied",
        "deployment.apps/web serverside-applied",
    ]


def test_a_manifest_is_applied_on_the_client_s_side(kubectl: Kubectl, tmp_path: Path) -> None:
    created = kubectl("apply", "-f", "manifest.yaml")
    (tmp_path / "manifest.yaml").write_text(MANIFEST.replace("red", "blue"))
    changed = kubectl("apply", "-f", "manifest.yaml")

    assert created.stdout.splitlines() == ["configmap/settings created", "deployment.apps/web created"]
    assert changed.stdout.splitlines() == ["configmap/settings configured", "deployment.apps/web unchanged"]


def test_objects_are_shown_in_columns(kubectl: Kubectl) -> None:
    applied(kubectl)
    header, row = kubectl("get", "configmap", "settings").stdout.splitlines()

    assert header.split() == ["NAME", "DATA", "AGE"]
    assert row.split()[:2] == ["settings", "1"]


def test_a_field_is_printed_by_its_path(kubectl: Kubectl) -> None:
    applied(kubectl)

    assert kubectl("get", "cm/settings", "-o", "jsonpath={.data.colour}").stdout == "red"


def test_a_difference_is_shown_and_nothing_changed(kubectl: Kubectl, tmp_path: Path) -> None:
    """Of the ConfigMap alone: the controllers may just then change the Deployment."""
    (tmp_path / "manifest.yaml").write_text(MANIFEST.partition("---")[0])
    applied(kubectl)
    same = kubectl("diff", "--server-side", "-f", "manifest.yaml")
    (tmp_path / "manifest.yaml").write_text(MANIFEST.partition("---")[0].replace("red", "blue"))
    other = kubectl("diff", "--server-side", "-f", "manifest.yaml")

    assert (same.returncode, same.stdout) == (0, "")
    assert other.returncode == 1
    assert "-  colour: red\n+  colour: blue\n" in other.stdout
    assert kubectl("get", "cm/settings", "-o", "jsonpath={.data.colour}").stdout == "red"


def test_a_conflict_is_told(kubectl: Kubectl, tmp_path: Path) -> None:
    applied(kubectl)
    (tmp_path / "manifest.yaml").write_text(MANIFEST.replace("red", "blue"))
    refused = kubectl("apply", "--server-side", "--field-manager=other", "-f", "manifest.yaml")

    assert refused.returncode == 1
    assert 'conflict with "kubectl": .data.colour' in refused.stderr


def test_an_unknown_field_is_told(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbogus: 1\n")
    refused = kubectl("apply", "-f", "manifest.yaml")

    assert refused.returncode == 1
    assert 'unknown field "bogus"' in refused.stderr


def test_labels_scale_and_image_are_edited(kubectl: Kubectl) -> None:
    applied(kubectl)
    said = [
        kubectl("label", "deployment/web", "tier=front").stdout,
        kubectl("scale", "deployment/web", "--replicas=2").stdout,
        kubectl("set", "image", "deployment/web", "web=nginx:2").stdout,
    ]
    path = "jsonpath={.metadata.labels.tier} {.spec.replicas} {.spec.template.spec.containers[0].image}"

    assert said == [
        "deployment.apps/web labeled\n",
        "deployment.apps/web scaled\n",
        "deployment.apps/web image updated\n",
    ]
    assert kubectl("get", "deployment/web", "-o", path).stdout == "front 2 nginx:2"


def test_a_delete_waits_until_it_is_gone(kubectl: Kubectl, api: Api) -> None:
    applied(kubectl)
    deleted = kubectl("delete", "-f", "manifest.yaml")

    assert deleted.returncode == 0, deleted.stderr
    assert api.call("GET", api.path("configmaps", "settings")).code == 404


def test_it_waits_for_a_condition(kubectl: Kubectl) -> None:
    applied(kubectl)
    waited = kubectl("wait", "--for=condition=Progressing", "deployment/web", "--timeout=120s")

    assert waited.stdout == "deployment.apps/web condition met\n"


def test_kinds_are_listed(kubectl: Kubectl) -> None:
    rows = [line.split() for line in kubectl("api-resources", "--api-group=apps", "--no-headers").stdout.splitlines()]

    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows


def test_what_owns_fields_is_shown(kubectl: Kubectl) -> None:
    applied(kubectl)
    shown = json.loads(kubectl("get", "cm/settings", "-o", "json", "--show-managed-fields").stdout)

    assert [entry["manager"] for entry in shown["metadata"]["managedFields"]] == ["kubectl"]


@pytest.mark.parametrize("cluster", ["sandbox"], indirect=True)
def test_a_deployment_of_the_sandbox_becomes_available(kubectl: Kubectl) -> None:
    """The real server of these tests is without nodes: nothing becomes ready there."""
    applied(kubectl)
    done = kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    phases = eventually(lambda: kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}").stdout)

    assert done.stdout.endswith('deployment "web" successfully rolled out\n')
    assert kubectl("wait", "--for=condition=Available", "deployment/web").returncode == 0
    assert phases == "Running"
