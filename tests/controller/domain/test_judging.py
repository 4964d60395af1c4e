"""How a cluster in flight is judged: by what the revision changes for it, and by nothing else."""

import msgspec
import pytest

from controller.domain import inputs, judging, observed, rollouts
from protocol import bundles, ids, reports, selectors, status
from protocol.canonical import Digest
from tests.controller.domain import examples
from tests.controller.domain.test_observed import API, WEB, applied, bundle, folded

EDGE = inputs.Facts(name="edge")
ROOT = examples.digest("root")
STANDING = judging.Standing(published_root=ROOT)
CONTENT = examples.digest("content")
WAITS = reports.ObjectFailure(
    ids.ObjectId("flotilla.gitops", "Bundle", "", "shop/db"),
    "DependencyNotReady",
    "waits for bundle shop/db to be ready",
)
MISSING = reports.ObjectFailure(
    ids.ObjectId("flotilla.gitops", "Bundle", "", "shop/db"), "DependencyMissing", "is not placed on this cluster"
)
DEGRADED, PROGRESSING = status.Health.DEGRADED, status.Health.PROGRESSING


def expect(*, removed: frozenset[ids.BundleId] = frozenset(), **changed: str) -> judging.Change:
    known = {"web": WEB, "api": API}
    return judging.Change(
        changed={known[name]: examples.digest(text) for name, text in changed.items()}, removed=removed
    )


def test_only_what_two_catalogs_give_differently_is_a_change() -> None:
    shelf = examples.Shelf()
    web, api, old = (shelf.entry(f"shop/{name}", examples.config_map(name)) for name in ("web", "api", "old"))
    newer = shelf.entry("shop/web", examples.config_map("web"), examples.config_map("more"))
    base = examples.catalog(examples.SHOP, web, api, old)
    new = examples.catalog(examples.SHOP, newer, api)

    found = judging.change(base, new, examples.EVERYWHERE, EDGE)

    assert found == judging.Change(
        changed={WEB: newer.variants[0].index}, removed=frozenset({ids.BundleId("shop/old")})
    )
    assert judging.is_affected(found)
    assert not judging.is_affected(judging.change(new, new, examples.EVERYWHERE, EDGE))
    first = judging.change(None, new, examples.EVERYWHERE, EDGE)
    assert first == judging.Change(
        changed={WEB: newer.variants[0].index, API: api.variants[0].index}, removed=frozenset()
    )


def test_what_must_stand_first_is_a_change_as_well() -> None:
    """It may be as wrong as content: all clusters at once must not wait for what is not there (I10)."""
    shelf = examples.Shelf()
    web, api = (shelf.entry(f"shop/{name}", examples.config_map(name)) for name in ("web", "api"))
    needing = msgspec.structs.replace(web, depends_on=(bundles.Dependency(API),))
    without, with_it = (examples.catalog(examples.SHOP, one, api) for one in (web, needing))

    for base, new in ((without, with_it), (with_it, without)):
        found = judging.change(base, new, examples.EVERYWHERE, EDGE)
        assert found == judging.Change(changed={WEB: web.variants[0].index}, removed=frozenset())
    assert not judging.is_affected(judging.change(with_it, with_it, examples.EVERYWHERE, EDGE))


def test_a_rollout_is_for_those_whom_its_catalog_gives_something_else() -> None:
    shelf = examples.Shelf()
    web = shelf.entry("shop/web", examples.config_map("web"))
    only_eu = msgspec.structs.replace(
        shelf.entry("shop/api", examples.config_map("api")), targets=(selectors.Target(match_labels={"region": "eu"}),)
    )
    base, new = examples.catalog(examples.SHOP, web), examples.catalog(examples.SHOP, web, only_eu)
    eu, us = (inputs.Facts(name=name, labels={"region": name}) for name in ("eu", "us"))
    members = {
        ids.ClusterId("new-us"): (None, us),
        ids.ClusterId("old-us"): (base, us),
        ids.ClusterId("old-eu"): (base, eu),
        ids.ClusterId("other-eu"): (base, msgspec.structs.replace(eu, name="other")),
        ids.ClusterId("has-it"): (new, eu),
    }

    changes = judging.Changes(new, examples.EVERYWHERE, [one for one, _ in members.values() if one is not None])
    found = {cluster: changes.of(base, of) for cluster, (base, of) in members.items()}

    assert {cluster for cluster, one in found.items() if judging.is_affected(one)} == {"new-us", "old-eu", "other-eu"}
    assert found == {c: judging.change(base, new, examples.EVERYWHERE, of) for c, (base, of) in members.items()}
    unknown = msgspec.structs.replace(new)
    assert not judging.is_affected(changes.of(unknown, EDGE))


def test_a_cluster_that_comes_from_two_catalogs_is_judged_by_what_either_changes() -> None:
    one, other = expect(web="a", removed=frozenset({API})), expect(api="b")

    assert judging.either(one, other) == judging.Change(
        changed={WEB: examples.digest("a"), API: examples.digest("b")}, removed=frozenset({API})
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([bundle(WEB)], rollouts.Verdict()),
        ([bundle(WEB, health=status.Health.SUSPENDED)], rollouts.Verdict()),
        ([bundle(WEB), bundle(API, health=DEGRADED)], rollouts.Verdict()),
        ([bundle(WEB, health=PROGRESSING)], None),
        ([bundle(WEB, sync=status.Sync.OUT_OF_SYNC)], None),
        ([bundle(WEB, "of an older content", health=DEGRADED)], None),
        ([], None),
        ([bundle(WEB, health=DEGRADED)], rollouts.Verdict(failure="shop/web: degraded")),
    ],
)
def test_a_bundle_that_changed_decides_and_no_other(
    found: list[reports.BundleStatus], verdict: rollouts.Verdict | None
) -> None:
    assert judging.verdict(expect(web="a"), folded(applied(1, *found)), STANDING) == verdict


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", "shop/web: Deployment web: ImagePullBackOff"),
        ("no such image", "shop/web: Deployment web: ImagePullBackOff (no such image)"),
    ],
)
def test_a_failure_names_the_object_and_its_reason(message: str, expected: str) -> None:
    failed = reports.ObjectFailure(
        object=examples.object_id("Deployment", "web", group=""), reason="ImagePullBackOff", message=message
    )
    seen = folded(applied(1, bundle(WEB, health=DEGRADED, failures=(failed,))))

    assert judging.verdict(expect(web="a"), seen, STANDING) == rollouts.Verdict(failure=expected)


@pytest.mark.parametrize(
    ("sync", "failed", "expected"),
    [
        (status.Sync.OUT_OF_SYNC, 0, rollouts.Verdict()),
        (status.Sync.OUT_OF_SYNC, 1, None),
        (status.Sync.UNKNOWN, 0, None),
    ],
)
def test_what_drifted_and_stays_so_is_not_the_revisions_doing(
    sync: status.Sync, failed: int, expected: rollouts.Verdict | None
) -> None:
    """But only drift: what failed, or was not tried yet, is."""
    found = reports.BundleStatus(WEB, CONTENT, sync, status.Health.HEALTHY, objects=3, failed=failed, drifted=1)

    assert judging.verdict(expect(web="content"), folded(applied(1, found)), STANDING) == expected


def test_a_bundle_in_conflict_fails_the_cluster_though_it_looks_well() -> None:
    standing = judging.Standing(published_root=ROOT, conflicts={WEB: "ConfigMap a is also in shop/api"})

    found = judging.verdict(expect(web="a"), folded(applied(1, bundle(WEB))), standing)

    assert found == rollouts.Verdict(failure="shop/web: ConfigMap a is also in shop/api")


@pytest.mark.parametrize(("root", "verdict"), [(ROOT, rollouts.Verdict()), (examples.digest("older"), None)])
def test_that_a_bundle_is_gone_is_seen_in_the_root_that_was_worked_through(
    root: Digest, verdict: rollouts.Verdict | None
) -> None:
    seen = observed.evolve(
        observed.initial(examples.cluster_id(0)),
        reports.Applied(origin=applied(1).origin, root=root, bundles=(), inventory=0),
    )

    assert judging.verdict(expect(removed=frozenset({API})), seen, STANDING) == verdict


def judged(said: reports.BundleStatus) -> object:
    seen = observed.Observed(cluster=ids.ClusterId("A"), bundles={WEB: said})
    change = judging.Change(changed={WEB: CONTENT}, removed=frozenset())
    return judging.verdict(change, seen, judging.Standing(published_root=ROOT))


def test_content_that_comes_back_is_judged_by_what_is_said_once_it_was_worked_through_again() -> None:
    """A revert soon after a bad commit: that all was well before the commit is no success of the revert."""
    before = folded(applied(1, bundle(WEB, "a")))
    standing = msgspec.structs.replace(STANDING, published=(1, 3))

    assert judging.verdict(expect(web="a"), before, standing) is None
    after = observed.evolve(before, applied(3))
    assert judging.verdict(expect(web="a"), after, standing) == rollouts.Verdict()


def test_what_failed_before_the_revision_was_worked_through_is_not_its_failure() -> None:
    """What mends a bundle may stand in another, or in what it depends on: its own content is the same."""
    before = folded(applied(1, bundle(WEB, "a", health=DEGRADED)))
    standing = msgspec.structs.replace(STANDING, published=(1, 3))

    assert judging.verdict(expect(web="a"), before, standing) is None
    worked = observed.evolve(before, applied(3))
    assert judging.verdict(expect(web="a"), worked, standing) == rollouts.Verdict(failure="shop/web: degraded")


def test_a_bundle_that_waits_for_another_is_still_under_way() -> None:
    """Neither healthy nor failed: what it waits for may come any moment."""
    said = reports.BundleStatus(
        WEB, CONTENT, status.Sync.UNKNOWN, status.Health.PROGRESSING, objects=1, failures=(WAITS,)
    )

    assert judged(said) is None


def test_a_bundle_that_waits_in_vain_has_failed_by_name() -> None:
    said = reports.BundleStatus(
        WEB, CONTENT, status.Sync.OUT_OF_SYNC, status.Health.DEGRADED, objects=1, failed=1, failures=(MISSING,)
    )

    found = judged(said)
    assert isinstance(found, judging.rollouts.Verdict)
    assert found.failure == (
        "shop/web: Bundle.flotilla.gitops shop/db: DependencyMissing (is not placed on this cluster)"
    )
