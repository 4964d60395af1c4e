"""Three clusters, and short ways to resolve a bundle for them and to look at what one gets."""

from typing import Any

import msgspec

from controller.domain import catalogs, inputs, placements
from controller.render import resolve, stages, staging
from protocol import messages
from tests.controller.render.conftest import SHOP, Workbench

VARIABLE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {region: '${cluster.labels.region:-none}'}\n"

NAMED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {who: '${cluster.name}'}\n"


def cluster(name: str, **labels: str) -> inputs.Facts:
    return inputs.Facts(name=name, labels=labels)


EU, US, PLAIN = cluster("a", region="eu"), cluster("b", region="us"), cluster("c")


class Counting(stages.Stages):
    """Counts the stages that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def plan(self, *words: Any) -> staging.Plan:
        plan = super().plan(*words)

        def make() -> staging.Staged:
            self.made += 1
            return plan.make()

        return msgspec.structs.replace(plan, make=make)


def run(
    bench: Workbench, files: dict[str, str], *fleet: inputs.Facts, before: resolve.Resolution | None = None, **more: Any
) -> resolve.Resolution:
    request = resolve.Request(
        SHOP, bench.revision(files), fleet=fleet, previous=before.catalog if before is not None else None
    )
    return bench.run(request, **more)


def entry_of(found: resolve.Resolution) -> catalogs.Entry:
    (entry,) = found.catalog.entries
    return entry


def manifest(bench: Workbench, entry: catalogs.Entry, of: inputs.Facts) -> Any:
    """The one object that the cluster gets."""
    placed = placements.place(entry, of)
    assert placed is not None
    (item,) = messages.INDEX.decode(bench.blobs[placed.index].plain).objects
    return msgspec.json.decode(bench.blobs[item.manifest].plain)
