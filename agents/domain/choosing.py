"""Which objects of the plan a pass looks at, and which it applies.

What is as Git wants it, as far as anybody knows, is left as it is until a resync. What has drifted is looked at before
it is applied, where nobody has seen it yet: an apply tells nothing of what it puts right.
"""

from collections.abc import Callable

import msgspec

from agents.domain import drift, plan, statuses
from protocol import ids
from protocol.status import Health


class Scope(msgspec.Struct, frozen=True):
    """What of the plan a pass applies, beside what is not applied yet."""

    everything: bool
    """A resync: whatever drifted is put right."""
    retried: frozenset[ids.BundleId]
    """Failed bundles whose time has come."""


class Choice(msgspec.Struct, frozen=True):
    """One pass, and what is known before it."""

    scope: Scope
    observed: statuses.Observations
    failures: statuses.Failures
    renewed: frozenset[ids.BundleId]
    """With new content that was not worked through yet."""
    restated: frozenset[ids.BundleId]
    """They say something else of drift than when their objects were looked at last."""
    untold: frozenset[ids.ObjectId]
    """The last look at them failed."""
    covers: Callable[[plan.Wanted], bool]
    """Would a change of it be seen by a watch?"""

    def is_looked_at(self, item: plan.Wanted) -> bool:
        """Is it left alone, and time to see how it is?"""
        return drift.is_left_alone(item, self.renewed) and self._is_behind(item)

    def is_due(self, item: plan.Wanted) -> bool:
        """Is it to be applied?"""
        if not drift.is_left_alone(item, self.renewed):
            return drift.is_applied_whole(item, self.renewed) or self._is_behind(item)
        return drift.is_created_again(item, self.renewed) and self._is_missing(item)

    def is_unseen(self, item: plan.Wanted) -> bool:
        """Of what is due: does only this pass see whether it has drifted? As where nobody watches, and after a start;
        and where the bundle did not care until now."""
        if not (drift.has_content(item) and drift.is_compared(item)):
            return False
        if item.object not in self.observed or item.object in self.untold:
            return True
        seen_else = self.covers(item) or not self.scope.everything
        return self._is_applied(item) and (item.bundle in self.restated or not seen_else)

    def _is_behind(self, item: plan.Wanted) -> bool:
        if self.scope.everything or item.bundle in self.restated or self._is_missing(item):
            return True
        problem = self.failures.get(item.object)
        if problem is not None and item.bundle in self.scope.retried:
            return True
        is_known = problem is not None and problem.bundle == item.bundle
        return not is_known and not self._is_applied(item)

    def _is_missing(self, item: plan.Wanted) -> bool:
        seen = self.observed.get(item.object)
        return seen is not None and seen.assessment.health is Health.MISSING

    def _is_applied(self, item: plan.Wanted) -> bool:
        return statuses.is_applied(item, self.observed, self.failures)
