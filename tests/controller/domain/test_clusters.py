"""Clusters under random commands and hellos: a name is bound to one UID, and a report is recorded once."""

from collections.abc import Callable

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.domain import clusters, rejections
from protocol import canonical, desired, ids, reports, specs
from protocol.canonical import NO_DIGEST
from protocol.events import clusters as events
from tests.controller.domain import examples
from tests.controller.domain.lives import Life

FILE, COMMAND = specs.ManagedBy.FILE, specs.ManagedBy.COMMAND

numbers = st.integers(0, 2)
owners = st.sampled_from(specs.ManagedBy)
labels = st.sampled_from([{}, {"env": "prod"}, {"zone": "a", "env": "prod"}])
sequences = st.integers(1, 20)


def evolve(state: clusters.Clusters, event: events.Event) -> clusters.Clusters:
    return {**state, event.cluster: clusters.evolve(state.get(event.cluster), event)}


def origin(cluster: ids.ClusterId) -> reports.Origin:
    return reports.Origin(
        cluster=cluster, boot=1, number=1, at=examples.AT, epoch=1, generation=4, log_head=desired.GENESIS
    )


def greeting(cluster: ids.ClusterId, uid: str, version: str = "") -> reports.Hello:
    return reports.Hello(
        origin=origin(cluster), cluster_uid=uid, agent_version="1", kubernetes_version=version, root=NO_DIGEST,
        inventory=0,
    )  # fmt: skip


def refusal(cluster: ids.ClusterId) -> reports.Refused:
    return reports.Refused(
        origin=origin(cluster),
        refusal=reports.Refusal.FORK,
        message="two roots",
        seen_epoch=1,
        seen_generation=5,
        count=1,
    )


class Shaken(RuleBasedStateMachine):
    """Three accounts that share two names."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life[clusters.Clusters, events.Event] = Life({}, evolve)
        self.bound: dict[ids.ClusterId, str] = {}
        self.recorded: set[tuple[str, ids.ClusterId, int]] = set()

    @rule(number=numbers, name=st.sampled_from(["c0", "c1", "C!"]), labels=labels, by=owners)
    def add(self, number: int, name: str, labels: dict[str, str], by: specs.ManagedBy) -> None:
        cluster = clusters.Cluster(id=examples.cluster_id(number), name=name, labels=labels, managed_by=by)
        had = self.life.state.get(cluster.id)
        taken = self.life.take(lambda state: clusters.add(state, cluster))
        if taken:
            added = self.life.state[cluster.id]
            assert (added.name, added.labels, added.managed_by, added.removed) == (name, labels, by, False)
            assert added.uid == (had.uid if had is not None else "")

    @rule(number=numbers, labels=labels, by=owners)
    def label(self, number: int, labels: dict[str, str], by: specs.ManagedBy) -> None:
        if self._on(number, lambda cluster: clusters.label(cluster, labels, by=by), by) is not None:
            assert self._cluster(number).labels == labels

    @rule(
        number=numbers,
        uid=st.sampled_from(["uid-0", "uid-1"]),
        version=st.sampled_from(["1.33", "1.34"]),
        sequence=sequences,
    )
    def hello(self, number: int, uid: str, version: str, sequence: int) -> None:
        said = greeting(examples.cluster_id(number), uid, version)
        for event in self._on(number, lambda cluster: clusters.hello(cluster, said, sequence)) or ():
            match event:
                case events.ClusterIdentified():
                    assert event.cluster not in self.bound, "it is bound already"
                    self.bound[event.cluster] = uid
                case events.ClusterVersionChanged():
                    assert self.bound[event.cluster] == uid, "a stranger's version"
                    self._once("version", number, sequence)
                case _:
                    assert isinstance(event, events.ClusterUidRefused)
                    assert self.bound[event.cluster] != uid
                    self._once("uid", number, sequence)

    @rule(number=numbers, annotations=labels, values=labels, by=owners)
    def describe(self, number: int, annotations: dict[str, str], values: dict[str, str], by: specs.ManagedBy) -> None:
        taken = self._on(number, lambda cluster: clusters.describe(cluster, annotations, values, by=by), by)
        if taken is not None:
            assert (self._cluster(number).annotations, self._cluster(number).values) == (annotations, values)

    @rule(number=numbers, sequence=sequences)
    def refuse(self, number: int, sequence: int) -> None:
        report = refusal(examples.cluster_id(number))
        if self._on(number, lambda cluster: clusters.refused(cluster, report, sequence)):
            self._once("desired", number, sequence)

    @rule(number=numbers, reason=st.sampled_from(["by command", ""]), by=owners)
    def suspend(self, number: int, reason: str, by: specs.ManagedBy) -> None:
        if self._on(number, lambda cluster: clusters.suspend(cluster, reason, by=by), by):
            assert not clusters.active(self._cluster(number))

    @rule(number=numbers)
    def resume(self, number: int) -> None:
        if self._on(number, clusters.resume):
            assert clusters.active(self._cluster(number)) == bool(self._cluster(number).uid)

    @rule(number=numbers, by=owners)
    def remove(self, number: int, by: specs.ManagedBy) -> None:
        if self._on(number, lambda cluster: clusters.remove(cluster, by=by), by):
            assert not clusters.active(self._cluster(number))

    def _cluster(self, number: int) -> clusters.Cluster:
        return self.life.state[examples.cluster_id(number)]

    def _on(
        self,
        number: int,
        decide: Callable[[clusters.Cluster], tuple[events.Event, ...]],
        by: specs.ManagedBy = FILE,
    ) -> tuple[events.Event, ...] | None:
        before = self.life.state.get(examples.cluster_id(number))
        if before is None:
            return None
        taken = self.life.take(lambda state: decide(state[before.id]))
        if taken and before.managed_by is FILE and not before.suspended:
            assert by is FILE, "a command changed what the file declares"
        return taken

    def _once(self, what: str, number: int, sequence: int) -> None:
        key = (what, examples.cluster_id(number), sequence)
        assert key not in self.recorded, "one report is recorded twice"
        self.recorded.add(key)

    @invariant()
    def a_name_is_of_one_cluster_and_a_cluster_of_one_uid(self) -> None:
        there = [cluster.name for cluster in self.life.state.values() if not cluster.removed]
        assert len(there) == len(set(there))
        for cluster in self.life.state.values():
            assert cluster.uid == self.bound.get(cluster.id, "")
            assert not clusters.active(cluster) or cluster.uid, "it is given something before it is known who it is"

    def teardown(self) -> None:
        self.life.check_replay()


TestShaken = Shaken.TestCase
TestShaken.settings = hypothesis.settings(max_examples=200, stateful_step_count=40)


def test_a_cluster_is_found_by_its_name_and_by_its_id_until_it_is_removed() -> None:
    known = {one.id: one for one in (examples.cluster(0), examples.cluster(1, removed=True))}

    assert clusters.by_name(known, "c0") == clusters.by_name(known, examples.cluster_id(0)) == examples.cluster(0)
    with pytest.raises(rejections.NotFound, match="cluster 'c1'"):
        clusters.by_name(known, "c1")


def test_a_name_that_was_removed_is_free_and_one_that_is_taken_is_not() -> None:
    known = {one.id: one for one in (examples.cluster(0), examples.cluster(1, removed=True))}

    assert clusters.add(known, examples.cluster(2, name="c1")) != ()
    with pytest.raises(rejections.AlreadyExists, match="already one of this name"):
        clusters.add(known, examples.cluster(2, name="c0"))


def test_a_cluster_that_is_added_again_keeps_its_uid_and_what_was_heard_of_it() -> None:
    heard = examples.cluster(0, removed=True, refused=2, refused_sequence=7, uid_refused_sequence=8)
    (added,) = clusters.add({heard.id: heard}, examples.cluster(0, uid="uid-of-another"))

    again = clusters.evolve(heard, added)

    assert again == msgspec.structs.replace(heard, removed=False)
    assert clusters.refused(again, refusal(heard.id), 7) == ()
    assert clusters.identify(again, "uid-of-another", 8) == ()


def test_hellos_that_are_read_again_after_a_restart_change_no_version() -> None:
    hellos = [greeting(examples.cluster_id(0), "uid-0", version) for version in ("1.33", "1.34")]
    cluster = examples.cluster(0)
    for sequence, said in enumerate(hellos, 1):
        for event in clusters.hello(cluster, said, sequence):
            cluster = clusters.evolve(cluster, event)

    assert cluster.kubernetes_version == "1.34"
    assert [clusters.hello(cluster, said, sequence) for sequence, said in enumerate(hellos, 1)] == [(), ()]


def test_the_order_in_which_labels_are_written_makes_no_other_event() -> None:
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    labelled = [clusters.label(examples.cluster(0), labels, by=COMMAND) for labels in (one, other)]

    assert canonical.encode(labelled[0]) == canonical.encode(labelled[1])
    assert clusters.label(examples.cluster(0, labels=one), other, by=COMMAND) == ()


def test_an_event_of_a_cluster_that_was_never_added_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="ClusterResumed before ClusterAdded"):
        clusters.evolve(None, events.ClusterResumed(cluster=examples.cluster_id(0)))
