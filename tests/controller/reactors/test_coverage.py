"""When a source has to be resolved again though its ref stands still."""

import msgspec

from controller.domain import catalogs, inputs, sources
from controller.reactors import coverage
from protocol import specs
from protocol.events.sources import Problem
from tests.controller.domain import examples

CATALOG = examples.catalog(examples.SHOP, examples.Shelf().entry("shop/web", examples.config_map("a")))
SOURCE = sources.Source(
    name=examples.SHOP, spec=examples.EVERYWHERE, managed_by=specs.ManagedBy.COMMAND, catalog=examples.digest("catalog")
)
FLEET = {examples.cluster_id(number): inputs.Facts(name=f"c{number}") for number in range(2)}
FEWER = {examples.cluster_id(0): inputs.Facts(name="c0")}


def wrong() -> catalogs.Catalog:
    """For some cluster, a variable is missing."""
    [entry] = CATALOG.entries
    broken = catalogs.Variant(inputs={"cluster.name": "c1"}, errors=(Problem("a.yaml", "no value"),))
    good = msgspec.structs.replace(entry.variants[0], inputs={"cluster.name": "c0"})
    return msgspec.structs.replace(CATALOG, entries=(msgspec.structs.replace(entry, variants=(good, broken)),))


async def test_a_cluster_that_leaves_may_take_an_error_with_it() -> None:
    looked = coverage.Coverage()
    looked.rendered(examples.SHOP, SOURCE.catalog, FLEET)

    assert await looked.covers(SOURCE, wrong(), FLEET)
    assert not await looked.covers(SOURCE, wrong(), FEWER)
    looked.rendered(examples.SHOP, SOURCE.catalog, FEWER)
    assert await looked.covers(SOURCE, wrong(), FEWER)


async def test_a_cluster_that_leaves_a_source_without_an_error_is_not_missed() -> None:
    looked = coverage.Coverage()
    looked.rendered(examples.SHOP, SOURCE.catalog, FLEET)

    assert await looked.covers(SOURCE, CATALOG, FEWER)
