"""Clusters that an earlier log knew are taken back as they are, or refused and said."""

import msgspec
import pytest

from controller.domain import clusters, enrolment, fleet, observed, publications, readmission, rejections
from controller.domain.world import World
from protocol import canonical, desired, ids, reports, specs
from protocol.events import clusters as events
from protocol.events import fleet as fleet_events
from protocol.events import log
from tests.controller.domain import examples

KEY = "U" + "A" * 55


def world(*past: log.Event) -> World:
    """A new log in recovery, and then these facts."""
    made = World()
    begun = (
        fleet_events.HubInitialized(epoch=1, signing_key="ab" * 32),
        fleet_events.RecoveryEntered(reason="the log is empty", cluster="", epoch=0, generation=0),
    )
    for event in (*begun, *past):
        made._evolve(event, examples.AT)
    return made


def hello(number: int, *, uid: str = "", epoch: int = 1, key: str = KEY, renews: bool = True) -> reports.Hello:
    origin = reports.Origin(
        cluster=examples.cluster_id(number), boot=1, number=1, at=examples.AT, epoch=epoch, generation=4,
        log_head=desired.GENESIS,
    )  # fmt: skip
    return reports.Hello(
        origin=origin, cluster_uid=uid or f"uid-{number}", agent_version="1", kubernetes_version="v1.35.0",
        root=canonical.NO_DIGEST, inventory=3, agent_key=key, renews=renews,
    )  # fmt: skip


def stranger(number: int, *, name: str = "", said: reports.Hello | None = None) -> readmission.Stranger:
    said = said or hello(number)
    account = readmission.Account(examples.cluster_id(number), name or f"c{number}")
    seen = observed.evolve(observed.initial(account.id), said)
    return readmission.Stranger(account, seen, said, 7)


def by_id(*found: readmission.Stranger) -> dict[ids.ClusterId, readmission.Stranger]:
    return {one.account.id: one for one in found}


def added(number: int, name: str = "") -> events.ClusterAdded:
    return events.ClusterAdded(
        cluster=examples.cluster_id(number), name=name or f"c{number}", labels={}, managed_by=specs.ManagedBy.COMMAND
    )


def identified(number: int, uid: str) -> events.ClusterIdentified:
    return events.ClusterIdentified(cluster=examples.cluster_id(number), uid=uid, reports_sequence=1)


def test_a_stranger_is_taken_back_with_its_account_uid_and_key_and_without_labels() -> None:
    one = stranger(0)
    here = world()

    [taken] = readmission.all_of(here, by_id(one))

    assert [type(event).__name__ for event in taken] == ["ClusterAdded", "AgentReadmitted", "ClusterVersionChanged"]
    after = world(*taken)
    cluster = after.clusters[one.account.id]
    assert (cluster.name, cluster.uid, cluster.entry.key, cluster.labels) == ("c0", "uid-0", KEY, {})
    assert enrolment.renew(cluster, KEY, new_key="", at=examples.AT) == ()
    assert list(readmission.all_of(after, by_id(one))) == []
    assert readmission.judge(after, by_id(one)) == {}


def test_a_key_of_a_file_renews_nothing_and_a_revocation_stays() -> None:
    said = hello(0, renews=False)
    account = readmission.Account(examples.cluster_id(0), "c0", examples.AT)
    one = msgspec.structs.replace(stranger(0, said=said), account=account)

    [taken] = readmission.all_of(world(), by_id(one))

    entry = world(*taken).clusters[account.id].entry
    assert (entry.key, entry.file_key, entry.revoked_before, entry.is_readmitted) == ("", KEY, examples.AT, True)


def test_what_two_claim_nobody_gets() -> None:
    claimed = by_id(stranger(0, name="a"), stranger(1, name="a"))
    twins = by_id(stranger(0), stranger(1, said=hello(1, uid="uid-0")))
    silent = stranger(2)
    silent = msgspec.structs.replace(silent, hello=None)

    assert list(readmission.judge(world(), claimed).values()) == ["2 accounts claim this name"] * 2
    assert list(readmission.judge(world(), twins).values()) == ["2 accounts claim its UID"] * 2
    assert list(readmission.judge(world(), by_id(silent)).values()) == [readmission.SILENT]
    assert list(readmission.all_of(world(), {**claimed, **by_id(silent)})) == []
    assert [one.account.id for one in readmission.listed(twins, readmission.judge(world(), twins))] == list(twins)


def test_what_the_log_gave_to_another_is_not_given_away() -> None:
    named = world(added(5, "c0"), identified(5, "uid-5"))
    bound = world(added(5), identified(5, "uid-0"))

    assert list(readmission.judge(named, by_id(stranger(0))).values()) == [
        f"the log knows account {examples.cluster_id(5)} by this name"
    ]
    assert list(readmission.judge(bound, by_id(stranger(0))).values()) == ["cluster c5 has its UID"]


def test_a_declaration_finds_the_account_of_its_name() -> None:
    zero, one, two = (readmission.Account(examples.cluster_id(number), "edge") for number in range(3))
    only, both = readmission.Accounts([zero]), readmission.Accounts([zero, one])
    heard = by_id(stranger(1, name="edge"))

    assert readmission.account_of("other", world(), only, {}) is None
    assert readmission.account_of("edge", world(), only, {}) == zero.id
    assert readmission.account_of("edge", world(added(0, "edge")), only, {}) is None
    assert readmission.account_of("edge", world(), both, heard) == one.id
    with pytest.raises(rejections.AlreadyExists, match="2 accounts claim the name"):
        readmission.account_of("edge", world(), both, {})
    with pytest.raises(rejections.AlreadyExists, match="cannot be taken back \\(cluster c5 has its UID"):
        readmission.account_of("edge", world(added(5), identified(5, "uid-1")), both, heard)
    assert (
        readmission.account_of("edge", world(), readmission.Accounts([two]), by_id(stranger(2, name="edge"))) == two.id
    )


def test_a_hello_of_a_declared_cluster_takes_its_agent_back_once() -> None:
    account, said = readmission.Account(examples.cluster_id(0), "c0"), hello(0)
    here = world(added(0))
    cluster = here.clusters[account.id]

    [readmitted, version] = readmission.hello(here, cluster, said, sequence=7, account=account)
    after = world(added(0), readmitted, version)

    assert readmission.is_unknown(here, account.id)
    assert not readmission.is_unknown(after, account.id)
    assert readmission.hello(after, after.clusters[account.id], said, sequence=7, account=account) == ()


def test_only_an_account_from_before_the_log_is_taken_back_by_a_hello() -> None:
    here = world(added(0))
    cluster = here.clusters[examples.cluster_id(0)]

    found = readmission.hello(here, cluster, hello(0), sequence=7, account=None)

    assert found == clusters.hello(cluster, hello(0), 7)
    assert isinstance(found[0], events.ClusterIdentified)


def test_a_revoked_agent_is_not_taken_back_by_what_it_said_before() -> None:
    revoked = events.CredentialsRevoked(cluster=examples.cluster_id(0), before=examples.AT)
    account = readmission.Account(examples.cluster_id(0), "c0")
    here = world(added(0), revoked)

    found = readmission.hello(here, here.clusters[account.id], hello(0), sequence=7, account=account)

    assert not any(isinstance(event, events.AgentReadmitted) for event in found)


def test_a_uid_of_another_cluster_is_refused_once_for_each_hello() -> None:
    account = readmission.Account(examples.cluster_id(0), "c0")
    here = world(added(0), added(5), identified(5, "uid-0"))

    [refused] = readmission.hello(here, here.clusters[account.id], hello(0), sequence=7, account=account)
    after = world(added(0), added(5), identified(5, "uid-0"), refused)

    assert refused == events.ClusterUidRefused(cluster=account.id, uid="uid-0", reports_sequence=7)
    assert readmission.hello(after, after.clusters[account.id], hello(0), sequence=7, account=account) == ()


@pytest.mark.parametrize(("epoch", "expected"), [(1, 0), (2, 3), (9, 10), (enrolment.EPOCH_MAX, 0)])
def test_one_that_comes_late_begins_above_what_it_holds(epoch: int, expected: int) -> None:
    """The fleet is in epoch 2: what is below is overtaken already."""
    account = readmission.Account(examples.cluster_id(0), "c0")
    here = world(fleet_events.HubRecovered(epoch=2, reason="lost"), added(0))

    said = hello(0, epoch=epoch)
    [readmitted, _] = readmission.hello(here, here.clusters[account.id], said, sequence=7, account=account)

    assert isinstance(readmitted, events.AgentReadmitted)
    assert readmitted.epoch == expected
    assert world(added(0), readmitted).fleet.epoch_seen == expected


def test_a_recovery_begins_above_every_epoch_that_anything_shows() -> None:
    one = stranger(0, said=hello(0, epoch=4))
    heard = {one.account.id: observed.evolve(observed.initial(one.account.id), hello(0, epoch=6))}
    published = {one.account.id: publications.Publication(cluster=one.account.id, epoch=5)}
    absurd = by_id(stranger(1, said=hello(1, epoch=enrolment.EPOCH_MAX)))

    assert readmission.epoch_seen({}, {}, {}) == 0
    assert readmission.epoch_seen(published, {}, by_id(one)) == 5
    assert readmission.epoch_seen(published, heard, absurd) == 6
    assert fleet.recover(world().fleet, "lost", seen=6) == (fleet_events.HubRecovered(epoch=7, reason="lost"),)
