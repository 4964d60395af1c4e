"""What was heard of a cluster: by the order in which it was said, never by the order in which it came."""

import datetime
import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain import observed, publications
from protocol import bundles, canonical, desired, drifts, ids, reports, status
from protocol.canonical import NO_DIGEST
from tests.controller.domain import examples

CLUSTER = examples.cluster_id(0)
WEB, API = ids.BundleId("shop/web"), ids.BundleId("shop/api")
SILENCE = datetime.timedelta(seconds=30)


def origin(number: int = 1, *, boot: int = 1, **changes: Any) -> reports.Origin:
    fields: dict[str, Any] = {"epoch": 1, "generation": number, "log_head": desired.GENESIS, **changes}
    return reports.Origin(cluster=CLUSTER, boot=boot, number=number, at=examples.AT, **fields)


def bundle(
    name: ids.BundleId, text: str = "a", *, health: status.Health = status.Health.HEALTHY, **changes: Any
) -> reports.BundleStatus:
    fields: dict[str, Any] = {"sync": status.Sync.SYNCED, "objects": 1, **changes}
    return reports.BundleStatus(bundle=name, index=examples.digest(text), health=health, **fields)


def applied(number: int, *found: reports.BundleStatus, boot: int = 1, text: str = "root") -> reports.Applied:
    return reports.Applied(
        origin=origin(number, boot=boot), root=examples.digest(text), bundles=found, inventory=number
    )


def hello(number: int = 1, *, boot: int = 1, version: str = "1.33") -> reports.Hello:
    return reports.Hello(
        origin=origin(number, boot=boot), cluster_uid=f"uid-{version}", agent_version="0.1", root=NO_DIGEST,
        kubernetes_version=version, inventory=100 + number,
    )  # fmt: skip


def undeleted(debt: str) -> reports.Undeleted:
    return reports.Undeleted(
        debt=ids.DebtId(debt), object=examples.config_map("a"), reason="Cascade", message="takes a pod along"
    )


def folded(*said: reports.Report) -> observed.Observed:
    return functools.reduce(observed.evolve, said, observed.initial(CLUSTER))


def orphaned(number: int, *names: str, boot: int = 1) -> reports.Orphaned:
    found = tuple(reports.Orphan(object=examples.config_map(name), bundle=WEB) for name in names)
    return reports.Orphaned(origin=origin(number, boot=boot), orphans=found, total=len(found))


def refused(number: int, *, boot: int = 1) -> reports.Refused:
    return reports.Refused(
        origin=origin(number, boot=boot), refusal=reports.Refusal.STALE, message="", seen_epoch=1, seen_generation=1,
        count=number,
    )  # fmt: skip


def drifted(number: int, *names: str, boot: int = 1, whole: bool = False) -> reports.DriftDetected:
    return reports.DriftDetected(
        origin(number, boot=boot), tuple(drift_of(name) for name in names), all=whole, left_out=number
    )


def corrected(number: int, *names: str, boot: int = 1) -> reports.DriftCorrected:
    ended = tuple(drifts.Correction(drift_of(name), drifts.Means.REVERTED, examples.AT) for name in names)
    return reports.DriftCorrected(origin(number, boot=boot), ended)


def drift_of(name: str) -> drifts.Drift:
    kind, policy = drifts.Kind.GONE, bundles.Drift.ALERT
    return drifts.Drift(examples.config_map(name), WEB, policy, kind, examples.AT)


@st.composite
def report(draw: st.DrawFn) -> reports.Report:
    number, boot = draw(st.integers(1, 6)), draw(st.integers(1, 2))
    text = draw(st.sampled_from("abc"))
    found = tuple(bundle(name, text) for name in draw(st.sets(st.sampled_from([WEB, API]))))
    made: list[reports.Report] = [
        hello(number, boot=boot, version=f"1.{number}"),
        applied(number, *found, boot=boot, text=text),
        reports.Ready(origin=origin(number, boot=boot), root=NO_DIGEST, bundles=found),
        reports.Failed(origin=origin(number, boot=boot), root=NO_DIGEST, bundles=found),
        reports.Adopted(origin=origin(number, boot=boot), objects=()),
        orphaned(number, *text, boot=boot),
        refused(number, boot=boot),
        drifted(number, *text, boot=boot, whole=number == 3),
        corrected(number, *text, boot=boot),
    ]
    return draw(st.sampled_from(made))


def order(one: reports.Report) -> tuple[int, int]:
    return one.origin.boot, one.origin.number


@settings(max_examples=300)
@given(
    said=st.lists(report(), max_size=8, unique_by=order),
    again=st.lists(st.integers(0, 7), max_size=4),
    data=st.data(),
)
def test_in_whatever_order_reports_come_and_however_often_the_newest_counts(
    said: list[reports.Report], again: list[int], data: st.DataObject
) -> None:
    repeated = said + [said[index] for index in again if index < len(said)]
    came = data.draw(st.permutations(repeated))

    assert canonical.encode(folded(*came)) == canonical.encode(folded(*sorted(said, key=order)))


def test_a_bundle_that_is_not_spoken_of_stays_as_it_was_said() -> None:
    seen = folded(applied(1, bundle(WEB), bundle(API)), applied(2, bundle(WEB, "b")))

    assert seen.bundles == {WEB: bundle(WEB, "b"), API: bundle(API)}
    assert observed.bundle_status(seen, API, examples.digest("a")) == bundle(API)
    assert observed.bundle_status(seen, WEB, examples.digest("a")) is None, "it speaks of another content"
    assert observed.bundle_status(seen, ids.BundleId("shop/none"), examples.digest("a")) is None


def test_a_deletion_that_was_refused_is_listed_until_it_is_settled() -> None:
    refused = reports.Deleted(origin=origin(1), confirmations=(), undeleted=(undeleted("d1"), undeleted("d2")))
    settled = reports.Confirmation(debt=ids.DebtId("d1"), object=examples.config_map("a"), outcome=reports.Outcome.GONE)

    seen = folded(refused, reports.Deleted(origin=origin(2), confirmations=(settled,)))

    assert list(seen.undeleted) == ["d2"]


def test_a_cluster_is_online_while_it_was_heard_lately() -> None:
    seen = observed.heard(observed.initial(CLUSTER), examples.AT)

    assert not observed.online(observed.initial(CLUSTER), examples.AT, SILENCE)
    assert observed.online(seen, examples.later(30), SILENCE)
    assert not observed.online(seen, examples.later(31), SILENCE)


def test_a_heartbeat_says_where_the_cluster_stands() -> None:
    seen = observed.beat(observed.initial(CLUSTER), reports.Beat(origin=origin(7, generation=41), root=NO_DIGEST))

    assert (seen.newest, seen.generation) == ((1, 7), 41)


def test_what_a_cluster_should_not_have_any_more_is_forgotten() -> None:
    seen = folded(applied(1, bundle(WEB), bundle(API)), drifted(2, "a"))
    root = bundles.ClusterRoot(bundles=(bundles.RootEntry(bundle=WEB, index=examples.digest("a")),))

    kept = observed.pruned(seen, root)

    assert (set(kept.bundles), set(kept.said)) == ({WEB}, {WEB})
    assert kept.drifts == seen.drifts
    assert observed.pruned(kept, root) is kept
    assert observed.pruned(kept, bundles.ClusterRoot(())).drifts.open == {}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([bundle(WEB), bundle(API)], status.Health.HEALTHY),
        ([bundle(WEB), bundle(API, health=status.Health.DEGRADED)], status.Health.DEGRADED),
        ([bundle(WEB)], status.Health.PROGRESSING),
        ([bundle(WEB), bundle(API, "of an older content")], status.Health.PROGRESSING),
    ],
)
def test_a_cluster_is_as_healthy_as_the_worst_bundle_that_it_should_have(
    found: list[reports.BundleStatus], expected: status.Health
) -> None:
    entries = tuple(bundles.RootEntry(bundle=name, index=examples.digest("a")) for name in (API, WEB))

    assert observed.health(folded(applied(1, *found)), bundles.ClusterRoot(bundles=entries)) is expected


def test_what_is_stored_for_a_cluster_is_read_as_its_last_publication() -> None:
    state = desired.DesiredState(
        cluster=CLUSTER, cluster_uid="uid", epoch=2, generation=7, previous_root=NO_DIGEST, root=examples.digest("r"),
        revisions=(), deletions=examples.digest("d"), log_head=desired.LogHead(sequence=9, hash=examples.digest("h")),
    )  # fmt: skip

    found = publications.read(CLUSTER, 5, state)

    assert (found.sequence, found.epoch, found.generation, found.root) == (5, 2, 7, state.root)
    assert (found.deletions, found.log_head, found.at) == (state.deletions, state.log_head, None)


@pytest.mark.parametrize(
    ("says", "contained", "reason"),
    [
        ({"epoch": 1, "generation": 99}, False, ""),
        ({"epoch": 2, "generation": 7}, True, ""),
        ({"epoch": 2, "generation": 8}, True, "it is at epoch 2, generation 8, and this hub gave it at most 2, 7"),
        ({"epoch": 3, "generation": 1}, True, "it is at epoch 3, generation 1, and this hub gave it at most 2, 7"),
        ({"epoch": 2, "generation": 6}, False, "its state rests on event 0 of another log"),
    ],
)
def test_a_cluster_that_holds_what_this_hub_cannot_have_given_is_ahead(
    says: dict[str, int], contained: bool, reason: str
) -> None:
    assert publications.ahead(origin(**says), (2, 7), epoch=2, contained=contained) == reason


@pytest.mark.parametrize(
    ("says", "contained", "expected"),
    [
        ({"epoch": 2}, True, True),
        ({"epoch": 2}, False, False),
        ({"epoch": 1, "log_head": desired.LogHead(sequence=4, hash=examples.digest("h"))}, True, False),
        ({"epoch": 0}, True, True),
    ],
)
def test_deletions_are_named_once_a_cluster_showed_a_log_head_of_ours_in_this_epoch(
    says: dict[str, Any], contained: bool, expected: bool
) -> None:
    assert publications.verified(origin(**says), epoch=2, contained=contained) is expected


def beat(number: int, reported: int = 0, *, boot: int = 1) -> reports.Beat:
    return reports.Beat(origin=origin(number, boot=boot), root=NO_DIGEST, reported=reported)


def test_how_a_cluster_stands_is_known_as_long_as_no_report_is_missing() -> None:
    """A heartbeat that tells of a report which did not come leaves everything as of the last time."""
    first, second, third = (examples.AT + datetime.timedelta(seconds=n) for n in (10, 20, 30))
    seen = observed.heard(observed.evolve(observed.initial(CLUSTER), applied(1, bundle(WEB))), first)
    still = observed.heard(observed.beat(seen, beat(1, 1)), second)
    missing = observed.heard(observed.beat(still, beat(2, 2)), third)
    whole = observed.heard(observed.evolve(missing, applied(2, bundle(WEB))), third)

    assert [one.known_at for one in (seen, still, missing, whole)] == [first, second, second, third]
    assert [one.heard_at for one in (seen, still, missing, whole)] == [first, second, third, third]


def test_an_agent_that_reported_nothing_yet_promises_nothing() -> None:
    """Neither after a restart, nor one of an older version."""
    seen = observed.evolve(observed.initial(CLUSTER), applied(4, bundle(WEB)))

    assert observed.heard(observed.beat(seen, beat(0, boot=2)), examples.AT).known_at == examples.AT


def test_what_is_recalled_tells_how_it_was_and_not_that_it_is_there() -> None:
    """And never makes what was heard since older."""
    later = examples.AT + datetime.timedelta(seconds=1)
    seen = observed.recalled(observed.evolve(observed.initial(CLUSTER), applied(1)), examples.AT)

    assert (seen.heard_at, seen.said_at, seen.known_at) == (None, examples.AT, examples.AT)
    assert not observed.online(seen, examples.AT, SILENCE)
    assert observed.recalled(observed.heard(seen, later), examples.AT).said_at == later


@pytest.mark.parametrize(
    ("before", "held", "expected"),
    [
        (publications.Publication(cluster=CLUSTER), (0, 0), None),
        (publications.Publication(cluster=CLUSTER, sequence=3, epoch=1, generation=3), (1, 3), None),
        (publications.Publication(cluster=CLUSTER, sequence=3, epoch=1, generation=3), (1, 2), "now"),
        (publications.Publication(cluster=CLUSTER, sequence=3, epoch=1, generation=3, at=examples.AT), (1, 2), "then"),
        (
            publications.Publication(cluster=CLUSTER, sequence=3, epoch=1, generation=3, missed_at=examples.AT),
            (1, 1),
            "then",
        ),
    ],
)
def test_a_cluster_is_behind_since_the_first_state_that_it_missed(
    before: publications.Publication, held: tuple[int, int], expected: str | None
) -> None:
    now = examples.AT + datetime.timedelta(seconds=60)

    assert publications.missed(before, held, now) == {"now": now, "then": examples.AT, None: None}[expected]


def standby(agent: str, holder: str = "", reason: str = "waits") -> reports.Standby:
    return reports.Standby(cluster=CLUSTER, at=examples.AT, agent=agent, reason=reason, holder=holder)


def test_an_agent_that_waits_says_nothing_of_the_cluster_and_is_forgotten_when_it_is_silent() -> None:
    before = folded(hello(3))
    seen = observed.stood_by(before, standby("b", holder="a"), examples.AT)
    late = examples.AT + SILENCE + datetime.timedelta(seconds=1)

    assert (seen.heard_at, seen.newest, seen.generation) == (before.heard_at, before.newest, before.generation)
    assert [one.is_second for one in observed.standing_by(seen, examples.AT, SILENCE)] == [True]
    assert observed.standing_by(seen, late, SILENCE) == ()


@pytest.mark.parametrize("holder", ["", "b"])
def test_an_agent_beside_which_nobody_acts_is_not_a_second_one(holder: str) -> None:
    seen = observed.stood_by(folded(), standby("b", holder=holder), examples.AT)

    assert [one.is_second for one in seen.waiting] == [False]


def test_an_agent_waits_once_and_waits_no_more_when_it_acts() -> None:
    seen = observed.stood_by(folded(), standby("b", reason="first"), examples.AT)
    seen = observed.stood_by(seen, standby("c"), examples.AT)
    seen = observed.stood_by(seen, standby("b", reason="then"), examples.AT)
    acting = observed.beat(seen, reports.Beat(origin=origin(5), root=NO_DIGEST, agent="b"))
    late = observed.beat(acting, reports.Beat(origin=origin(4), root=NO_DIGEST, agent="c"))

    assert [(one.agent, one.reason) for one in seen.waiting] == [("c", "waits"), ("b", "then")]
    assert [(one.agent, [other.agent for other in one.waiting]) for one in (acting, late)] == [("b", ["c"])] * 2


def test_agents_that_wait_are_bounded() -> None:
    seen = folded()
    for number in range(observed.STANDBYS_MAX + 2):
        seen = observed.stood_by(seen, standby(f"agent-{number}"), examples.AT)

    assert len(seen.waiting) == observed.STANDBYS_MAX
    assert seen.waiting[0].agent == "agent-2"
