"""I10 under everything at once: commits, silence, failures, pauses, retries, clusters that come and go.

The checks of every event stand in `journeys`. Here the world is shaken, then the faults stop, and the rollout has to
end: with every cluster that is there on the revision, or aborted.
"""

import contextlib
from collections.abc import Callable

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from controller.domain import catalogs, rejections, rollout_state, rollouts, strategies
from protocol import ids, selectors, specs
from protocol.canonical import Digest
from protocol.events import rollouts as events
from tests.controller.domain import examples
from tests.controller.domain.journeys import HEALTHY, UNWELL, Journey, encoded

SIZE = 6
CATALOGS = [examples.digest(text) for text in "abcde"]

clusters = st.integers(0, SIZE - 1).map(examples.cluster_id)
stage = st.builds(
    specs.StageSpec,
    name=st.sampled_from(["dev", "prod"]),
    limit=st.integers(0, 2),
    max_concurrency=st.sampled_from(["1", "2", "50%"]),
)
policies = st.builds(
    specs.RolloutPolicy,
    stages=st.lists(stage, max_size=2, unique_by=lambda one: one.name).map(tuple),
    max_concurrency=st.sampled_from(["1", "2", "25%", "100%"]),
    max_failures=st.integers(0, 2),
    progress_deadline_s=st.just(600.0),
)


wishes = st.builds(
    catalogs.Rollout,
    max_concurrency=st.sampled_from(["", "1", "2", "100%"]),
    auto_partition_size=st.sampled_from(["", "2", "50%"]),
    partitions=st.sampled_from([(), (catalogs.Partition((selectors.Target(names=("c[1-3]",)),), "early", "1"),)]),
)
strategy = st.builds(
    strategies.Strategy, st.just(ids.BundleId("shop/web")), wishes, st.frozensets(clusters, min_size=1)
)

decided = st.sampled_from(["nothing", "one step", "all", "all"])
commands: list[Callable[[rollout_state.State], tuple[events.Event, ...]]] = [
    rollouts.pause,
    rollouts.resume,
    rollouts.abort,
    lambda state: rollouts.retry(state, examples.AT),
    lambda state: rollouts.retry(state, examples.AT),
]


class Shaken(RuleBasedStateMachine):
    """One source's rollouts in a fleet where anything may happen."""

    @initialize(policy=policies)
    def begin(self, policy: specs.RolloutPolicy) -> None:
        self.journey = Journey(SIZE, policy)
        self.journey.commit(CATALOGS[0])
        self.journey.advance()

    @rule(catalog=st.sampled_from(CATALOGS), policy=policies, wish=st.none() | strategy, decided=decided)
    def commit(
        self, catalog: Digest, policy: specs.RolloutPolicy, wish: strategies.Strategy | None, decided: str
    ) -> None:
        self.journey.policy = policy
        self.journey.wishes = (wish,) if wish is not None else ()
        self.journey.commit(catalog)
        self._decide(decided)

    @rule(catalog=st.sampled_from(CATALOGS), policy=policies, decided=decided)
    def render_anew(self, catalog: Digest, policy: specs.RolloutPolicy, decided: str) -> None:
        """The same revision as before, for a cluster that joined or changed."""
        self.journey.policy = policy
        self.journey.commit(catalog, self.journey.wanted[1])
        self._decide(decided)

    @rule(
        cluster=clusters,
        what=st.sampled_from(["online", "online", "online", "suspended", "removed"]),
        decided=decided,
    )
    def come_or_go(self, cluster: ids.ClusterId, what: str, decided: str) -> None:
        chosen: set[ids.ClusterId] = getattr(self.journey, what)
        chosen ^= {cluster}
        self._decide(decided)

    @precondition(lambda self: self.journey.current.in_flight)
    @rule(verdict=st.sampled_from([HEALTHY, HEALTHY, UNWELL]), which=st.integers(0, SIZE), decided=decided)
    def judge(self, verdict: rollouts.Verdict, which: int, decided: str) -> None:
        flying = sorted(self.journey.current.in_flight)
        self.journey.verdicts[flying[which % len(flying)]] = verdict
        self._decide(decided)

    @precondition(lambda self: self.journey.current.in_flight)
    @rule(decided=decided)
    def all_become_healthy(self, decided: str) -> None:
        self.journey.judge(HEALTHY)
        self._decide(decided)

    @rule(seconds=st.sampled_from([1, 200, 599, 700]), decided=decided)
    def wait(self, seconds: int, decided: str) -> None:
        self.journey.wait(seconds)
        self._decide(decided)

    @rule(command=st.sampled_from(commands), decided=decided)
    def command(self, command: Callable[[rollout_state.State], tuple[events.Event, ...]], decided: str) -> None:
        with contextlib.suppress(rejections.Rejection):
            self.journey.take(command(self.journey.state))
            assert command(self.journey.state) == (), "the same command twice"
        self._decide(decided)

    def _decide(self, decided: str) -> None:
        if decided == "one step":
            self.journey.step()
        elif decided == "all":
            self.journey.advance()

    def teardown(self) -> None:
        if hasattr(self, "journey"):
            self._faults_stop()
            assert encoded(self.journey.refold()) == encoded(self.journey.state)

    def _faults_stop(self) -> None:
        journey = self.journey
        journey.online = {cluster.id for cluster in journey.fleet}
        journey.suspended.clear()
        for _ in range(4 * SIZE):
            with contextlib.suppress(rejections.Rejection):
                journey.take(rollouts.resume(journey.state))
            with contextlib.suppress(rejections.Rejection):
                journey.take(rollouts.retry(journey.state, journey.at))
            journey.look()
            journey.advance().judge(HEALTHY).advance()
        assert journey.current.in_flight == {}
        assert journey.current.phase in (rollout_state.Phase.COMPLETED, rollout_state.Phase.ABORTED)
        if journey.current.phase is rollout_state.Phase.COMPLETED:
            there = {cluster.id for cluster in journey.fleet} - journey.removed
            assert {journey.state.assigned.get(cluster) for cluster in there} <= {journey.current.catalog}
            assert journey.current.deferred <= journey.removed


TestShaken = Shaken.TestCase
TestShaken.settings = hypothesis.settings(
    max_examples=200, stateful_step_count=50, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
