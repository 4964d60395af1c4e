"""What the hub has to hear of a pass: only what changed since it was last said, and all of it after a loss.

Everything here is a level. Whatever is said twice says the same, and a report that is lost is made up for by the next
one that differs, or by saying everything anew.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from agents import acceptor, pruning, reporter
from protocol import drifts, ids, reports, status

DRIFTS_MAX = 200
"""Open drifts that are told, in the order of their objects; the rest is counted. Each may have a few kilobytes."""

T = TypeVar("T")
Statuses = dict[ids.BundleId, reports.BundleStatus]


class Announcer:
    """Compares what is with what was said."""

    def __init__(self, outbox: reporter.Reporter) -> None:
        self._outbox = outbox
        self._epoch = 0
        self.forget()

    def forget(self) -> None:
        """Say everything anew at the next occasion."""
        self._said: Statuses = {}
        self._failed: Statuses = {}
        self._adopted: frozenset[ids.ObjectId] = frozenset()
        self._orphans: tuple[reports.Orphan, ...] | None = None
        self._pruned: tuple[str, pruning.Outcome] | None = None
        self._generation = ""
        self._drifts: dict[ids.ObjectId, drifts.Drift] | None = None
        self._noticed: dict[ids.ObjectId, drifts.Drift] = {}

    def applied(self, held: acceptor.Held, statuses: Statuses, inventory: int, *, traceparent: str) -> None:
        """A generation was worked through: the bundles that it touched, and those that came out otherwise than said."""
        self._enter(held.mark.epoch)
        news = self._news(statuses)
        touched = [item for item in news if _apply_of(item) != _apply_of(self._said.get(item.bundle))]
        if touched or self._generation != str(held.mark):
            for part in reporter.parts(touched) or [()]:
                make = functools.partial(reports.Applied, root=held.mark.root, bundles=part, inventory=inventory)
                self._outbox.say(make, traceparent=traceparent)
        self._generation = str(held.mark)
        self._said = {**self._said, **{item.bundle: item for item in touched}}
        self._forget_gone(statuses)

    def failed(self, held: acceptor.Held, statuses: Statuses, *, traceparent: str) -> None:
        """Bundles that could not be applied whole, when that set or its reasons have changed."""
        self._enter(held.mark.epoch)
        failing = {bundle: item for bundle, item in statuses.items() if item.failed}
        if _reasons(failing) != _reasons(self._failed):
            for part in reporter.parts([item for _, item in sorted(failing.items())]) or [()]:
                make = functools.partial(reports.Failed, root=held.mark.root, bundles=part)
                self._outbox.say(make, traceparent=traceparent)
            # The hub takes these for how the bundles stand, so whatever differs from them is news again.
            self._said = {**self._said, **failing}
        self._failed = failing

    def ready(self, held: acceptor.Held, statuses: Statuses, *, traceparent: str) -> None:
        """Bundles whose health is another than said."""
        news = self._news(statuses)
        changed = [item for item in news if _health_of(item) != _health_of(self._said.get(item.bundle))]
        for part in reporter.parts(changed):
            make = functools.partial(reports.Ready, root=held.mark.root, bundles=part)
            self._outbox.say(make, traceparent=traceparent)
        self._said.update({item.bundle: item for item in changed})

    def adopted(self, objects: frozenset[ids.ObjectId]) -> None:
        """Objects that existed before us and are ours now, each once."""
        for part in _chunks(sorted(objects - self._adopted), reports.ITEMS_MAX):
            self._outbox.say(functools.partial(reports.Adopted, objects=part))
        self._adopted = objects

    def orphaned(self, orphans: tuple[reports.Orphan, ...]) -> None:
        """All orphans, when they are others than said; none said yet and none there is nothing to say."""
        if orphans != (self._orphans or ()):
            listed = orphans[: reports.ITEMS_MAX]
            self._outbox.say(functools.partial(reports.Orphaned, orphans=listed, total=len(orphans)))
        self._orphans = orphans

    def pruned(self, held: acceptor.Held, outcome: pruning.Outcome, *, traceparent: str) -> None:
        """Named deletions; again for each generation that still names them."""
        if (str(held.mark), outcome) == self._pruned:
            return
        self._pruned = (str(held.mark), outcome)
        for confirmed in _chunks(outcome.confirmations, reports.ITEMS_MAX):
            make = functools.partial(reports.Deleted, confirmations=confirmed)
            self._outbox.say(make, traceparent=traceparent)
        for undeleted in _chunks(outcome.undeleted, reports.ITEMS_MAX):
            make = functools.partial(reports.Deleted, confirmations=(), undeleted=undeleted)
            self._outbox.say(make, traceparent=traceparent)

    def noticed(self, open_: dict[ids.ObjectId, drifts.Drift]) -> None:
        """What has drifted, so far: not all is looked at yet, so it is told as news, and never as all there is."""
        if self._drifts is None:
            news = [found for of, found in sorted(open_.items())[:DRIFTS_MAX] if self._noticed.get(of) != found]
            for part in reporter.parts(news):
                self._outbox.say(functools.partial(reports.DriftDetected, drifts=part))
            self._noticed = open_
        else:
            self.drifted(open_, ())

    def drifted(self, open_: dict[ids.ObjectId, drifts.Drift], closed: Sequence[drifts.Correction]) -> None:
        """What has drifted, where it is other than said; all of it at first, so that what was said before a restart or
        a loss does not stay open. What is over is told first: it is in no list."""
        for ended in reporter.parts(closed):
            self._outbox.say(functools.partial(reports.DriftCorrected, corrections=ended))
        told = dict(sorted(open_.items())[:DRIFTS_MAX])
        said = self._drifts
        news = [found for of, found in told.items() if said is None or said.get(of) != found]
        left_out = len(open_) - len(told)
        for number, part in enumerate(reporter.parts(news) or ([()] if said is None else [])):
            whole = said is None and not number
            make = functools.partial(reports.DriftDetected, drifts=part, all=whole, left_out=left_out)
            self._outbox.say(make)
        self._drifts, self._noticed = told, {}

    def _news(self, statuses: Statuses) -> list[reports.BundleStatus]:
        """What may be otherwise than said, in the order of names: whatever is the very same value is not."""
        return [item for bundle, item in sorted(statuses.items()) if item is not self._said.get(bundle)]

    def _enter(self, epoch: int) -> None:
        """A hub that begins an epoch has lost something: perhaps what it was told."""
        if epoch != self._epoch:
            self.forget()
        self._epoch = epoch

    def _forget_gone(self, statuses: Statuses) -> None:
        self._said = {bundle: item for bundle, item in self._said.items() if bundle in statuses}


def _apply_of(item: reports.BundleStatus | None) -> reports.BundleStatus | None:
    """The status without what changes by itself."""
    if item is None:
        return None
    failures = item.failures[: item.failed + item.drifted]
    return msgspec.structs.replace(
        item, health=status.Health.UNKNOWN, failures=failures, healths={}, states=(), ailing=0, hooks=()
    )


def _health_of(item: reports.BundleStatus | None) -> object:
    """The health and its reasons, but not the wording: the replicas of a large Deployment come one by one."""
    if item is None:
        return None
    ailments = tuple((problem.object, problem.reason) for problem in item.failures[item.failed + item.drifted :])
    states = tuple((state.object, state.sync, state.health, state.reason) for state in item.states)
    hooks = tuple((hook.object, hook.phase, hook.progress, hook.reason) for hook in item.hooks)
    return item.health, ailments, states, item.healths, hooks


def _reasons(failing: Statuses) -> dict[ids.BundleId, tuple[object, ...]]:
    """What makes a failure another failure: not its wording, which may hold a time or a request's id."""
    return {
        bundle: (
            item.index,
            item.failed,
            tuple((problem.object, problem.reason) for problem in item.failures[: item.failed]),
        )
        for bundle, item in failing.items()
    }


def _chunks(items: Sequence[T], length: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(items), length):
        yield tuple(items[start : start + length])
