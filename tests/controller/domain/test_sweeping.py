"""What may go: the decision on held blobs, and what events and contents name."""

import datetime
import typing

import hypothesis
import msgspec
from hypothesis import strategies as st

from controller.domain import catalogs, sweeping
from protocol import bundles, canonical, ids
from protocol.canonical import NO_DIGEST, Digest
from protocol.events import log
from protocol.events import rollouts as rollout_events
from protocol.events import sources as source_events
from tests.controller.domain import examples, fleets

AT = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)
NAMES = [canonical.digest("test", bytes([number])) for number in range(6)]

held = st.builds(
    sweeping.Held,
    name=st.sampled_from(NAMES),
    sequence=st.integers(1, 1000),
    at=st.integers(-3, 3).map(lambda hours: AT + datetime.timedelta(hours=hours)),
    size=st.integers(0, 100),
)


@hypothesis.given(st.lists(held), st.sets(st.sampled_from(NAMES)))
def test_exactly_what_is_old_and_not_named_goes(found: list[sweeping.Held], named: set[Digest]) -> None:
    going = sweeping.decide(found, named, before=AT)

    assert not {one.name for one in going} & named
    assert all(one.at < AT for one in going)
    assert all(one in going or one.name in named or one.at >= AT for one in found)


def test_every_event_that_names_a_catalog_tells_it() -> None:
    named = Digest("c" * 64)
    for kind in typing.get_args(log.Event):
        fields = [field.name for field in msgspec.structs.fields(kind)]
        if "catalog" in fields:
            event = kind(**{name: named if name == "catalog" else NO_DIGEST for name in fields})

            assert sweeping.catalogs_named(event) == {named}, kind


def test_an_event_tells_the_catalogs_before_it_too() -> None:
    event = source_events.RevisionResolved(
        name=examples.SHOP, revision=source_events.Revision(ref="main", commit="1" * 40, tree="2" * 40),
        catalog=NAMES[0], previous=NAMES[1], renderer="1", bundles=0, objects=0,
    )  # fmt: skip

    assert sweeping.catalogs_named(event) == {NAMES[0], NAMES[1]}
    aborted = rollout_events.RolloutAborted(source=examples.SHOP, rollout=ids.RolloutId("shop/1"))
    assert sweeping.catalogs_named(aborted) == frozenset()


def test_an_index_tells_all_that_it_names() -> None:
    object_id = fleets.config("a")
    index = bundles.BundleIndex(
        bundle=ids.BundleId("shop/apps/web"),
        options=bundles.BundleOptions(),
        objects=(bundles.IndexEntry(object=object_id, manifest=NAMES[0]),),
        hooks=(bundles.HookEntry(object=object_id, manifest=NAMES[1]),),
    )

    assert sweeping.blobs_named(canonical.encode(index)) == {NAMES[0], NAMES[1]}


def test_a_catalog_tells_the_indexes_of_all_variants_that_have_one() -> None:
    variants = tuple(catalogs.Variant(index=one) for one in (NAMES[0], NAMES[1], NO_DIGEST))
    entry = catalogs.Entry(bundle=ids.BundleId("shop/web"), path="web", tree="1" * 40, variants=variants)
    revision = source_events.Revision(ref="main", commit="1" * 40, tree="2" * 40)
    catalog = catalogs.Catalog(source=examples.SHOP, revision=revision, renderer="1", entries=(entry,))

    assert catalogs.indexes_named(catalog) == {NAMES[0], NAMES[1]}


def test_an_empty_log_retains_nothing() -> None:
    assert sweeping.Retained(AT).catalogs() == frozenset()
