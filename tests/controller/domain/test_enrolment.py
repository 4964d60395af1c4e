"""Who is let in as a cluster's agent: under random attempts of several agents, and case by case."""

import datetime

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.domain import clusters, debts, enrolment, entries, rejections, world
from protocol import ids, specs
from protocol.events import clusters as events
from protocol.events import fleet as fleet_events
from tests.controller.domain import examples, logs
from tests.controller.domain.lives import Life

HOUR = datetime.timedelta(hours=1)
TOKENS = ("token-0", "token-1")
KEYS = ("key-0", "key-1", "key-2")
UIDS = ("uid-0", "uid-1")

tokens, keys, uids = st.sampled_from(TOKENS), st.sampled_from(KEYS), st.sampled_from(UIDS)


def newcomer(**changes: object) -> clusters.Cluster:
    """A cluster that was added and never heard."""
    return examples.cluster(0, uid="", **changes)


def after(cluster: clusters.Cluster, *decided: events.Event) -> clusters.Cluster:
    for event in decided:
        cluster = clusters.evolve(cluster, event)
    return cluster


def offered(cluster: clusters.Cluster | None = None, *, manual: bool = False) -> clusters.Cluster:
    one = cluster or newcomer()
    return after(one, *enrolment.offer(one, "token-0", ttl=HOUR, manual=manual, at=examples.AT))


def attempt(**changes: object) -> enrolment.Attempt:
    return msgspec.structs.replace(enrolment.Attempt(token="token-0", key="key-0", uid="uid-0"), **changes)


def enrolled(cluster: clusters.Cluster, tried: enrolment.Attempt, seconds: float = 1) -> clusters.Cluster:
    return after(cluster, *enrolment.enrol(cluster, tried, fleet_epoch=1, at=examples.later(seconds)))


class Shaken(RuleBasedStateMachine):
    """One cluster, and agents that show any token, key and UID in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life[clusters.Cluster, events.Event] = Life(newcomer(), clusters.evolve)
        self.seconds = 0.0
        self.used: dict[str, str] = {}
        self.issued: set[datetime.datetime] = set()
        """The times that tokens were ever issued with."""
        self.expired: set[str] = set()
        """The one-use tokens that the log calls expired."""

    @rule(minutes=st.integers(1, 45))
    def wait(self, minutes: int) -> None:
        self.seconds += 60 * minutes

    @rule(hours=st.integers(1, 48))
    def set_the_clock_back(self, hours: int) -> None:
        self.seconds -= 3600 * hours

    @rule()
    def issue_a_token(self) -> None:
        self.issued.add(entries.issued_at(self.life.state.entry))

    @rule(token=tokens, manual=st.booleans())
    def offer(self, token: str, manual: bool) -> None:
        if token not in self.used and self.life.take(
            lambda one: enrolment.offer(one, token, ttl=HOUR, manual=manual, at=self._now())
        ):
            self.used[token] = ""

    @rule()
    def expire(self) -> None:
        offer, at = self.life.state.entry.offer, self._now()
        if self.life.take(lambda one: enrolment.expired(one, at)):
            assert offer is not None
            self.expired.add(offer.token)

    @rule(token=tokens, key=keys, uid=uids)
    def enrol(self, token: str, key: str, uid: str) -> None:
        tried = enrolment.Attempt(token=token, key=key, uid=uid)
        decided = self.life.take(lambda one: enrolment.enrol(one, tried, fleet_epoch=1, at=self._now()))
        if any(isinstance(event, events.AgentEnrolled | events.EnrolmentRequested) for event in decided or ()):
            assert self.used[token] == "", "a token was used twice"
            assert token not in self.expired, "a clock that was set back let somebody in"
            self.used[token] = key
        if decided is not None and enrolment.verdict(self.life.state, tried) is enrolment.Verdict.GRANTED:
            assert (self.used[token], self.life.state.uid) == (key, uid)

    @rule()
    def accept(self) -> None:
        self.life.take(enrolment.accept)

    @rule(key=keys, new_key=st.sampled_from(["", *KEYS]))
    def renew(self, key: str, new_key: str) -> None:
        before, is_asked = self.life.state.entry.key, self.life.state.entry.is_rotation_asked
        at = self._now()
        if self.life.take(lambda one: enrolment.renew(one, key, new_key=new_key, at=at)) is not None:
            assert before == new_key or (before == key and (is_asked or not new_key))
            assert self.life.state.entry.key == (new_key or key)

    @rule()
    def ask_rotation(self) -> None:
        self.life.take(enrolment.ask_rotation)

    @rule(key=keys)
    def issue(self, key: str) -> None:
        self.life.take(lambda one: enrolment.issue(one, key))

    @rule()
    def revoke(self) -> None:
        at = self._now()
        if self.life.take(lambda one: enrolment.revoke(one, at)):
            assert all(self._is_void(one) for one in self.issued), "a token outlived a revocation"
        assert (self.life.state.entry.key, self.life.state.entry.offer) == ("", None)

    @invariant()
    def a_token_issued_now_is_not_void(self) -> None:
        assert not self._is_void(entries.issued_at(self.life.state.entry))

    def _is_void(self, issued: datetime.datetime) -> bool:
        """As nats-server finds out: in whole seconds."""
        revoked = self.life.state.entry.revoked_before
        return revoked is not None and int(issued.timestamp()) <= int(revoked.timestamp())

    def teardown(self) -> None:
        self.life.check_replay()

    def _now(self) -> datetime.datetime:
        return examples.later(self.seconds)


TestShaken = Shaken.TestCase
TestShaken.settings = hypothesis.settings(max_examples=60, stateful_step_count=30)


def test_the_first_agent_with_the_token_is_let_in_and_binds_the_name() -> None:
    cluster = enrolled(offered(), attempt())

    assert (cluster.uid, cluster.entry.key) == ("uid-0", "key-0")
    assert enrolment.verdict(cluster, attempt()) is enrolment.Verdict.GRANTED


def test_the_same_agent_may_ask_again_while_the_token_lives() -> None:
    cluster = enrolled(offered(), attempt())

    assert enrolment.enrol(cluster, attempt(), fleet_epoch=1, at=examples.later(3599)) == ()
    with pytest.raises(rejections.Forbidden, match="unknown, expired"):
        enrolment.enrol(cluster, attempt(), fleet_epoch=1, at=examples.later(3600))


@pytest.mark.parametrize(
    "other", [attempt(key="key-1"), attempt(uid="uid-1"), attempt(token="token-1")], ids=["key", "uid", "token"]
)
def test_a_used_token_lets_nobody_else_in(other: enrolment.Attempt) -> None:
    with pytest.raises(rejections.Forbidden):
        enrolled(enrolled(offered(), attempt()), other)


def test_without_an_offer_or_after_removal_nobody_is_let_in() -> None:
    for cluster in (newcomer(), msgspec.structs.replace(offered(), removed=True)):
        with pytest.raises(rejections.Forbidden):
            enrolled(cluster, attempt())


@pytest.mark.parametrize(
    "senseless", [attempt(uid=""), attempt(uid="u" * 129), attempt(epoch=2**31), attempt(epoch=-1)]
)
def test_what_an_agent_says_of_itself_is_bounded(senseless: enrolment.Attempt) -> None:
    with pytest.raises(rejections.Invalid):
        enrolled(offered(), senseless)


def test_another_cluster_is_refused_once_and_leaves_the_token_unused() -> None:
    cluster = enrolled(offered(examples.cluster(0, uid="uid-0")), attempt(uid="uid-1"))

    assert enrolment.verdict(cluster, attempt(uid="uid-1")) is enrolment.Verdict.FOREIGN
    assert enrolment.enrol(cluster, attempt(uid="uid-1"), fleet_epoch=1, at=examples.later(2)) == ()
    assert enrolment.verdict(enrolled(cluster, attempt()), attempt()) is enrolment.Verdict.GRANTED


def test_with_manual_acceptance_the_agent_waits_for_a_person_as_long_as_that_takes() -> None:
    waiting = enrolled(offered(manual=True), attempt())
    assert enrolment.verdict(waiting, attempt()) is enrolment.Verdict.WAITING
    assert waiting.entry.key == ""

    accepted = after(waiting, *enrolment.accept(waiting))

    assert enrolment.accept(accepted) == ()
    assert enrolment.enrol(accepted, attempt(), fleet_epoch=1, at=examples.later(1e6)) == ()
    assert (accepted.uid, accepted.entry.key) == ("uid-0", "key-0")
    assert enrolment.verdict(accepted, attempt()) is enrolment.Verdict.GRANTED


def test_nobody_is_accepted_who_did_not_ask_or_is_another_cluster_meanwhile() -> None:
    for cluster in (newcomer(), offered(manual=True)):
        with pytest.raises(rejections.Invalid, match="no agent waits"):
            enrolment.accept(cluster)
    waiting = enrolled(offered(manual=True), attempt())
    with pytest.raises(rejections.Changed):
        enrolment.accept(msgspec.structs.replace(waiting, uid="uid-1"))


@pytest.mark.parametrize("ttl", [datetime.timedelta(0), datetime.timedelta(days=31)])
def test_a_token_lives_for_a_while(ttl: datetime.timedelta) -> None:
    with pytest.raises(rejections.Invalid, match="a token lives"):
        enrolment.offer(newcomer(), "token-0", ttl=ttl, manual=False, at=examples.AT)


def test_only_the_present_key_renews_and_its_successor_voids_what_it_had() -> None:
    cluster = enrolled(offered(), attempt())
    assert enrolment.renew(cluster, "key-0", new_key="", at=examples.AT) == ()
    with pytest.raises(rejections.Forbidden):
        enrolment.renew(cluster, "key-1", new_key="", at=examples.AT)
    with pytest.raises(rejections.Forbidden, match="nobody asked"):
        enrolment.renew(cluster, "key-0", new_key="key-1", at=examples.AT)

    asked = after(cluster, *enrolment.ask_rotation(cluster))
    assert (asked.entry.is_rotation_asked, enrolment.ask_rotation(asked)) == (True, ())
    [rotated] = enrolment.renew(asked, "key-0", new_key="key-1", at=examples.AT)
    asked = after(asked, rotated)

    assert rotated == events.AgentKeyRotated(cluster=cluster.id, key="key-1", before=examples.AT)
    assert (asked.entry.key, asked.entry.offer, asked.entry.is_rotation_asked) == ("key-1", None, False)
    assert enrolment.renew(asked, "key-0", new_key="key-1", at=examples.AT) == ()
    with pytest.raises(rejections.Forbidden):
        enrolment.renew(asked, "key-0", new_key="", at=examples.AT)


def test_a_removed_cluster_renews_nothing_and_one_without_an_agent_rotates_nothing() -> None:
    removed = msgspec.structs.replace(enrolled(offered(), attempt()), removed=True)
    with pytest.raises(rejections.Forbidden):
        enrolment.renew(removed, "key-0", new_key="", at=examples.AT)
    with pytest.raises(rejections.Invalid):
        enrolment.ask_rotation(newcomer())


def test_a_revocation_ends_token_key_and_file_and_comes_once() -> None:
    fresh = newcomer()
    for cluster in (offered(), enrolled(offered(), attempt()), after(fresh, *enrolment.issue(fresh, "key-2"))):
        revoked = after(cluster, *enrolment.revoke(cluster, examples.AT))

        assert revoked.entry == entries.Entry(revoked_before=examples.AT)
        assert (revoked.uid, enrolment.revoke(revoked, examples.later(5))) == (cluster.uid, ())
        assert entries.issued_at(revoked.entry) > examples.AT


def test_a_token_that_nobody_used_expires_once_and_for_ever() -> None:
    cluster = offered()
    assert enrolment.expired(cluster, examples.later(3599)) == ()

    [event] = enrolment.expired(cluster, examples.later(3600))
    expired = after(cluster, event)

    assert event == events.EnrolmentExpired(cluster=cluster.id)
    assert enrolment.expired(expired, examples.later(3600)) == ()
    with pytest.raises(rejections.Forbidden, match="unknown, expired"):
        enrolled(expired, attempt())
    another = after(expired, *enrolment.offer(expired, "token-1", ttl=HOUR, manual=False, at=examples.AT))
    assert enrolled(another, attempt(token="token-1")).entry.key == "key-0"


def test_nothing_expires_of_who_has_no_token_used_it_or_is_removed() -> None:
    removed = msgspec.structs.replace(offered(), removed=True)
    for cluster in (newcomer(), enrolled(offered(), attempt()), enrolled(offered(manual=True), attempt()), removed):
        assert enrolment.expired(cluster, examples.later(1e6)) == ()


def test_a_clock_that_was_set_back_voids_nothing_less() -> None:
    cluster = enrolled(offered(), attempt())
    revoked = after(cluster, *enrolment.revoke(cluster, examples.later(3600)))
    again = enrolled(offered(revoked), attempt())
    issued = entries.issued_at(again.entry)

    [event] = enrolment.revoke(again, examples.AT)

    assert isinstance(event, events.CredentialsRevoked)
    assert (event.before, issued) == (issued, examples.later(3601))


def test_what_a_log_that_is_lost_let_in_is_revoked_too() -> None:
    fresh, voided = newcomer(), examples.later(3600)
    assert entries.issued_at(fresh.entry, voided) == examples.later(3601)

    [event] = enrolment.revoke(fresh, examples.AT, voided)
    revoked = after(fresh, event)

    assert isinstance(event, events.CredentialsRevoked)
    assert event.before == examples.later(3601)
    assert enrolment.revoke(revoked, examples.AT, voided) == ()
    # The server was told of a later one, which the log that this one was restored from did not hold.
    assert enrolment.revoke(revoked, examples.AT, examples.later(7200)) != ()


def test_a_file_is_issued_once_for_a_key() -> None:
    cluster = newcomer()
    issued = after(cluster, *enrolment.issue(cluster, "key-2"))

    assert (issued.entry.file_key, enrolment.issue(issued, "key-2")) == ("key-2", ())


def test_a_cluster_that_others_left_a_mark_in_begins_above_it() -> None:
    assert enrolled(offered(), attempt(epoch=4, generation=9)).entry.epoch == 5
    assert enrolled(offered(), attempt(epoch=1, generation=0)).entry.epoch == 2
    assert enrolled(offered(), attempt()).entry.epoch == 0
    ours = examples.cluster(0, uid="uid-0")
    assert enrolled(offered(ours), attempt(epoch=4, generation=9)).entry.epoch == 0
    below = enrolment.enrol(offered(), attempt(epoch=4), fleet_epoch=5, at=examples.AT)
    assert [event.epoch for event in below if isinstance(event, events.AgentEnrolled)] == [0]


def told(*facts: object) -> logs.Log:
    log = logs.Log()
    log.append(fleet_events.HubInitialized(epoch=1, signing_key="k"))
    log.append(
        events.ClusterAdded(
            cluster=examples.cluster_id(0), name="c0", labels={"env": "prod"}, managed_by=specs.ManagedBy.FILE
        )
    )
    log.append(*facts)  # type: ignore[arg-type]
    return log


def test_the_epoch_of_a_cluster_is_its_own_where_it_is_above_the_fleets() -> None:
    one, other = examples.cluster_id(0), examples.cluster_id(1)
    log = told(
        events.EnrolmentOffered(cluster=one, token="t", expires_at=examples.AT),
        events.AgentEnrolled(cluster=one, uid="u", key="k", epoch=7),
    )

    assert (log.world.epoch(one), log.world.epoch(other), log.world.fleet.epoch_seen) == (7, 1, 7)


def test_a_removed_cluster_stays_void_when_it_is_added_again() -> None:
    one = examples.cluster_id(0)
    log = told(events.CredentialsIssued(cluster=one, key="k"), events.ClusterRemoved(cluster=one))
    log.append(events.ClusterAdded(cluster=one, name="c0", labels={}, managed_by=specs.ManagedBy.COMMAND))

    assert log.world.clusters[one].entry == entries.Entry(revoked_before=examples.AT)


def test_a_name_is_given_to_another_cluster_and_nothing_is_owed_to_it() -> None:
    old, new = examples.cluster_id(0), examples.cluster_id(1)
    log = told(events.ClusterIdentified(cluster=old, uid="u", reports_sequence=1))
    log.append(*enrolment.replaced(log.world, old, account=new))

    found = clusters.by_name(log.world.clusters, "c0")
    assert (found.id, found.uid, found.labels, found.managed_by) == (new, "", {"env": "prod"}, specs.ManagedBy.FILE)
    assert log.world.clusters[old].removed
    assert debts.named(log.world.ledger) == {}
    assert enrolment.replaced(log.world, old, account=new) == ()
    with pytest.raises(rejections.NotFound):
        enrolment.replaced(log.world, old, account=examples.cluster_id(2))


def test_subjects_of_entries_are_those_of_their_cluster() -> None:
    event = events.RotationAsked(cluster=ids.ClusterId("A"))

    assert world.subject_of(event) == "flotilla.v1.log.cluster.A"
