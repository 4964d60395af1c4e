"""How long a drift has lasted, and how it ended."""

import datetime
from typing import Any

import pytest

from agents.domain import drift, ledger, plan
from protocol import bundles, drifts
from protocol.drifts import Means
from tests.agents.domain.examples import ONE, TWO, config_map, entry, wanted

AT = datetime.datetime(2026, 11, 5, 15, tzinfo=datetime.UTC)
LATER = AT + datetime.timedelta(hours=1)


def item(**changes: Any) -> plan.Wanted:
    return wanted(entry=entry(), **changes)


def found(at: datetime.datetime = AT, kind: drifts.Kind = drifts.Kind.CHANGED) -> drifts.Drift:
    return drift.lost(item(), kind, at)


def test_a_drift_lasts_since_it_was_first_noticed() -> None:
    first = ledger.opened(None, item(), found())

    assert ledger.opened(first, item(), found(LATER)) == first
    assert ledger.opened(first, item(), found(LATER, drifts.Kind.GONE)).drift.since == LATER


@pytest.mark.parametrize(
    ("now", "applied", "means"),
    [
        (item(), True, Means.REVERTED),
        (item(), False, Means.GONE),
        (item(digest=TWO), True, Means.ACCEPTED),
        (item(options=bundles.BundleOptions(drift=bundles.Drift.OFF)), False, Means.IGNORED),
        (item(options=bundles.BundleOptions(drift=bundles.Drift.OFF)), True, Means.REVERTED),
    ],
    ids=["applied again", "taken back", "new content", "another rule", "another rule, and applied"],
)
def test_how_it_ended_follows_from_what_became_of_it(now: plan.Wanted, applied: bool, means: Means) -> None:
    before = ledger.opened(None, item(digest=ONE), found())

    assert ledger.corrected(before, now, LATER, applied=applied) == drifts.Correction(found(), means, LATER)


def test_what_nobody_wants_or_another_bundle_has_is_over() -> None:
    open_ = {config_map(): ledger.opened(None, item(), found())}

    assert list(ledger.unwanted(open_, {config_map(): item()})) == []
    assert list(ledger.unwanted(open_, {})) == [config_map()]
    assert list(ledger.unwanted(open_, {config_map(): wanted(None, "other")})) == [config_map()]
