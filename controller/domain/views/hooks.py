"""Helm's hooks on a cluster: which of a bundle's ran, and how they ended."""

import datetime

import msgspec

from controller.domain import observed
from controller.domain.views import freshness, sight
from protocol import ids, reports


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One hook of a bundle, with the content that was published."""

    bundle: ids.BundleId
    object: str
    phase: str
    """In Helm's words: `pre-install`, `post-upgrade`, …"""
    progress: reports.HookProgress
    reason: str
    message: str
    as_of: datetime.datetime | None


def of_cluster(looking: sight.Sight, cluster: ids.ClusterId) -> list[Row]:
    """Those of all its bundles that are not over first; at most sight.TEXTS_MAX. None where nobody hears from it."""
    if not looking.online(cluster):
        return []
    seen, as_of = looking.seen(cluster), freshness.as_of(looking, cluster)
    found = [
        Row(
            bundle=bundle,
            object=str(one.object),
            phase=one.phase,
            progress=one.progress,
            reason=one.reason,
            message=one.message,
            as_of=as_of,
        )
        for bundle, index in looking.content(cluster).items()
        if (told := observed.bundle_status(seen, bundle, index)) is not None
        for one in told.hooks
    ]
    found.sort(key=lambda one: one.progress is reports.HookProgress.SUCCEEDED)
    return found[: sight.TEXTS_MAX]
