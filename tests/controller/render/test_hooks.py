"""Hooks of charts as entries of an index."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.render import hooks, manifests, rendering
from protocol import bundles, canonical, ids


def hook(name: str = "migrate", **annotations: Any) -> rendering.Object:
    said = {f"helm.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": said}}
    plain = canonical.encode(manifest)
    return rendering.Object("web/chart", manifests.Manifest(ids.object_id(manifest), plain, 0))


def test_a_hook_says_when_in_which_order_and_for_how_long() -> None:
    found = hooks.entry(hook(hook="pre-install, pre-upgrade", hook_weight="-5", hook_delete_policy="hook-succeeded"))

    assert found == bundles.HookEntry(
        object=ids.ObjectId("batch", "Job", "", "migrate"),
        manifest=found.manifest,
        file="web/chart",
        phases=("pre-install", "pre-upgrade"),
        weight=-5,
        delete_policies=("hook-succeeded",),
    )


def test_hooks_run_by_weight_then_by_name() -> None:
    """A weight that is no number is 0, as in Helm."""
    heavy, light, odd = hook("a", hook_weight="1"), hook("c", hook_weight="-1"), hook("b", hook_weight="many")

    assert [one.object.name for one in hooks.entries((heavy, light, odd))] == ["c", "b", "a"]


def test_a_hook_that_nobody_runs_is_a_warning() -> None:
    """What of it is run is said beside it, so that nobody takes the whole hook for dead."""
    found = (
        hook("a", hook="pre-install"),
        hook("b", hook="pre-delete,post-rollback"),
        hook("c", hook="pre-delete,post-install"),
    )

    assert [str(problem) for problem in hooks.warnings(found)] == [
        "web/chart: Job.batch b: its hook pre-delete, post-rollback is never run",
        "web/chart: Job.batch c: its hook pre-delete is never run (post-install is)",
    ]


@given(st.text(max_size=20), st.text(max_size=20) | st.integers().map(str), st.none() | st.text(max_size=20))
def test_whatever_the_annotations_say_there_is_an_entry(phases: str, weight: str, policy: str | None) -> None:
    found = hooks.entry(hook(hook=phases, hook_weight=weight, hook_delete_policy=policy))

    assert all(word and word == word.strip() and "," not in word for word in (*found.phases, *found.delete_policies))
