"""Clusters that an earlier log knew: the log is lost, but the keys of their accounts are there, and their agents come.

Such an agent is a stranger: the server vouches for its account, its hello says which cluster it serves and by which key
it is let in. It is taken back as it is, with its account, its UID and its key, by the way out of recovery or by a
declaration of its name. The name is the one that the hub itself signed into the account's token, never an agent's word:
else whoever holds one cluster's credentials could ask for another one's state. Labels were in the log, and are lost.

- A name that two accounts claim, and a UID that another cluster has, are refused until a person has decided.
- What was revoked before stays revoked.
- A stranger owes nothing, and its next state has an epoch above what it holds.
"""

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from controller.domain import clusters, enrolment, entries, observed, publications, rejections
from controller.domain.world import World
from protocol import ids, reports, specs
from protocol.events import clusters as events
from protocol.events import log

SILENT = "its agent has not said yet which cluster it serves"


class Account(msgspec.Struct, frozen=True):
    """An account as the server knows it, by the hub's own signature."""

    id: ids.ClusterId
    name: str
    revoked_before: datetime.datetime | None = None
    """Tokens issued up to then are void; None: none are."""
    issued_at: datetime.datetime | None = None
    """Of the server's token of it, by the clock of the hub that made it; None: it was not looked at."""


class Accounts:
    """Accounts of which the log let nobody in."""

    def __init__(self, found: Iterable[Account]) -> None:
        self.by_id = {one.id: one for one in found}
        self.by_name: dict[str, list[ids.ClusterId]] = {}
        for one in self.by_id.values():
            self.by_name.setdefault(one.name, []).append(one.id)


class Stranger(msgspec.Struct, frozen=True):
    """What was heard of an agent by such an account."""

    account: Account
    seen: observed.Observed
    hello: reports.Hello | None = None
    """The newest; None: it was only heard."""
    sequence: int = 0
    """Of the report that brought it."""


Strangers = Mapping[ids.ClusterId, Stranger]


def is_unknown(world: World, cluster: ids.ClusterId) -> bool:
    """Did this log never let anybody in by the account?"""
    known = world.clusters.get(cluster)
    return known is None or _is_empty(known)


def judge(world: World, strangers: Strangers) -> dict[ids.ClusterId, str]:
    """Why each stranger that the log still does not know cannot be taken back; empty: it can."""
    unknown = {one: found for one, found in strangers.items() if one not in world.clusters}
    if not unknown:
        return {}
    names = Counter(one.account.name for one in unknown.values())
    uids = Counter(one.seen.uid for one in unknown.values())
    taken = {one.name: one for one in world.clusters.values() if not one.removed}
    bound = {one.uid: one for one in taken.values() if one.uid}
    found = {}
    for cluster, one in unknown.items():
        name, uid = one.account.name, one.seen.uid
        if name in taken:
            reason = f"the log knows account {taken[name].id} by this name"
        elif names[name] > 1:
            reason = f"{names[name]} accounts claim this name"
        elif one.hello is None:
            reason = SILENT
        elif uid in bound:
            reason = f"cluster {bound[uid].name} has its UID"
        elif uids[uid] > 1:
            reason = f"{uids[uid]} accounts claim its UID"
        else:
            reason = ""
        found[cluster] = reason
    return found


def all_of(world: World, strangers: Strangers) -> Iterator[tuple[log.Event, ...]]:
    """Decide to take back every stranger that can be; the events of each stand together."""
    for cluster, reason in judge(world, strangers).items():
        if not reason:
            yield _taken_back(world, strangers[cluster])


def account_of(name: str, world: World, accounts: Accounts, strangers: Strangers) -> ids.ClusterId | None:
    """The account that a new cluster of this name had by an earlier log; None: none is known.

    Raise rejections.AlreadyExists if it cannot be told which, or if another cluster has its UID. Of several accounts
    one whose agent is heard comes first: an account may have been made in vain.
    """
    claims = [one for one in accounts.by_name.get(name, ()) if one not in world.clusters]
    found = [one for one in claims if one in strangers] or claims
    if len(found) > 1:
        raise rejections.AlreadyExists(f"cluster {name!r}: {len(found)} accounts claim the name ({', '.join(found)})")
    if not found:
        return None
    reason = judge(world, strangers).get(found[0], "") if found[0] in strangers else ""
    if reason not in ("", SILENT):
        raise rejections.AlreadyExists(f"cluster {name!r}: cannot be taken back ({reason})")
    return found[0]


def hello(
    world: World, cluster: clusters.Cluster, said: reports.Hello, *, sequence: int, account: Account | None
) -> tuple[events.Event, ...]:
    """Decide what a hello says of a cluster that the log knows. `account`: where the server knew it before the log."""
    if account is None or not _is_empty(cluster):
        return clusters.hello(cluster, said, sequence)
    if any(one.uid == said.cluster_uid and not one.removed for one in world.clusters.values()):
        if sequence <= cluster.uid_refused_sequence:
            return ()
        return (events.ClusterUidRefused(cluster=cluster.id, uid=said.cluster_uid, reports_sequence=sequence),)
    readmitted = events.AgentReadmitted(
        cluster=cluster.id,
        uid=said.cluster_uid,
        reports_sequence=sequence,
        key=said.agent_key if said.renews else "",
        file_key="" if said.renews else said.agent_key,
        epoch=_epoch(world, said.origin),
        before=account.revoked_before,
    )
    return (readmitted, *clusters.hello(clusters.evolve(cluster, readmitted), said, sequence))


def epoch_seen(
    published: Mapping[ids.ClusterId, publications.Publication],
    heard: Mapping[ids.ClusterId, observed.Observed],
    strangers: Strangers,
) -> int:
    """The highest epoch that anything shows beside the log."""
    shown = [one.epoch for one in published.values()]
    shown += [one.epoch for one in heard.values()]
    shown += [one.seen.epoch for one in strangers.values()]
    return max((epoch for epoch in shown if epoch < enrolment.EPOCH_MAX), default=0)


def listed(strangers: Strangers, found: Mapping[ids.ClusterId, str]) -> Sequence[Stranger]:
    """Those that were judged, in the order of names."""
    return sorted((strangers[one] for one in found), key=lambda one: (one.account.name, one.account.id))


def _taken_back(world: World, one: Stranger) -> tuple[log.Event, ...]:
    assert one.hello is not None, "judged without a hello"
    account = one.account
    new = clusters.Cluster(id=account.id, name=account.name, labels={}, managed_by=specs.ManagedBy.COMMAND)
    (added,) = clusters.add({}, new)
    said = hello(world, clusters.evolve(None, added), one.hello, sequence=one.sequence, account=account)
    return (added, *said)


def _is_empty(cluster: clusters.Cluster) -> bool:
    """Was nobody ever let in, and nothing revoked? A token that nobody used yet lets in nobody."""
    unused = cluster.entry.offer is None or not cluster.entry.offer.key
    return unused and not cluster.uid and not cluster.removed and not _is_used(cluster.entry)


def _is_used(entry: entries.Entry) -> bool:
    return bool(entry.key or entry.file_key) or entry.revoked_before is not None


def _epoch(world: World, origin: reports.Origin) -> int:
    """Above what the cluster holds; 0 where the fleet's is, or will be once it has recovered."""
    if world.fleet.recovering or not world.fleet.epoch <= origin.epoch < enrolment.EPOCH_MAX:
        return 0
    return origin.epoch + 1 if origin.generation else 0
