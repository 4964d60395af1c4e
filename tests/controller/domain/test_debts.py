"""The ledger of debts: nothing is named for deletion while its set is held, and a word binds to what it named."""

import datetime
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain import debts, derivation, holds, kinds, rejections
from protocol import bundles, canonical, ids, reports
from protocol.events import deletions as events
from tests.controller.domain import fleets

AT = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)
OTHER = ids.ClusterId("A" + "B" * 55)
CAUSE = debts.Cause(topic="shop-7", source=ids.SourceName("shop"), revision="main@sha1:" + "1" * 40)


def drop(name: str, *, whole: bool = False, kind: str = "ConfigMap") -> derivation.Drop:
    one = ids.ObjectId(group="", kind=kind, namespace="web", name=name)
    return derivation.Drop(
        object=one, identity=one, bundle=ids.BundleId("shop/web"), prune=bundles.Prune.OWNED, whole_bundle=whole,
        misplaced=False,
    )  # fmt: skip


def loss(*drops: derivation.Drop, cluster: ids.ClusterId = fleets.CLUSTER, objects: int = 100) -> debts.Loss:
    return debts.Loss(cluster=cluster, drops=drops, objects=objects, generation=4)


def folded(ledger: debts.Ledger, *found: events.Event) -> debts.Ledger:
    for event in found:
        ledger = debts.evolve(ledger, event)
    return ledger


def dropped(*losses: debts.Loss, ledger: debts.Ledger | None = None, cause: debts.Cause = CAUSE) -> debts.Ledger:
    ledger = folded(ledger or debts.Ledger(), *debts.plan(ledger or debts.Ledger(), cause, losses, AT))
    return folded(ledger, *debts.open_debts(ledger, cause, losses, AT))


def confirm(ledger: debts.Ledger, debt: debts.Debt, *, cluster: ids.ClusterId = fleets.CLUSTER) -> debts.Ledger:
    said = reports.Confirmation(debt=debt.id, object=debt.object, outcome=reports.Outcome.GONE)
    return folded(ledger, *debts.confirmed(ledger, cluster, [said], 9))


def test_a_small_deletion_is_named() -> None:
    ledger = dropped(loss(drop("a")))

    assert [item.object.name for item in debts.named(ledger)[fleets.CLUSTER].items] == ["a"]


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ((loss(drop("a", whole=True)),), "whole bundles"),
        ((loss(drop("a", kind="PersistentVolumeClaim")),), "protected kinds"),
        ((loss(*(drop(str(number)) for number in range(4)), objects=10),), "budget"),
        ((loss(*(drop(str(number)) for number in range(26)), objects=1000),), "distinct objects"),
    ],
)
def test_large_or_precious_deletions_are_held(losses: tuple[debts.Loss, ...], reason: str) -> None:
    ledger = dropped(*losses)

    assert debts.named(ledger) == {}
    assert [reason in "; ".join(one.held) for one in ledger.sets.values()] == [True]


def test_an_approval_lets_the_whole_set_go() -> None:
    ledger = dropped(loss(drop("a", whole=True)), loss(drop("a", whole=True), cluster=OTHER))
    (held,) = ledger.sets.values()

    ledger = folded(ledger, *debts.approve(ledger, held.id, held.digest))

    assert sorted(debts.named(ledger)) == sorted([fleets.CLUSTER, OTHER])
    assert debts.approve(ledger, held.id, held.digest) == ()


def test_an_old_approval_does_not_hold_for_a_changed_set() -> None:
    ledger = dropped(loss(drop("a", whole=True)))
    (before,) = ledger.sets.values()
    ledger = dropped(loss(drop("b", whole=True), cluster=OTHER), ledger=ledger)

    with pytest.raises(rejections.Changed):
        debts.approve(ledger, before.id, before.digest)
    assert debts.named(ledger) == {}


def test_a_set_that_was_approved_never_grows() -> None:
    ledger = dropped(loss(drop("a", whole=True)))
    (held,) = ledger.sets.values()
    ledger = folded(ledger, *debts.approve(ledger, held.id, held.digest))

    ledger = dropped(loss(drop("b", whole=True), cluster=OTHER), ledger=ledger)

    assert [one.decision for one in ledger.sets.values()] == [debts.Decision.APPROVED, debts.Decision.HELD]
    assert [item.object.name for found in debts.named(ledger).values() for item in found.items] == ["a"]


def test_what_was_rejected_stays_and_is_owed_no_more() -> None:
    ledger = dropped(loss(drop("a", whole=True)))
    (held,) = ledger.sets.values()

    ledger = folded(ledger, *debts.reject(ledger, held.id, held.digest))
    ledger = dropped(loss(drop("a", whole=True)), ledger=ledger)

    assert (ledger.debts, debts.named(ledger)) == ({}, {})


def test_a_word_that_was_given_is_not_taken_back() -> None:
    ledger = dropped(loss(drop("a", whole=True)))
    (held,) = ledger.sets.values()
    ledger = folded(ledger, *debts.reject(ledger, held.id, held.digest))

    assert debts.reject(ledger, held.id, held.digest) == ()
    with pytest.raises(rejections.Invalid, match="they were rejected"):
        debts.approve(ledger, held.id, held.digest)
    with pytest.raises(rejections.NotFound, match="no such set"):
        debts.approve(ledger, "of-nobody", held.digest)


def test_a_late_confirmation_of_an_old_debt_does_not_close_the_new_one() -> None:
    ledger = dropped(loss(drop("a")))
    (old,) = ledger.debts.values()
    ledger = folded(ledger, *debts.rewanted(ledger, {fleets.CLUSTER: frozenset({old.identity})}))
    again = debts.Cause(topic="shop-9", source=CAUSE.source, revision=CAUSE.revision)
    ledger = dropped(loss(drop("a")), ledger=ledger, cause=again)
    (new,) = ledger.debts.values()

    ledger = confirm(ledger, old)

    assert new.id != old.id
    assert list(ledger.debts.values()) == [new]


@pytest.mark.parametrize("word", [debts.approve, None])
def test_a_word_holds_once_for_a_cluster(word: Callable[..., tuple[events.Event, ...]] | None) -> None:
    ledger = dropped(loss(drop("a", whole=True)), loss(drop("a", whole=True), cluster=OTHER))
    (first,) = ledger.sets.values()
    if word is not None:
        ledger = folded(ledger, *word(ledger, first.id, first.digest))
    ledger = folded(ledger, *debts.rewanted(ledger, {fleets.CLUSTER: frozenset({drop("a").identity})}))

    again = dropped(loss(drop("a", whole=True)), ledger=ledger)

    second = again.sets[ids.DeletionSetId("shop-7-2")]
    assert (second.decision, [member.clusters for member in second.members]) == (
        debts.Decision.HELD,
        [(fleets.CLUSTER,)],
    )
    assert {debt.cluster: debt.set for debt in again.debts.values()} == {OTHER: first.id, fleets.CLUSTER: second.id}


def test_what_a_topic_takes_away_bit_by_bit_is_judged_together() -> None:
    ledger = debts.Ledger()
    for number in range(holds.FLEET_OBJECTS_MAX + 1):
        ledger = dropped(loss(drop(str(number)), objects=1000), ledger=ledger)
        for debt in list(ledger.debts.values()):
            ledger = confirm(ledger, debt)

    newest = list(ledger.sets.values())[-1]
    assert "26 distinct objects" in " ".join(newest.held)


def test_why_an_agent_released_a_debt_is_written_down_within_a_bound() -> None:
    ledger = dropped(loss(drop("a")))
    (debt,) = ledger.debts.values()
    reason = "is the wanted object b" + "\0" * 1000
    said = reports.Confirmation(debt=debt.id, object=debt.object, outcome=reports.Outcome.RELEASED, reason=reason)

    assert debts.confirmed(ledger, fleets.CLUSTER, [said], 9) == (
        events.DebtsClosed(
            debts=(
                events.ClosedDebt(
                    debt=debt.id, ending=events.Ending.RELEASED, reason=reason[: events.REASON_CHARS_MAX]
                ),
            ),
            reports_sequence=9,
        ),
    )


def test_a_cluster_can_only_settle_its_own_debts() -> None:
    ledger = dropped(loss(drop("a")))
    (debt,) = ledger.debts.values()

    assert confirm(ledger, debt, cluster=OTHER) == ledger
    assert confirm(ledger, debt).debts == {}


def test_a_custom_kind_waits_unless_it_is_known_to_be_harmless() -> None:
    database = ids.ObjectId(group="db.example.com", kind="Postgres", namespace="a", name="b")
    route = ids.ObjectId(group="gateway.networking.k8s.io", kind="HTTPRoute", namespace="a", name="b")

    assert (kinds.needs_approval(database), kinds.needs_approval(route)) == (True, False)


@pytest.mark.parametrize(("objects", "expected"), [(0, 3), (30, 3), (100, 10), (249, 24), (1000, 25)])
def test_the_hourly_budget_is_a_tenth_within_its_bounds(objects: int, expected: int) -> None:
    assert holds.budget(objects) == expected


LOSSES = st.lists(
    st.builds(
        lambda names, cluster, whole: loss(*(drop(name, whole=whole) for name in names), cluster=cluster),
        st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
        st.sampled_from([fleets.CLUSTER, OTHER]),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.cluster,
)


@settings(max_examples=200)
@given(steps=st.lists(LOSSES, max_size=5), words=st.lists(st.sampled_from(["approve", "reject", "none"]), max_size=5))
def test_deciding_twice_changes_nothing_and_no_held_debt_is_named(
    steps: list[list[debts.Loss]], words: list[str]
) -> None:
    ledger, history = debts.Ledger(), list[events.Event]()
    for number, losses in enumerate(steps):
        for decide in (
            lambda ledger, losses=losses: debts.plan(ledger, CAUSE, losses, AT),
            lambda ledger, losses=losses: debts.open_debts(ledger, CAUSE, losses, AT),
            lambda ledger, number=number: _word(ledger, words[number] if number < len(words) else "none"),
        ):
            found = decide(ledger)
            history += found
            ledger = folded(ledger, *found)

            assert decide(ledger) == ()
        named = {item.debt for deletions in debts.named(ledger).values() for item in deletions.items}
        free = {key for key, debt in ledger.debts.items() if debts.may_go(ledger, debt)}
        assert named == free
        assert all(ledger.sets[debt.set].decision is not debts.Decision.REJECTED for debt in ledger.debts.values())

    assert canonical.encode(folded(debts.Ledger(), *history)) == canonical.encode(ledger)


def _word(ledger: debts.Ledger, word: str) -> tuple[events.Event, ...]:
    for one in ledger.sets.values():
        if one.decision is debts.Decision.HELD and word != "none":
            return (debts.approve if word == "approve" else debts.reject)(ledger, one.id, one.digest)
    return ()
