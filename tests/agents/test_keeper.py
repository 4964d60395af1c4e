"""The memory of drift, with a clock that a test moves: what is looked at when, and how fights begin and end."""

import datetime

import msgspec

from agents import keeper
from agents.domain import drift, fights, health, plan, statuses
from agents.domain.ownership import GONE, Sighting
from protocol import bundles, drifts
from protocol.drifts import Means
from protocol.status import Action
from tests.agents.domain.examples import TWO, config_map, entry, wanted

START = datetime.datetime(2026, 11, 5, 12, tzinfo=datetime.UTC)
KNOWN = Sighting("uid", "10", 7)
BOUNDS = fights.Bounds()
OURS_LOST = Sighting("uid", "11", 8)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at


def item(name: str = "settings", **changes: object) -> plan.Wanted:
    return wanted(config_map(name), entry=entry(config_map(name)), **changes)


def seen(of: plan.Wanted, sighting: Sighting | None = KNOWN, found: drifts.Drift | None = None) -> statuses.Observed:
    return statuses.Observed(
        of.digest, of.bundle, "uid", "10", Action.UNCHANGED, health.HEALTHY, drift=found, sighting=sighting
    )


def changed(of: plan.Wanted, manager: str = "hpa") -> drifts.Drift:
    found = drift.lost(of, drifts.Kind.CHANGED, START)
    return msgspec.structs.replace(found, fields=(drifts.Field(".data.a", "1", "2", manager),))


def fought(kept: keeper.Keeper, clock: Clock, of: plan.Wanted, rounds: int = BOUNDS.reverts_min) -> None:
    """So many reverts in a row, a second after another."""
    for _ in range(rounds):
        clock.at += 1
        kept.learn(of, seen(of, found=changed(of)), applied=False)
        kept.reverting(of)
        kept.learn(of, seen(of), applied=True)


def test_what_was_seen_is_looked_at_for_what_became_of_it() -> None:
    """Once; what tells nothing new, or is not known yet, is forgotten."""
    kept, one = keeper.Keeper(Clock(), BOUNDS), {name: item(name) for name in "abcd"}
    observed = {of.object: seen(of) for of in one.values()} | {one["d"].object: seen(one["d"], None)}
    kept.see(
        {
            one["a"].object: OURS_LOST,
            one["b"].object: Sighting("uid", "11", 7),
            one["c"].object: KNOWN,
            one["d"].object: OURS_LOST,
            item("e").object: OURS_LOST,
        }
    )

    assert kept.next_at == 0.0
    turn = kept.turn(observed)
    assert turn == keeper.Turn(
        (one["a"].object,),
        (one["b"].object,),
        (),
        {one["a"].object: OURS_LOST, one["b"].object: Sighting("uid", "11", 7)},
    )
    assert kept.next_at == keeper.NEVER
    assert not kept.turn(observed)

    newer = Sighting("uid", "12", 9)
    kept.see({one["a"].object: newer})
    kept.again(turn)
    assert kept.turn(observed).sightings == {**turn.sightings, one["a"].object: newer}


def test_a_turn_is_bounded_and_the_rest_follows() -> None:
    kept, many = keeper.Keeper(Clock(), BOUNDS), [item(f"i{number:03}") for number in range(keeper.LOOKS_MAX + 1)]
    observed = {of.object: seen(of) for of in many}
    kept.see({of.object: OURS_LOST for of in many})

    assert len(kept.turn(observed).drifted) == keeper.LOOKS_MAX
    assert kept.turn(observed).drifted == (many[-1].object,)


def test_a_drift_is_open_until_a_look_or_an_apply_finds_none() -> None:
    kept, of = keeper.Keeper(Clock(), BOUNDS), item()
    told = kept.learn(of, seen(of, found=changed(of)), applied=False)
    assert (told.drift, kept.open) == (changed(of), {of.object: changed(of)})

    assert kept.learn(of, seen(of), applied=False).drift is None
    assert (kept.open, kept.take_closed()) == ({}, [drifts.Correction(changed(of), Means.GONE, START)])
    assert kept.take_closed() == []


def test_what_others_hold_of_an_object_is_looked_into_whenever_it_changes() -> None:
    """Our entry does not tell what becomes of it. Not at once again, though: some write all the time."""
    clock, of, calm = Clock(), item(), item("calm")
    kept = keeper.Keeper(clock, BOUNDS)
    loose = msgspec.structs.replace(seen(of, found=changed(of)), loose=1)
    observed = {of.object: loose, calm.object: seen(calm)}
    for version in ("11", "12"):
        kept.see({of.object: Sighting("uid", version, 7), calm.object: Sighting("uid", version, 7)})
        turn = kept.turn(observed)
        assert (turn.drifted, turn.changed) == ((of.object,), (calm.object,))
        kept.see({of.object: Sighting("uid", "13", 7)})
        assert not kept.turn(observed)
        assert kept.next_at == clock.at + keeper.CALM_S
        clock.at += keeper.CALM_S

    kept.see({of.object: Sighting("uid", "14", 7)})
    turn = kept.turn(observed)
    kept.again(turn)
    assert kept.turn(observed).drifted == (of.object,)


def test_a_change_of_our_fields_does_not_wait() -> None:
    kept, of = keeper.Keeper(Clock(), BOUNDS), item()
    kept.see({of.object: Sighting("uid", "11", 7)})
    assert kept.turn({of.object: seen(of)}).changed == (of.object,)

    kept.see({of.object: OURS_LOST})
    assert kept.turn({of.object: seen(of)}).drifted == (of.object,)


def test_a_drift_that_was_over_before_it_was_seen_is_told_once_and_not_open() -> None:
    """Where it is reverted it is open until then: the field has to be ours again."""
    alert, revert = item(options=bundles.BundleOptions(drift=bundles.Drift.ALERT)), item("reverted")
    passed = {
        of.object: msgspec.structs.replace(
            changed(of), fields=(drifts.Field(".data.a", "1", "1", "somebody", passed=True),)
        )
        for of in (alert, revert)
    }
    kept = keeper.Keeper(Clock(), BOUNDS)
    assert kept.learn(alert, seen(alert, found=passed[alert.object]), applied=False).drift is None
    assert kept.open == {}
    assert kept.take_closed() == [drifts.Correction(passed[alert.object], Means.GONE, START)]

    kept.learn(alert, seen(alert, found=changed(alert)), applied=False)
    kept.learn(alert, seen(alert, found=passed[alert.object]), applied=False)
    assert kept.take_closed() == [drifts.Correction(changed(alert), Means.GONE, START)]

    assert kept.learn(revert, seen(revert, found=passed[revert.object]), applied=False).drift is not None
    assert kept.open == {revert.object: passed[revert.object]}


def test_what_nobody_wants_any_more_is_over() -> None:
    kept, of = keeper.Keeper(Clock(), BOUNDS), item()
    kept.learn(of, seen(of, found=changed(of)), applied=False)
    kept.see({of.object: OURS_LOST})
    kept.forget({})

    assert [one.means for one in kept.take_closed()] == [Means.GONE]
    assert not kept.turn({of.object: seen(of)})


def test_a_fight_is_open_slow_and_told() -> None:
    """Reverted as it is, its drift stays open; the next look waits its time."""
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    assert kept.open[of.object].fighting == drifts.Fight("hpa", ".data.a", BOUNDS.reverts_min)
    assert [one.means for one in kept.take_closed()] == [Means.REVERTED] * (BOUNDS.reverts_min - 1)

    kept.see({of.object: OURS_LOST})
    observed = {of.object: seen(of)}
    assert not kept.turn(observed)
    assert kept.next_at == clock.at + BOUNDS.pause_base_s

    clock.at += BOUNDS.pause_base_s
    assert kept.turn(observed).drifted == (of.object,)
    fought(kept, clock, of, 1)
    assert kept.open[of.object].fighting == drifts.Fight("hpa", ".data.a", BOUNDS.reverts_min + 1)


def test_a_fight_is_over_once_a_revert_has_lasted() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    kept.take_closed()
    assert kept.next_at == clock.at + BOUNDS.pause_base_s + BOUNDS.window_s

    clock.at = kept.next_at
    assert kept.turn({of.object: seen(of)}).faded == (of.object,)
    assert (kept.open, kept.next_at) == ({}, keeper.NEVER)
    assert [one.means for one in kept.take_closed()] == [Means.REVERTED]


def test_a_few_reverts_leave_nothing_behind() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of, 1)
    clock.at += BOUNDS.window_s

    assert kept.turn({of.object: seen(of)}).faded == ()


def test_other_content_from_git_ends_a_fight() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    kept.take_closed()
    newer = item(digest=TWO)

    assert kept.learn(newer, seen(newer), applied=True).drift is None
    assert [one.means for one in kept.take_closed()] == [Means.ACCEPTED]


def test_who_comes_back_after_a_fight_goes_on_with_it() -> None:
    """A controller that looks every few minutes is noticed as well; each end is told."""
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    for number in range(1, BOUNDS.reverts_min + 2):
        fought(kept, clock, of, 1)
        assert (kept.open.get(of.object) is not None) == (number >= BOUNDS.reverts_min)
        clock.at += BOUNDS.window_s + BOUNDS.memory_s / 2
        kept.turn({of.object: seen(of)})
        assert kept.open == {}

    ends = [one.drift.fighting.count if one.drift.fighting else 0 for one in kept.take_closed()]
    assert ends == [0, 0, 3, 4]


def test_a_fight_ends_where_the_bundle_says_that_it_is_not_reverted_any_more() -> None:
    """What differs then stays open, and is nobody's fight."""
    clock, of, alert = Clock(), item(), item(options=bundles.BundleOptions(drift=bundles.Drift.ALERT))
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    kept.take_closed()
    kept.learn(alert, seen(alert, found=changed(alert)), applied=False)
    assert kept.open[of.object].fighting is None

    clock.at += BOUNDS.pause_base_s + BOUNDS.window_s
    assert kept.turn({of.object: seen(alert)}).faded == ()
    assert (list(kept.open), kept.take_closed(), kept.next_at) == ([of.object], [], keeper.NEVER)


def test_a_fight_ends_where_the_bundle_ignores_what_it_is_about() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    kept.take_closed()
    ignoring = item(options=bundles.BundleOptions(ignore=(bundles.IgnoreRule(pointers=("/data/a",)),)))

    assert kept.learn(ignoring, seen(ignoring), applied=False).drift is None
    assert [one.means for one in kept.take_closed()] == [Means.IGNORED]


def test_a_drift_whose_revert_fails_does_not_end_with_the_fight() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    kept.take_closed()
    kept.learn(of, seen(of, found=changed(of)), applied=False)
    kept.reverting(of)
    clock.at = kept.next_at

    assert kept.turn({of.object: seen(of)}).faded == (of.object,)
    assert (kept.open, kept.take_closed()) == ({of.object: changed(of)}, [])


def test_what_waits_to_be_looked_at_does_not_make_the_end_of_a_fight_a_hot_loop() -> None:
    clock, of = Clock(), item()
    kept = keeper.Keeper(clock, BOUNDS)
    fought(kept, clock, of)
    clock.at = kept.next_at - 0.1
    kept.see({of.object: Sighting("uid", "11", 7)})
    assert kept.turn({of.object: seen(of)}).changed == (of.object,)
    kept.see({of.object: Sighting("uid", "12", 7)})
    clock.at += 0.2

    assert not kept.turn({of.object: seen(of)})
    assert kept.next_at > clock.at


def test_only_what_the_policy_reverts_is_reverted() -> None:
    of, alert = item(), item(options=bundles.BundleOptions(drift=bundles.Drift.ALERT))
    whole = item(options=bundles.BundleOptions(ignore=(bundles.IgnoreRule(kind="ConfigMap"),)))

    assert keeper.is_reverted(of, seen(of, found=changed(of)))
    assert not keeper.is_reverted(alert, seen(alert, found=changed(alert)))
    assert not keeper.is_reverted(of, seen(of))
    assert not keeper.is_reverted(of, seen(of, None))
    assert keeper.is_reverted(of, msgspec.structs.replace(seen(of), loose=1)), "some field of ours is nobody's"
    assert keeper.is_reverted(of, seen(of, Sighting("uid", "11", 0))), "nobody is told to hold our fields"
    assert not keeper.is_reverted(whole, seen(whole, OURS_LOST))
    assert keeper.is_reverted(whole, seen(whole, GONE))
