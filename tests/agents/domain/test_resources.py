"""Paths and names of resources; backoff and jitter."""

from hypothesis import given
from hypothesis import strategies as st

from agents.domain import resources, retry
from tests.agents.domain import examples


def test_paths_follow_group_scope_and_namespace() -> None:
    """As the API server serves them."""
    deployments = resources.Resource("apps", "v1", "Deployment", "deployments", namespaced=True)

    assert examples.CONFIG_MAP.path("web", "x") == "/api/v1/namespaces/web/configmaps/x"
    assert deployments.path("web", "x") == "/apis/apps/v1/namespaces/web/deployments/x"
    assert deployments.collection() == "/apis/apps/v1/deployments"
    assert examples.NAMESPACE.path("ignored", "web") == "/api/v1/namespaces/web"
    assert examples.NAMESPACE.path("", "system:odd/name") == "/api/v1/namespaces/system%3Aodd%2Fname"


def test_versions_are_told_from_groups() -> None:
    """With and without a group."""
    deployments = resources.Resource("apps", "v1", "Deployment", "deployments", namespaced=True)

    assert (deployments.api_version, examples.CONFIG_MAP.api_version) == ("apps/v1", "v1")
    assert (resources.version_of("apps/v1beta1"), resources.version_of("v1")) == ("v1beta1", "v1")
    assert deployments.at("v1") is deployments
    assert deployments.at("v1beta1").path("a", "b") == "/apis/apps/v1beta1/namespaces/a/deployments/b"


def test_kinds_print_as_people_write_them() -> None:
    """`Kind.group`, and the bare kind of the core group."""
    assert str(resources.GroupKind("apps", "Deployment")) == "Deployment.apps"
    assert "no kind Namespace" in resources.unknown(resources.NAMESPACE).message


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_its_ceiling(attempt: int, chance: float) -> None:
    """At least half of the exponential delay, never more than the ceiling."""
    found = retry.backoff(attempt, base_s=1.0, ceiling_s=60.0, chance=chance)
    full = min(60.0, 2.0 ** min(attempt, 10))

    assert full / 2 <= found <= full


@given(st.floats(0, 1, exclude_max=True))
def test_an_interval_varies_by_a_fifth(chance: float) -> None:
    """Around itself."""
    assert 80 <= retry.jittered(100, chance) <= 120
