"""Objects as the agent would apply them: the hub's own knowledge, held against the agent's plan."""

import msgspec
import pytest

from agents.domain import plan, resources
from controller.domain import placements
from controller.preview import objects
from protocol import bundles
from tests.controller.preview.conftest import DEV, Tree
from tests.controller.repositories import config_map

CRD = (
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.example.com}}\n"
    "spec: {{group: example.com, scope: {scope}, names: {{kind: Thing, plural: things}}}}\n"
)
THING = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n"
HOOK = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: a}\n"


def shown(tree: Tree, files: dict[str, str]) -> tuple[objects.Shown, ...]:
    look = tree.write(files).look(DEV, paths=("*",))
    placed = [found for entry in look.entries if (found := placements.place(entry, DEV)) is not None]
    return objects.shown(look, placed)


@pytest.mark.parametrize("options", ["", "namespace: forced\n", "defaultNamespace: fallback\n"])
def test_order_and_namespaces_are_those_of_the_agents_plan(options: str, tree: Tree) -> None:
    files = {
        "a/flotilla.yaml": options,
        "a/1.yaml": config_map("z"),
        "a/2.yaml": config_map("a", namespace="written"),
        "a/3.yaml": CRD.format(scope="Namespaced"),
        "a/4.yaml": THING,
        "a/5.yaml": HOOK,
        "a/6.yaml": NAMESPACE,
    }
    look = tree.write(files).look(DEV, paths=("*",))
    (placed,) = (found for entry in look.entries if (found := placements.place(entry, DEV)) is not None)
    index = look.index(placed.index)
    known = {
        one: resources.Resource(one.group, "v1", one.kind, "x", namespaced=one.kind in ("ConfigMap", "Thing"))
        for one in (resources.kind_of(item.object) for item in index.objects)
    }
    wanted = plan.make([index], {}, known).wanted
    found = [one for one in objects.shown(look, [placed]) if not one.refused]

    assert [(one.object, one.digest) for one in found] == [(one.object, one.digest) for one in wanted]


def test_bundles_that_others_depend_on_come_first(tree: Tree) -> None:
    files = {
        "a/x.yaml": config_map("a"),
        "a/flotilla.yaml": "dependsOn: [{name: c}]\n",
        "b/x.yaml": config_map("b"),
        "c/x.yaml": config_map("c"),
    }

    assert [one.object.name for one in shown(tree, files)] == ["b", "c", "a"]


def test_the_namespace_of_a_custom_kind_is_left_to_the_cluster(tree: Tree) -> None:
    (one,) = shown(tree, {"a/x.yaml": THING, "a/flotilla.yaml": "defaultNamespace: shop\n"})

    assert (one.object.namespace, one.if_namespaced, one.manifest["metadata"]) == ("", "shop", {"name": "a"})


@pytest.mark.parametrize(("scope", "expected"), [("Namespaced", "shop"), ("Cluster", "")])
def test_a_definition_that_is_rendered_too_says_whether_its_kind_has_namespaces(
    scope: str, expected: str, tree: Tree
) -> None:
    files = {"a/x.yaml": THING, "a/flotilla.yaml": "defaultNamespace: shop\n", "b/d.yaml": CRD.format(scope=scope)}
    found = {one.object.kind: (one.object.namespace, one.if_namespaced) for one in shown(tree, files)}

    assert found["Thing"] == (expected, "")


def test_what_an_agent_would_refuse_says_why(tree: Tree) -> None:
    (one,) = shown(tree, {"a/x.yaml": ROLE, "a/flotilla.yaml": "namespace: shop\n"})

    assert one.refused.endswith("is cluster-scoped, and the bundle forces the namespace shop")


def test_the_bytes_are_those_that_the_digest_names(tree: Tree) -> None:
    (one,) = shown(tree, {"a/x.yaml": config_map("a")})

    assert bundles.manifest_digest(one.plain) == one.digest
    assert one.manifest == {
        **msgspec.json.decode(one.plain), "metadata": {"name": "a", "namespace": "default"}
    }  # fmt: skip
