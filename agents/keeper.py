"""What is remembered of drift between two looks: what the watches saw, what is open, who fights, and what is over.

Only of this boot: after a restart everything is looked at once more, and the hub is told which drifts there are.
"""

import msgspec

from agents import clock
from agents.domain import drift, fights, ledger, ownership, plan, statuses
from protocol import bundles, drifts, ids

LOOKS_MAX = 100
"""Objects looked at in one turn because a watch saw them change; the rest follows in the next."""

CALM_S = 1.0
"""Between looks at one object because of what is not in our fields, such as a status that changes many times a second:
soon enough for people, and a bound of what others can make us ask."""

NEVER = float("inf")


class Turn(msgspec.Struct, frozen=True):
    """What to look at now."""

    drifted: tuple[ids.ObjectId, ...]
    """Something became of our fields, or of the object, or may have: what others hold of it, nothing else tells."""
    changed: tuple[ids.ObjectId, ...]
    """Something else did: its health may be another."""
    faded: tuple[ids.ObjectId, ...]
    """Their fights are over."""
    sightings: dict[ids.ObjectId, ownership.Sighting] = {}
    """Of those to look at."""

    def __bool__(self) -> bool:
        return bool(self.drifted or self.changed or self.faded)


class Keeper:
    """The memory of one cluster."""

    def __init__(self, clocks: clock.Clock, bounds: fights.Bounds) -> None:
        self._clock = clocks
        self._bounds = bounds
        self._calm: dict[ids.ObjectId, float] = {}
        """Looked at lately because of something else than our fields; and until when that was enough."""
        self._pending: dict[ids.ObjectId, ownership.Sighting] = {}
        """Seen and not looked at yet; at most one for each managed object."""
        self._contests: dict[ids.ObjectId, fights.Contest] = {}
        self._open: dict[ids.ObjectId, ledger.Opened] = {}
        self._closed: list[drifts.Correction] = []

    def see(self, sightings: dict[ids.ObjectId, ownership.Sighting]) -> None:
        """Remember what the watches saw."""
        self._pending |= sightings

    def turn(self, observed: statuses.Observations) -> Turn:
        """What to look at now. What is fought over waits, so that the fight is slow; it is not forgotten."""
        now = self._clock.monotonic()
        self._calm = {of: until for of, until in self._calm.items() if until > now}
        drifted, changed = list[ids.ObjectId](), list[ids.ObjectId]()
        for of, sighting in list(self._pending.items()):
            seen = observed.get(of)
            if seen is None or seen.sighting is None or not ownership.has_changed(seen.sighting, sighting):
                del self._pending[of]
            elif not ownership.has_drifted(seen.sighting, sighting):
                if of not in self._calm:
                    (drifted if seen.loose else changed).append(of)
            elif of not in self._contests or fights.next_at(self._contests[of], self._bounds) <= now:
                drifted.append(of)
        taken = drifted[:LOOKS_MAX], changed[:LOOKS_MAX]
        sightings = {of: self._pending.pop(of) for of in (*taken[0], *taken[1])}
        self._calm |= dict.fromkeys(sightings, now + CALM_S)
        return Turn(tuple(taken[0]), tuple(taken[1]), tuple(self._faded(now)), sightings)

    def again(self, turn: Turn) -> None:
        """The turn could not be looked at: it comes again, but for what was seen since."""
        self._pending = {**turn.sightings, **self._pending}
        self._calm = {of: until for of, until in self._calm.items() if of not in turn.sightings}

    @property
    def next_at(self) -> float:
        """When there is something to look at without anything new, by the monotonic clock."""
        bounds = self._bounds
        starts = {of: fights.next_at(one, bounds) for of, one in self._contests.items()}
        waiting = (self._calm.get(of, starts.get(of, 0.0)) for of in self._pending)
        fought = ((of, self._fight(of)) for of in self._contests.keys() - self._pending.keys())
        ends = (fights.over_at(one, bounds) for _, one in fought if one is not None)
        return min((*waiting, *ends), default=NEVER)

    def learn(self, item: plan.Wanted, seen: statuses.Observed, *, applied: bool) -> statuses.Observed:
        """What was found at a look or (`applied`) after an apply, completed by what is known of its drift."""
        of, before = item.object, self._open.get(item.object)
        if drift.policy(item) is not bundles.Drift.REVERT or (before is not None and before.options != item.options):
            self._contests.pop(of, None)  # nobody fights any more, or about something else
        if seen.drift is not None and drift.has_passed(seen.drift) and seen.drift.policy is not bundles.Drift.REVERT:
            seen = self._passed(seen, seen.drift, before)
        found, fight = seen.drift, self._fight(of)
        if found is None and fight is not None and before is not None and before.digest == item.digest:
            found = before.drift  # just reverted; other content from Git ends that
        if found is None:
            if before is not None:
                self._close(ledger.corrected(before, item, self._clock.now(), applied=applied), of)
            return seen
        if fight is not None:
            found = msgspec.structs.replace(found, fighting=fights.told(fight))
        self._open[of] = ledger.opened(before, item, found, stands=seen.drift is not None)
        return msgspec.structs.replace(seen, drift=self._open[of].drift)

    def reverting(self, item: plan.Wanted) -> None:
        """It is about to be applied again, because it has drifted."""
        opened = self._open.get(item.object)
        found = opened.drift if opened is not None else _unnamed(item, self._clock)
        self._contests[item.object] = fights.reverted(
            self._contests.get(item.object), found, at=self._clock.monotonic(), bounds=self._bounds
        )
        fight = self._fight(item.object)
        if opened is not None and fight is not None:
            fighting = msgspec.structs.replace(found, fighting=fights.told(fight))
            self._open[item.object] = msgspec.structs.replace(opened, drift=fighting)

    def forget(self, wanted: dict[ids.ObjectId, plan.Wanted]) -> None:
        """Nothing but these is wanted: what else had drifted is over."""
        for of in list(ledger.unwanted(self._open, wanted)):
            self._close(drifts.Correction(self._open[of].drift, drifts.Means.GONE, self._clock.now()), of)
        self._pending = {of: one for of, one in self._pending.items() if of in wanted}
        self._contests = {of: one for of, one in self._contests.items() if of in wanted}

    @property
    def open(self) -> dict[ids.ObjectId, drifts.Drift]:
        """The drifts that there are."""
        return {of: one.drift for of, one in self._open.items()}

    def take_closed(self) -> list[drifts.Correction]:
        """The drifts that ended since they were last taken."""
        found, self._closed = self._closed, []
        return found

    def _passed(self, seen: statuses.Observed, found: drifts.Drift, before: ledger.Opened | None) -> statuses.Observed:
        """A drift that was over before anybody saw it, where nothing has to be done about it."""
        if before is None:
            self._closed.append(drifts.Correction(found, drifts.Means.GONE, self._clock.now()))
        return msgspec.structs.replace(seen, drift=None)

    def _fight(self, of: ids.ObjectId) -> fights.Contest | None:
        """The fight over an object that goes on."""
        contest = self._contests.get(of)
        if contest is None or contest.lasted or not fights.is_fight(contest, self._bounds):
            return None
        return contest

    def _faded(self, now: float) -> list[ids.ObjectId]:
        bounds = self._bounds
        self._contests = {of: one for of, one in self._contests.items() if not fights.is_forgotten(one, now, bounds)}
        found = []
        for of in [of for of, one in self._contests.items() if not one.lasted and self._has_lasted(of, one, now)]:
            fight = self._fight(of)
            self._contests[of] = msgspec.structs.replace(self._contests[of], lasted=True)
            opened = self._open.get(of)
            if fight is None or opened is None:
                continue
            found.append(of)
            if opened.stands:  # the revert failed, and goes on to be tried
                peaceful = msgspec.structs.replace(opened.drift, fighting=None)
                self._open[of] = msgspec.structs.replace(opened, drift=peaceful)
            else:
                self._close(drifts.Correction(opened.drift, drifts.Means.REVERTED, self._clock.now()), of)
        return found

    def _has_lasted(self, of: ids.ObjectId, contest: fights.Contest, now: float) -> bool:
        return of not in self._pending and fights.is_over(contest, now, self._bounds)

    def _close(self, correction: drifts.Correction, of: ids.ObjectId) -> None:
        del self._open[of]
        self._closed.append(correction)


def is_reverted(item: plan.Wanted, seen: statuses.Observed) -> bool:
    """After a look: is the object to be applied again? Also where nobody is known to hold our fields any more."""
    if seen.sighting is None or drift.policy(item) is not bundles.Drift.REVERT:
        return False
    if not drift.is_compared(item):
        return seen.sighting.gone  # ignored as a whole, but for that it is there
    return seen.drift is not None or bool(seen.loose) or seen.sighting.fields == ownership.NOTHING_OURS


def _unnamed(item: plan.Wanted, clocks: clock.Clock) -> drifts.Drift:
    return drift.lost(item, drifts.Kind.CHANGED, clocks.now())
