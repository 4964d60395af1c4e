"""The whole log at random (I12, I4): replayed from empty it gives the same bytes; what was tampered with is told."""

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from controller.domain import (
    clusters,
    debts,
    declarations,
    derivation,
    fleet,
    rollout_state,
    rollouts,
    sources,
    stages,
    tokens,
    world,
)
from protocol import bundles, canonical, codec, desired, ids, reports, selectors, specs
from protocol.events import fleet as fleet_events
from protocol.events import log
from protocol.events import sources as source_events
from protocol.events import tokens as token_events
from protocol.events.tokens import Scope
from tests.controller.domain import examples, logs

COMMAND = specs.ManagedBy.COMMAND
GROUP = specs.GroupSpec(selector=selectors.Selector(match_labels={"env": "prod"}))

names = st.sampled_from([examples.SHOP, examples.OTHER])
numbers = st.integers(0, 3)
contents = st.sampled_from("abc")
places = st.integers(0, 10_000)


def replayed(stored: list[logs.Stored]) -> world.World:
    """The world that these records give, numbered as they come."""
    found = world.World()
    for number, (subject, body) in enumerate(stored, 1):
        found.take(number, subject, body)
    return found


def snapshot(one: world.World) -> bytes:
    return canonical.encode(one.snapshot())


def told(stored: list[logs.Stored]) -> bool:
    """Does the replay stop at the record that does not fit, with the world as it was before it?"""
    found = world.World()
    for number, (subject, body) in enumerate(stored, 1):
        before = snapshot(found)
        try:
            found.take(number, subject, body)
        except world.BrokenChainError:
            assert snapshot(found) == before
            return True
    return False


class Hub(RuleBasedStateMachine):
    """Every aggregate, decided upon in any order."""

    @initialize()
    def begin(self) -> None:
        self.log = logs.Log()
        self.log.append(*fleet.initialize(self.world.fleet, "key"))
        for name in (examples.SHOP, examples.OTHER):
            self.log.append(*sources.declare(None, name, examples.EVERYWHERE, by=COMMAND))
        for number in range(3):
            self.log.append(*clusters.add(self.world.clusters, examples.cluster(number)))
            state = self.world.clusters[examples.cluster_id(number)]
            self.log.append(*clusters.identify(state, f"uid-{number}", number))

    @property
    def world(self) -> world.World:
        return self.log.world

    @rule(name=names, what=st.sampled_from(["declare", "declare", "suspend", "resume", "fail", "answer", "remove"]))
    def source(self, name: ids.SourceName, what: str) -> None:
        state = self.world.sources.get(name)
        if what == "declare":
            self.log.append(*sources.declare(state, name, examples.EVERYWHERE, by=COMMAND))
        elif state is not None:
            decided = {
                "suspend": lambda: sources.suspend(state, "by command", by=COMMAND),
                "resume": lambda: sources.resume(state),
                "fail": lambda: sources.failed(state, source_events.FailureKind.UNREACHABLE, "no route"),
                "answer": lambda: sources.unchanged(state),
                "remove": lambda: sources.remove(state, prune=True, by=COMMAND),
            }
            self.log.append(*decided[what]())

    @rule(number=numbers, what=st.sampled_from(["add", "hello", "label", "remove"]), text=contents)
    def cluster(self, number: int, what: str, text: str) -> None:
        state = self.world.clusters.get(examples.cluster_id(number))
        if what == "add":
            self.log.append(*clusters.add(self.world.clusters, examples.cluster(number)))
        elif state is None or state.removed:
            return
        elif what == "hello":
            self.log.append(*clusters.identify(state, f"uid-{text}", len(self.log.stored)))
        elif what == "label":
            self.log.append(*clusters.label(state, {"env": text}, by=COMMAND))
        else:
            self.log.append(*declarations.remove_cluster(self.world, state.name, by=COMMAND))

    @rule(name=st.sampled_from(["one", "two"]), group=st.booleans())
    def declare(self, name: str, group: bool) -> None:
        hub = self.world.fleet
        self.log.append(
            *(
                fleet.declare_group(hub, name, GROUP, by=COMMAND)
                if group
                else fleet.declare_policy(hub, name, specs.DEFAULT_POLICY, by=COMMAND)
            )
        )

    @rule(name=st.sampled_from(["ci", "grafana"]), text=contents)
    def let_in(self, name: str, text: str) -> None:
        known = self.world.tokens
        new = tokens.Token(name=name, scope=Scope.READ, digest=tokens.digest(text), expires_at=None)
        self.log.append(
            *(tokens.revoke(known, name, "over") if name in known else tokens.issue(known, new, examples.AT))
        )

    @rule(name=names, text=contents)
    def resolve(self, name: ids.SourceName, text: str) -> None:
        state = self.world.sources[name]
        event = source_events.RevisionResolved(
            name=name,
            revision=source_events.Revision(ref="main", commit=text * 40, tree="t" * 40),
            catalog=examples.digest(text),
            previous=state.catalog,
            renderer="raw 1",
            bundles=1,
            objects=1,
        )
        if not state.removed:
            self.log.append(*sources.resolved(state, event))

    @rule(name=names, text=contents)
    def roll_out(self, name: ids.SourceName, text: str) -> None:
        state, active = self.world.rollout(name), self._active()
        situation = stages.Situation(
            affected=active,
            online=frozenset(one.id for one in active),
            inherited=rollout_state.inherited(state, frozenset(one.id for one in active)),
        )
        command = rollouts.Start(
            rollout=ids.RolloutId(f"{name}-{len(self.log.stored)}"),
            revision=text,
            catalog=examples.digest(text),
            policy=specs.DEFAULT_POLICY,
            plan=stages.plan(specs.DEFAULT_POLICY, situation),
        )
        self.log.append(*rollouts.start(state, command))

    @rule(name=names, failure=st.sampled_from(["", "", "degraded"]), steps=st.sampled_from([1, 3, 20]))
    def advance(self, name: ids.SourceName, failure: str, steps: int) -> None:
        for _ in range(steps):
            self._step(name, failure)

    def _step(self, name: ids.SourceName, failure: str) -> None:
        state = self.world.rollout(name)
        flying = state.current.in_flight if state.current is not None else {}
        facts = rollouts.Facts(
            at=examples.AT,
            online=frozenset(one.id for one in self._active()),
            reports_sequence=len(self.log.stored),
            verdicts=dict.fromkeys(flying, rollouts.Verdict(failure=failure)),
        )
        self.log.append(*rollouts.advance(state, facts))

    @rule(number=numbers, text=contents, whole=st.booleans())
    def lose(self, number: int, text: str, whole: bool) -> None:
        one = examples.config_map(text, "web")
        drop = derivation.Drop(
            object=one, identity=one, bundle=ids.BundleId("shop/web"), prune=bundles.Prune.OWNED, whole_bundle=whole,
            misplaced=False,
        )  # fmt: skip
        cause = debts.Cause(topic=f"shop-{text}", source=examples.SHOP, revision=text)
        losses = [debts.Loss(cluster=examples.cluster_id(number), drops=(drop,), objects=9)]
        self.log.append(*debts.plan(self.world.ledger, cause, losses, examples.AT))
        self.log.append(*debts.open_debts(self.world.ledger, cause, losses, examples.AT))

    @precondition(lambda self: self.world.ledger.sets)
    @rule(index=places, what=st.sampled_from(["approve", "reject", "confirm"]))
    def settle(self, index: int, what: str) -> None:
        ledger = self.world.ledger
        chosen = list(ledger.sets.values())[index % len(ledger.sets)]
        if what == "confirm":
            for debt in list(ledger.debts.values())[:1]:
                said = reports.Confirmation(debt=debt.id, object=debt.object, outcome=reports.Outcome.GONE)
                self.log.append(*debts.confirmed(ledger, debt.cluster, [said], len(self.log.stored)))
        elif what == "reject" or chosen.decision is not debts.Decision.REJECTED:
            decide = debts.approve if what == "approve" else debts.reject
            self.log.append(*decide(ledger, chosen.id, chosen.digest))

    @precondition(lambda self: len(self.log.stored) % 4 == 0)
    @rule()
    def restore(self) -> None:
        seen = fleet_events.RecoveryEntered(reason="edge is ahead", cluster="", epoch=1, generation=9)
        self.log.append(*fleet.enter_recovery(self.world.fleet, seen))
        self.log.append(*fleet.recover(self.world.fleet, "restored"))
        assert (self.world.ledger.debts, self.world.ledger.sets) == ({}, {}), "a recovered hub owes something"
        assert all(state.assigned == {} for state in self.world.rollouts.values())

    @rule()
    def replay(self) -> None:
        assert snapshot(replayed(self.log.stored)) == snapshot(self.world)

    @rule(index=places)
    def miss_one(self, index: int) -> None:
        index, later = self._chosen(index)
        assert told(self.log.stored[:index] + self.log.stored[index + 1 :]) == (later is not None)

    @rule(index=places)
    def swap_two(self, index: int) -> None:
        index, later = self._chosen(index)
        if later is not None:
            stored = list(self.log.stored)
            stored[index], stored[later] = stored[later], stored[index]
            assert told(stored)

    @rule(index=places)
    def change_one(self, index: int) -> None:
        index, later = self._chosen(index)
        subject, body = self.log.stored[index]
        changed = log.RECORD.encode(msgspec.structs.replace(log.RECORD.decode(body), by="somebody else"))
        stored = [*self.log.stored[:index], (subject, changed), *self.log.stored[index + 1 :]]
        assert told(stored) == (later is not None)
        # The last record of an aggregate has no successor that names it: a head that somebody holds tells.
        head = desired.LogHead(sequence=index + 1, hash=self.world.hashes[index])
        assert self.world.contains(head)
        assert later is not None or not replayed(stored).contains(head)

    def _active(self) -> tuple[clusters.Cluster, ...]:
        found = [one for one in self.world.clusters.values() if clusters.active(one)]
        return tuple(sorted(found, key=lambda one: one.name))

    def _chosen(self, index: int) -> tuple[int, int | None]:
        index %= len(self.log.stored)
        return index, self.log.later(index)


TestHub = Hub.TestCase
TestHub.settings = hypothesis.settings(max_examples=200, stateful_step_count=60)


def example() -> logs.Log:
    """A log of three events."""
    made = logs.Log()
    made.append(*fleet.initialize(made.world.fleet, "key"))
    made.append(*clusters.add({}, examples.cluster(0)))
    made.append(*clusters.label(made.world.clusters[examples.cluster_id(0)], {"env": "prod"}, by=COMMAND))
    return made


def test_every_log_contains_the_beginning_and_only_its_own_events() -> None:
    found = example().world

    assert world.World().contains(desired.GENESIS)
    assert world.World().log_head == desired.GENESIS
    assert found.contains(found.log_head)
    assert not found.contains(desired.LogHead(sequence=4, hash=found.log_head.hash))
    assert not found.contains(desired.LogHead(sequence=2, hash=found.log_head.hash))


def test_a_gap_in_the_numbers_and_a_repeated_number_are_told() -> None:
    stored = example().stored
    found = replayed(stored[:2])

    for number in (2, 4):
        with pytest.raises(world.BrokenChainError, match=f"event {number} comes after event 2"):
            found.take(number, *stored[2])


def test_a_record_that_was_moved_to_another_subject_is_told() -> None:
    stored = example().stored
    found = replayed(stored[:2])

    with pytest.raises(world.BrokenChainError, match="does not follow"):
        found.take(3, world.DELETIONS_SUBJECT, stored[2][1])


def test_a_record_that_cannot_be_read_changes_nothing() -> None:
    found = example().world
    before = snapshot(found)

    with pytest.raises(codec.DecodeError):
        found.take(4, world.DELETIONS_SUBJECT, b"{}")
    assert snapshot(found) == before


def test_what_a_reader_took_stays_as_it_was() -> None:
    made = example()
    taken = made.world.snapshot()
    before = canonical.encode(taken)

    made.append(*clusters.remove(made.world.clusters[examples.cluster_id(0)], by=COMMAND))

    assert canonical.encode(taken) == before


def test_a_source_that_is_declared_anew_does_not_bring_back_what_the_old_one_rolled_out() -> None:
    made = example()
    made.append(*sources.declare(None, "shop", examples.EVERYWHERE, by=COMMAND))
    start = rollouts.Start(
        rollout=ids.RolloutId("shop-4"),
        revision="a",
        catalog=examples.digest("a"),
        policy=specs.DEFAULT_POLICY,
        plan=(),
    )
    made.append(*rollouts.start(made.world.rollout(examples.SHOP), start))

    made.append(*sources.remove(made.world.sources[examples.SHOP], prune=False, by=COMMAND))

    state = made.world.rollout(examples.SHOP)
    assert (state.current, state.assigned) == (None, {})
    assert [over.id for over in state.history] == ["shop-4"]


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (fleet_events.GroupRemoved(name="one"), "flotilla.v1.log.group.one"),
        (fleet_events.PolicyRemoved(name="one"), "flotilla.v1.log.policy.one"),
        (fleet_events.HubInitialized(epoch=1, signing_key="k"), "flotilla.v1.log.fleet.hub"),
        (source_events.SourceResumed(name=examples.SHOP), "flotilla.v1.log.source.shop"),
        (token_events.TokenRevoked(name="ci", reason="over"), "flotilla.v1.log.token.ci"),
    ],
)
def test_each_event_belongs_to_one_aggregate(event: log.Event, subject: str) -> None:
    assert world.subject_of(event) == subject
