"""What a pass looks at and what it applies, from what is known before it."""

from collections.abc import Callable

import msgspec
import pytest

from agents.domain import choosing, health, ownership, plan, statuses
from protocol import bundles, ids
from protocol.status import Action
from tests.agents.domain.examples import TWO, config_map, entry, wanted

WEB = ids.BundleId("test/web")
KNOWN = ownership.Sighting("uid", "10", 7)
NONE: frozenset[ids.BundleId] = frozenset()
ALERT = bundles.BundleOptions(drift=bundles.Drift.ALERT)
OFF = bundles.BundleOptions(drift=bundles.Drift.OFF)


def item(**changes: object) -> plan.Wanted:
    return wanted(config_map(), **{"entry": entry(), **changes})  # type: ignore[arg-type]


def observed(of: plan.Wanted, *, missing: bool = False) -> statuses.Observed:
    found = health.MISSING if missing else health.HEALTHY
    return statuses.Observed(of.digest, of.bundle, "uid", "10", Action.UNCHANGED, found, sighting=KNOWN)


def failed(of: plan.Wanted, bundle: ids.BundleId = WEB) -> statuses.Failure:
    return statuses.Failure(of.object, of.written, bundle, "Invalid", "no")


def choice(of: plan.Wanted, *, known: bool = True, everything: bool = False, **changes: object) -> choosing.Choice:
    """`of` is as Git wants it, is watched, and nothing has its turn."""
    made = choosing.Choice(
        choosing.Scope(everything=everything, retried=NONE),
        {of.object: observed(of)} if known else {},
        {},
        renewed=NONE,
        restated=NONE,
        untold=frozenset(),
        covers=lambda _: True,
    )
    return msgspec.structs.replace(made, **changes)


def retrying(of: plan.Wanted, **changes: object) -> choosing.Choice:
    scope = choosing.Scope(everything=False, retried=frozenset({WEB}))
    return choice(of, scope=scope, failures={of.object: failed(of)}, **changes)


def test_what_is_as_git_wants_it_is_left_as_it_is_until_a_resync() -> None:
    of = item()

    assert not choice(of).is_due(of)
    assert choice(of, everything=True).is_due(of)
    assert choice(of, restated=frozenset({WEB})).is_due(of)
    assert choice(of, known=False).is_due(of)
    assert choice(of, observed={of.object: observed(of, missing=True)}).is_due(of)


def test_what_failed_waits_for_its_turn_and_other_content_does_not() -> None:
    of, newer = item(), item(digest=TWO)

    assert not choice(of, failures={of.object: failed(of)}).is_due(of)
    assert retrying(of).is_due(of)
    assert choice(of).is_due(newer)
    assert choice(of, failures={of.object: failed(of, ids.BundleId("test/other"))}).is_due(of)


def test_what_only_tells_drift_is_looked_at_when_another_would_be_applied() -> None:
    of = item(options=ALERT)
    gone = choice(of, observed={of.object: observed(of, missing=True)})

    for made in (choice(of, everything=True), choice(of, restated=frozenset({WEB})), gone):
        assert made.is_looked_at(of)
        assert not made.is_due(of)
    assert not choice(of).is_looked_at(of)
    assert not choice(item(), everything=True).is_looked_at(item())


def test_what_only_tells_drift_is_applied_with_new_content_of_its_bundle() -> None:
    of = item(options=ALERT)

    assert choice(of, renewed=frozenset({WEB})).is_due(of)
    assert not choice(of, renewed=frozenset({WEB})).is_looked_at(of)


def test_an_object_that_is_ignored_as_a_whole_is_created_again() -> None:
    of = item(options=bundles.BundleOptions(ignore=(bundles.IgnoreRule(kind="ConfigMap"),)))

    assert choice(of, observed={of.object: observed(of, missing=True)}).is_due(of)
    assert not choice(of, everything=True).is_due(of)
    assert not choice(of, known=False).is_unseen(of)


UNSEEN: list[tuple[str, Callable[[plan.Wanted], choosing.Choice], bool]] = [
    ("after a start", lambda of: choice(of, known=False), True),
    ("a resync where it is watched", lambda of: choice(of, everything=True), False),
    ("a resync where it is not", lambda of: choice(of, everything=True, covers=lambda _: False), True),
    ("no resync", lambda of: choice(of, covers=lambda _: False), False),
    ("new rules", lambda of: choice(of, restated=frozenset({WEB})), True),
    ("a failed apply", retrying, False),
    ("a failed apply and new rules", lambda of: retrying(of, restated=frozenset({WEB})), False),
    ("a failed look", lambda of: retrying(of, untold=frozenset({of.object})), True),
]


@pytest.mark.parametrize(("made", "unseen"), [(made, unseen) for _, made, unseen in UNSEEN], ids=[u[0] for u in UNSEEN])
def test_what_nobody_has_seen_is_looked_at_before_it_is_applied(
    made: Callable[[plan.Wanted], choosing.Choice], *, unseen: bool
) -> None:
    """Where it has the content of Git by what the inventory says, and anybody cares."""
    of = item()
    assert made(of).is_unseen(of) == unseen

    for careless in (item(options=OFF), item(entry=None), item(entry=entry(digest=TWO)), item(entry=entry(uid=""))):
        assert not made(careless).is_unseen(careless)
