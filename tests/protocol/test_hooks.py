"""Which hooks run, in which order, and when their objects go: as Helm has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import bundles, hooks, ids
from protocol.canonical import Digest


def hook(name: str, kind: str = "Job", weight: int = 0, **said: tuple[str, ...]) -> bundles.HookEntry:
    return bundles.HookEntry(ids.ObjectId("", kind, "", name), Digest("1" * 64), weight=weight, **said)


def test_hooks_run_by_weight_then_by_name_then_by_kind() -> None:
    """A chart gives its ServiceAccount, its Role and its Job one name: only their kinds tell who needs whom."""
    wanted = [
        hook("z", weight=-5),
        hook("a", "Role"),
        hook("migrate", "ServiceAccount"),
        hook("migrate", "Role"),
        hook("migrate", "Job"),
        hook("migrate", "Another"),
        hook("a", weight=1),
    ]

    backwards = wanted[::-1]
    assert sorted(backwards, key=hooks.order) == wanted


@given(st.permutations([hook("a"), hook("b"), hook("a", "Pod"), hook("c", weight=1), hook("d", weight=-1)]))
def test_the_order_never_depends_on_where_hooks_stand(found: list[bundles.HookEntry]) -> None:
    names = [(entry.object.name, entry.object.kind) for entry in sorted(found, key=hooks.order)]

    assert names == [("d", "Job"), ("a", "Pod"), ("a", "Job"), ("b", "Job"), ("c", "Job")]


@pytest.mark.parametrize(
    ("said", "policies"),
    [
        ((), {"before-hook-creation"}),
        (("hook-succeeded",), {"hook-succeeded"}),
        (("hook-succeeded", "hook-failed"), {"hook-succeeded", "hook-failed"}),
    ],
)
def test_where_no_policy_is_said_the_next_one_takes_the_place(said: tuple[str, ...], policies: set[str]) -> None:
    assert hooks.policies(hook("a", delete_policies=said)) == policies


def test_phases_of_what_never_happens_here_are_ignored() -> None:
    entry = hook("a", phases=("pre-install", "post-upgrade", "pre-delete", "post-rollback"))

    assert hooks.ignored(entry) == ("pre-delete", "post-rollback")
