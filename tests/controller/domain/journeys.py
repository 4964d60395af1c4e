"""A rollout on its way, driven by facts as the hub drives it; every event is checked against I10 as it is decided."""

import datetime
from collections.abc import Collection, Iterable

import msgspec

from controller.domain import rollout_state, rollouts, stages, strategies
from protocol import canonical, ids, specs
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import rollouts as events
from tests.controller.domain import examples

STEPS_MAX = 100
"""Decisions until nothing changes any more: a journey of six clusters needs some twenty."""

HEALTHY = rollouts.Verdict()


def content(catalog: Digest, cluster: ids.ClusterId) -> str:
    """What a catalog means for a cluster: catalogs that mean the same do not touch it."""
    if catalog == NO_DIGEST:
        return ""
    odd = ord(cluster[1]) % 2
    return f"{catalog[:1]}-odd" if odd else catalog


class Journey:
    """The rollouts of one source, with the fleet around them."""

    def __init__(self, size: int = 4, policy: specs.RolloutPolicy = specs.DEFAULT_POLICY) -> None:
        self.fleet = [examples.cluster(number) for number in range(size)]
        self.policy = policy
        self.wishes: tuple[strategies.Strategy, ...] = ()
        """Of the bundles that the next commits change."""
        self.state = rollout_state.initial(examples.SHOP)
        self.at = examples.AT
        self.online = {cluster.id for cluster in self.fleet}
        self.suspended: set[ids.ClusterId] = set()
        self.removed: set[ids.ClusterId] = set()
        self.verdicts: dict[ids.ClusterId, rollouts.Verdict] = {}
        self.events: list[events.Event] = []
        self.admitted: set[ids.ClusterId] = set()
        """Given the present rollout's revision by it."""
        self.before: dict[ids.ClusterId, Digest] = {}
        """What each cluster had when the present rollout started."""
        self.wanted: tuple[Digest, str] = (NO_DIGEST, "")
        """The newest catalog, and the revision that it is of."""
        self.counted: set[ids.ClusterId] = set()
        """Failed with the present revision, under whichever rendering of it, and not judged again since."""

    @property
    def current(self) -> rollout_state.Rollout:
        assert self.state.current is not None
        return self.state.current

    @property
    def absent(self) -> set[ids.ClusterId]:
        return self.suspended | self.removed

    def facts(self) -> rollouts.Facts:
        return rollouts.Facts(
            at=self.at,
            online=frozenset(self.online),
            reports_sequence=len(self.events),
            verdicts={c: v for c, v in self.verdicts.items() if self.state.current and c in self.current.in_flight},
            absent=frozenset(self.absent),
            removed=frozenset(self.removed),
            outside=self._outside(),
            joining=tuple(
                cluster.id
                for cluster in self.fleet
                if cluster.id in self.online - self.absent and cluster.id not in self.state.assigned
            ),
        )

    def commit(self, catalog: Digest, revision: str = "") -> tuple[events.Event, ...]:
        """A revision was resolved, by default a new one: begin to roll it out."""
        self.wanted = catalog, revision or catalog
        return self.look()

    def look(self) -> tuple[events.Event, ...]:
        """Begin to roll out what was resolved last, if that has not begun and nothing holds it."""
        catalog, revision = self.wanted
        inherited = rollout_state.inherited(self.state, frozenset(self.online))
        counted = rollout_state.counted(self.state, revision, inherited)
        situation = stages.Situation(
            affected=tuple(
                cluster
                for cluster in self.fleet
                if cluster.id not in self.absent | counted
                and (cluster.id in inherited or self._is_affected(cluster.id, catalog))
            ),
            online=frozenset(self.online),
            inherited=inherited,
            wishes=self.wishes,
        )
        command = rollouts.Start(
            rollout=ids.RolloutId(f"shop-{len(self.events) + 1}"),
            revision=revision,
            catalog=catalog,
            policy=self.policy,
            plan=stages.plan(self.policy, situation),
        )
        return self.take(rollouts.start(self.state, command))

    def step(self) -> tuple[events.Event, ...]:
        """One decision."""
        return self.take(rollouts.advance(self.state, self.facts()))

    def advance(self) -> "Journey":
        """Decide until there is nothing to decide."""
        for _ in range(STEPS_MAX):
            if not self.step():
                return self
        raise AssertionError(f"still deciding after {STEPS_MAX} steps: {self.events[-3:]}")

    def take(self, decided: Iterable[events.Event]) -> tuple[events.Event, ...]:
        """Fold events in, checking each."""
        taken = tuple(decided)
        for event in taken:
            self._check(event)
            had, self.state = self.state, rollout_state.evolve(self.state, event)
            self._checked(had, event)
            self.events.append(event)
        return taken

    def wait(self, seconds: float) -> "Journey":
        """Let time pass."""
        self.at += datetime.timedelta(seconds=seconds)
        return self

    def judge(self, verdict: rollouts.Verdict, *numbers: int) -> "Journey":
        """These clusters, or all in flight, are done."""
        chosen = [examples.cluster_id(number) for number in numbers] or list(self.current.in_flight)
        self.verdicts.update(dict.fromkeys(chosen, verdict))
        return self

    def flying(self) -> set[ids.ClusterId]:
        """Who has a slot."""
        return set(self.current.in_flight) | set(self.current.ghosts)

    def refold(self) -> rollout_state.State:
        """The state that the stored events give."""
        state = rollout_state.initial(examples.SHOP)
        for event in examples.through_the_wire(self.events):
            state = rollout_state.evolve(state, event)  # type: ignore[arg-type]
        return state

    def _is_affected(self, cluster: ids.ClusterId, catalog: Digest) -> bool:
        return content(self.state.assigned.get(cluster, NO_DIGEST), cluster) != content(catalog, cluster)

    def _outside(self) -> tuple[ids.ClusterId, ...]:
        if self.state.current is None or not all(stage.completed for stage in self.current.stages):
            return ()
        return tuple(
            cluster
            for cluster, given in sorted(self.state.assigned.items())
            if given != self.current.catalog
            and cluster not in self.current.planned
            and self._is_affected(cluster, self.current.catalog)
        )

    def _check(self, event: events.Event) -> None:
        match event:
            case events.RolloutStarted():
                self._check_start(event)
            case events.StagePlanned():
                if event.stage.name == rollout_state.INHERITED:
                    self.counted -= set(event.stage.clusters)
            case events.RolloutRetried():
                self.counted.clear()
            case events.ClustersAdmitted(stage=rollout_state.JOINING):
                assert not set(event.clusters) & set(self.state.assigned), "joins what it has"
                assert event.catalog == self.state.completed, "joins something that is not complete"
            case events.ClustersAdmitted():
                self._check_admission(event)
            case events.ClustersSettled():
                self._check_settlement(event)
            case events.ClustersDeferred():
                assert not set(event.clusters) & self.flying(), "deferred with a slot"
            case events.StageCompleted():
                stage = next(stage for stage in self.current.stages if stage.name == event.stage)
                assert set(stage.clusters) & self.current.succeeded or set(stage.clusters) <= self.removed, (
                    "a stage is done without a success"
                )
            case events.RolloutCompleted():
                assert self.flying() == set(), "completed with clusters in flight"

    def _check_start(self, event: events.RolloutStarted) -> None:
        had = self.state.current
        if had is not None and had.revision == event.revision:
            assert had.phase in (rollout_state.Phase.RUNNING, rollout_state.Phase.COMPLETED), "begins what was stopped"
        else:
            self.counted.clear()
        self.admitted = set()
        self.before = dict(self.state.assigned)

    def _check_admission(self, event: events.ClustersAdmitted) -> None:
        current, admitted = self.current, set(event.clusters)
        assert current.phase in (rollout_state.Phase.RUNNING, rollout_state.Phase.COMPLETED)
        assert self.counted <= set(current.failed), "a failure with this revision is forgotten"
        assert len(current.failed) <= current.policy.max_failures, "admission after the failures exceeded the budget"
        assert admitted <= self.online - self.absent, "admission of a cluster that is not there"
        after = len(self.flying() | admitted)
        assert after <= max(self._cap(event), len(self.flying())), "more in flight than maxConcurrency"
        first = current.stages[0] if current.stages else None
        if first is not None and first.name == rollout_state.INHERITED and not first.completed:
            assert admitted <= set(first.clusters), "somebody else is admitted before those in flight are settled"
        self.admitted |= admitted
        for cluster in admitted:
            self.verdicts.pop(cluster, None)

    def _cap(self, event: events.ClustersAdmitted) -> int:
        if event.stage == rollout_state.LATE:
            return self.current.stages[-1].max_concurrency if self.current.stages else 1
        return next(stage.max_concurrency for stage in self.current.stages if stage.name == event.stage)

    def _check_settlement(self, event: events.ClustersSettled) -> None:
        slots = {**self.current.ghosts, **self.current.in_flight}
        for cluster in event.succeeded:
            assert self.verdicts[cluster] == HEALTHY, "success without a healthy verdict"
            self.counted.discard(cluster)
        for failure in event.failed:
            waited = self.at - datetime.datetime.fromisoformat(slots[failure.cluster])
            overdue = waited.total_seconds() > self.current.policy.progress_deadline_s
            assert overdue or self.verdicts[failure.cluster].failure, "failed before its deadline"
            ghost = failure.cluster in self.current.ghosts
            assert not ghost or failure.cluster not in self.online, "failed by a revision that it was not given"
            self.counted.add(failure.cluster)
        for cluster in event.withdrawn:
            assert cluster in self.absent or cluster not in self.current.planned, "withdrawn though it takes part"

    def _checked(self, had: rollout_state.State, event: events.Event) -> None:
        if isinstance(event, events.RolloutStarted) and had.current is not None:
            assert set(self.current.ghosts) == set(had.current.in_flight) | set(had.current.ghosts)
        if isinstance(event, events.RolloutCompleted):
            for cluster, given in self.state.assigned.items():
                before = had.assigned[cluster]
                assert content(given, cluster) == content(before, cluster), "a completion gave somebody something new"
        for cluster in self.current.deferred - self.admitted:
            assert cluster not in self.flying(), "deferred with a slot"
        if self.current.phase is not rollout_state.Phase.COMPLETED:
            for cluster in self.current.planned - self.admitted - self.current.joined:
                assert self.state.assigned.get(cluster, "") == self.before.get(cluster, ""), "given without admission"


def encoded(state: rollout_state.State) -> bytes:
    """For comparison, byte by byte."""
    return canonical.encode(state)


def names(journey: Journey, chosen: Collection[ids.ClusterId]) -> set[str]:
    """The names of these clusters."""
    return {cluster.name for cluster in journey.fleet if cluster.id in chosen}


def policy(*, failures: int = 0, at_once: str = "100%", deadline_s: float = 600.0) -> specs.RolloutPolicy:
    """A policy without a canary: one stage with everybody."""
    everybody = specs.StageSpec(name="all", max_concurrency=at_once)
    return msgspec.structs.replace(
        specs.DEFAULT_POLICY, stages=(everybody,), max_failures=failures, progress_deadline_s=deadline_s
    )


A, B, C = examples.digest("a"), examples.digest("b"), examples.digest("c")
UNWELL = rollouts.Verdict(failure="shop/web: degraded")


def completed(journey: Journey) -> Journey:
    """Every cluster in flight is healthy, until the rollout is over."""
    while journey.current.phase is rollout_state.Phase.RUNNING:
        journey.advance().judge(HEALTHY).advance()
    return journey


def rolled_out(size: int = 4, policy: specs.RolloutPolicy = specs.DEFAULT_POLICY) -> Journey:
    """A fleet that has A."""
    journey = Journey(size, policy)
    journey.commit(A)
    return completed(journey)


def at_once(failures: int = 0, cap: str = "100%") -> Journey:
    """A fleet that has A, and that gets the next revision in one stage."""
    return rolled_out(policy=policy(failures=failures, at_once=cap))
