"""The manifests of an agent: what it may do is what was chosen, and nothing else."""

import pytest

from controller import agent_manifest
from controller.agent_manifest import Choice, Manifest, Role
from protocol import naming

PLAIN = Choice(hub_url="https://hub.example.com:8420", token="secret-token", ca_pin="sha256:ab")


def of_kind(choice: Choice, kind: str) -> list[Manifest]:
    return [one for one in agent_manifest.manifests(choice) if one["kind"] == kind]


def bound(choice: Choice) -> set[tuple[str, str, str]]:
    """Role and namespace of every binding; all of them are for the one account."""
    bindings = [*of_kind(choice, "ClusterRoleBinding"), *of_kind(choice, "RoleBinding")]
    account = {"kind": "ServiceAccount", "name": "flotilla-agent", "namespace": naming.NAMESPACE}
    assert all(one["subjects"] == [account] for one in bindings)
    return {(one["roleRef"]["kind"], one["roleRef"]["name"], one["metadata"].get("namespace", "")) for one in bindings}


OWN = {("ClusterRole", "flotilla-agent", ""), ("Role", "flotilla-agent", naming.NAMESPACE)}


@pytest.mark.parametrize(
    ("role", "namespaces", "more"),
    [
        (Role.CLUSTER_ADMIN, (), {("ClusterRole", "cluster-admin", "")}),
        (Role.NAMESPACED, ("a", "b"), {("ClusterRole", "admin", "a"), ("ClusterRole", "admin", "b")}),
        (Role.NONE, (), set()),
    ],
)
def test_beyond_its_own_needs_it_may_do_what_was_chosen(
    role: Role, namespaces: tuple[str, ...], more: set[tuple[str, str, str]]
) -> None:
    choice = Choice(hub_url="", token="", role=role, namespaces=namespaces)

    assert bound(choice) == OWN | more


@pytest.mark.parametrize(("role", "namespaces"), [(Role.NAMESPACED, ()), (Role.NONE, ("a",))])
def test_namespaces_go_with_their_role_alone(role: Role, namespaces: tuple[str, ...]) -> None:
    with pytest.raises(agent_manifest.ManifestError, match="--namespace"):
        agent_manifest.manifests(Choice(hub_url="", token="", role=role, namespaces=namespaces))


def test_of_all_secrets_it_reads_its_own_alone() -> None:
    rules = [rule for kind in ("Role", "ClusterRole") for one in of_kind(PLAIN, kind) for rule in one["rules"]]
    secrets = [rule for rule in rules if "secrets" in rule["resources"] and set(rule["verbs"]) - {"create"}]

    assert [(rule["resourceNames"], rule["verbs"]) for rule in secrets] == [
        (["flotilla-agent-identity"], ["get", "patch"])
    ]
    assert not any("*" in rule["verbs"] or "*" in rule["resources"] for rule in rules)


def test_the_token_stands_in_a_secret_and_nowhere_else() -> None:
    others = [one for one in agent_manifest.manifests(PLAIN) if one["kind"] != "Secret"]

    assert [one["stringData"] for one in of_kind(PLAIN, "Secret")] == [{"token": "secret-token"}]
    assert "secret-token" not in str(others)
    [deployment] = of_kind(PLAIN, "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][:4] == ["agent", "run", "--hub", "https://hub.example.com:8420"]
    assert container["args"][container["args"].index("--ca-pin") + 1] == "sha256:ab"
