"""How a cluster in flight is judged while bundles of it wait for others."""

from controller.domain import judging, observed
from protocol import canonical, ids, reports, status

WEB = ids.BundleId("shop/web")
INDEX = canonical.Digest("ab")
WAITS = reports.ObjectFailure(
    ids.ObjectId("flotilla.gitops", "Bundle", "", "shop/db"),
    "DependencyNotReady",
    "waits for bundle shop/db to be ready",
)
MISSING = reports.ObjectFailure(
    ids.ObjectId("flotilla.gitops", "Bundle", "", "shop/db"), "DependencyMissing", "is not placed on this cluster"
)


def verdict(said: reports.BundleStatus) -> object:
    seen = observed.Observed(cluster=ids.ClusterId("A"), bundles={WEB: said})
    change = judging.Change(changed={WEB: INDEX}, removed=frozenset())
    return judging.verdict(change, seen, judging.Standing(published_root=canonical.NO_DIGEST))


def test_a_bundle_that_waits_for_another_is_still_under_way() -> None:
    """Neither healthy nor failed: what it waits for may come any moment."""
    said = reports.BundleStatus(
        WEB, INDEX, status.Sync.UNKNOWN, status.Health.PROGRESSING, objects=1, failures=(WAITS,)
    )

    assert verdict(said) is None


def test_a_bundle_that_waits_in_vain_has_failed_by_name() -> None:
    said = reports.BundleStatus(
        WEB, INDEX, status.Sync.OUT_OF_SYNC, status.Health.DEGRADED, objects=1, failed=1, failures=(MISSING,)
    )

    found = verdict(said)
    assert isinstance(found, judging.rollouts.Verdict)
    assert found.failure == (
        "shop/web: Bundle.flotilla.gitops shop/db: DependencyMissing (is not placed on this cluster)"
    )
