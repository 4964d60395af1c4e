"""The hub's own facts under random commands: epochs only rise, and a declaration belongs to who made it."""

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.domain import fleet, rejections, stages
from protocol import selectors, specs
from protocol.events import fleet as events
from tests.controller.domain.lives import Life

FILE, COMMAND = specs.ManagedBy.FILE, specs.ManagedBy.COMMAND
PROD = specs.GroupSpec(selector=selectors.Selector(match_labels={"env": "prod"}))
NESTED = specs.GroupSpec(selector=selectors.Selector(groups=("prod",)))
LAB = specs.GroupSpec(selector=selectors.Selector(names=("lab-*",)))
CAREFUL = specs.RolloutPolicy(stages=(specs.StageSpec(name="lab", max_concurrency="1"),))
KEYS = frozenset({"group/one", "group/two", "policy/one", "policy/two"})

owners = st.sampled_from(specs.ManagedBy)
names = st.sampled_from(["one", "two", "Not a name"])


def bad_policy(**changes: object) -> specs.RolloutPolicy:
    return msgspec.structs.replace(CAREFUL, **changes)


class Shaken(RuleBasedStateMachine):
    """A hub's log, as far as it is about the hub."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life[fleet.Fleet, events.Event] = Life(fleet.Fleet(), fleet.evolve)
        self.epoch = 0

    @property
    def now(self) -> fleet.Fleet:
        return self.life.state

    @rule(key=st.sampled_from(["key-1", "key-2"]))
    def initialize(self, key: str) -> None:
        before = self.now
        self.life.take(lambda state: fleet.initialize(state, key))
        assert self.now == before or (before.epoch, self.now.epoch, self.now.signing_key) == (0, 1, key)

    @rule(reason=st.sampled_from(["edge is ahead", "the log is empty"]), epoch=st.integers(0, 9))
    def notice(self, reason: str, epoch: int) -> None:
        event = events.RecoveryEntered(reason=reason, cluster="", epoch=epoch, generation=3)
        self.life.take(lambda state: fleet.enter_recovery(state, event))
        assert self.now.recovering
        assert self.now.epoch_seen >= epoch

    @rule()
    def recover(self) -> None:
        before = self.now
        taken = self.life.take(lambda state: fleet.recover(state, "restored from the backup"))
        assert not self.now.recovering
        if taken:
            assert self.now.epoch > max(before.epoch, before.epoch_seen), "an epoch that a cluster has seen"

    @rule(name=names, spec=st.sampled_from([PROD, LAB, NESTED]), by=owners)
    def declare_group(self, name: str, spec: specs.GroupSpec, by: specs.ManagedBy) -> None:
        had = self.now.declared.get(f"group/{name}")
        taken = self.life.take(lambda state: fleet.declare_group(state, name, spec, by=by))
        if taken is not None:
            assert spec is not NESTED
            assert self.now.groups[name] == spec
            self._check_owner(f"group/{name}", had, by, taken)

    @rule(
        name=names,
        spec=st.sampled_from([CAREFUL, specs.DEFAULT_POLICY, bad_policy(max_failures=-1)]),
        by=owners,
    )
    def declare_policy(self, name: str, spec: specs.RolloutPolicy, by: specs.ManagedBy) -> None:
        had = self.now.declared.get(f"policy/{name}")
        taken = self.life.take(lambda state: fleet.declare_policy(state, name, spec, by=by))
        if taken is not None:
            assert spec.max_failures >= 0
            assert fleet.policy(self.now, name) == spec
            assert fleet.is_policy_declared(self.now, name)
            self._check_owner(f"policy/{name}", had, by, taken)

    @rule(declared=st.frozensets(st.sampled_from(sorted(KEYS))))
    def vanish(self, declared: frozenset[str]) -> None:
        before = self.now
        self.life.take(lambda state: fleet.vanished(state, declared, "not in fleet/ any more"))
        assert (self.now.groups, self.now.policies) == (before.groups, before.policies), "it lost its meaning"
        for key, entry in self.now.declared.items():
            if entry.managed_by is FILE and key not in declared:
                assert entry.suspended
            else:
                assert entry == before.declared[key]

    @rule(name=st.sampled_from(["one", "two"]), group=st.booleans())
    def remove(self, name: str, group: bool) -> None:
        """`declarations` decides whether it may be."""
        key = f"group/{name}" if group else f"policy/{name}"
        if key not in self.now.declared:
            return
        removed = events.GroupRemoved(name=name) if group else events.PolicyRemoved(name=name)
        self.life.take(lambda state: (removed,) if key in state.declared else ())
        assert name not in (self.now.groups if group else self.now.policies)
        if not group:
            assert fleet.policy(self.now, name) == specs.DEFAULT_POLICY
            assert not fleet.is_policy_declared(self.now, name)

    def _check_owner(
        self, key: str, had: fleet.Declared | None, by: specs.ManagedBy, taken: tuple[events.Event, ...]
    ) -> None:
        assert self.now.declared[key] == fleet.Declared(managed_by=by)
        if had is not None and had.managed_by is FILE and not had.suspended:
            assert by is FILE or not taken, "a command changed what the file declares"

    @invariant()
    def epochs_only_rise(self) -> None:
        assert self.now.epoch >= self.epoch
        self.epoch = self.now.epoch

    @invariant()
    def what_is_declared_has_a_meaning(self) -> None:
        named = {f"group/{name}" for name in self.now.groups} | {f"policy/{name}" for name in self.now.policies}
        assert named == set(self.now.declared)

    def teardown(self) -> None:
        self.life.check_replay()


TestShaken = Shaken.TestCase
TestShaken.settings = hypothesis.settings(max_examples=200, stateful_step_count=40)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (bad_policy(stages=CAREFUL.stages * 2), "stage names must differ"),
        *((bad_policy(stages=(specs.StageSpec(name=name),)), "these are taken") for name in sorted(stages.RESERVED)),
        (bad_policy(stages=(specs.StageSpec(name="lab", limit=-1),)), "limit of a stage"),
        (bad_policy(stages=(specs.StageSpec(name="lab", max_concurrency="0"),)), "neither a number"),
        (bad_policy(max_concurrency="101%"), "neither a number"),
        (bad_policy(max_failures=-1), "cannot be negative"),
        (bad_policy(progress_deadline_s=0), "cannot be negative"),
    ],
)
def test_a_policy_that_could_never_run_is_refused(spec: specs.RolloutPolicy, reason: str) -> None:
    with pytest.raises(rejections.Invalid, match=reason):
        fleet.declare_policy(fleet.Fleet(), "careful", spec, by=COMMAND)


def test_a_group_of_groups_is_refused() -> None:
    with pytest.raises(rejections.Invalid, match="cannot name groups"):
        fleet.declare_group(fleet.Fleet(), "both", NESTED, by=COMMAND)


def test_a_recovery_is_entered_again_only_for_a_higher_epoch() -> None:
    def seen(epoch: int) -> events.RecoveryEntered:
        return events.RecoveryEntered(reason="edge is ahead", cluster="", epoch=epoch, generation=1)

    state = fleet.evolve(fleet.Fleet(epoch=1), seen(4))

    assert fleet.enter_recovery(state, seen(4)) == fleet.enter_recovery(state, seen(3)) == ()
    assert fleet.enter_recovery(state, seen(5)) == (seen(5),)
    assert fleet.recover(state, "restored") == (events.HubRecovered(epoch=5, reason="restored"),)
