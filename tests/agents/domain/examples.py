"""Small values for the tests of the domain, and strategies for the properties."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from agents.domain import dependencies, inventory, object_states, plan, resources, statuses
from protocol import bundles, canonical, desired, ids, reports
from protocol.canonical import Digest

CONFIG_MAP = resources.Resource(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
NAMESPACE = resources.Resource(group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False)
DEFINITION = resources.Resource(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
)
SECRET = resources.Resource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)
WEBHOOK = resources.Resource(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingWebhookConfiguration",
    plural="validatingwebhookconfigurations",
    namespaced=False,
)
KNOWN: resources.Resources = {
    resources.GroupKind(item.group, item.kind): item for item in (CONFIG_MAP, NAMESPACE, DEFINITION, SECRET, WEBHOOK)
}

ONE = Digest("1" * 64)
TWO = Digest("2" * 64)


def config_map(name: str = "settings", namespace: str = "web") -> ids.ObjectId:
    return ids.ObjectId("", "ConfigMap", namespace, name)


def namespace(name: str) -> ids.ObjectId:
    return ids.ObjectId("", "Namespace", "", name)


def bundle_id(name: str) -> ids.BundleId:
    return ids.BundleId(f"test/{name}")


def index(name: str, *objects: ids.ObjectId, digest: Digest = ONE, **options: Any) -> bundles.BundleIndex:
    """A bundle whose objects all have the same manifest digest."""
    entries = tuple(bundles.IndexEntry(item, digest) for item in objects)
    return bundles.BundleIndex(bundle_id(name), bundles.BundleOptions(**options), entries)


def entry(object_id: ids.ObjectId | None = None, bundle: str = "web", **changes: Any) -> inventory.Entry:
    """What we own: applied, and with its UID."""
    found = object_id or config_map()
    fields: dict[str, Any] = {
        "api_version": "v1",
        "plural": "configmaps",
        "digest": ONE,
        "written_namespace": found.namespace,
        "uid": f"uid-of-{found.name}",
        **changes,
    }
    return inventory.Entry(object=found, bundle=bundle_id(bundle), **fields)


def owned(*entries: inventory.Entry) -> dict[ids.ObjectId, inventory.Entry]:
    return {item.object: item for item in entries}


def deletion(
    object_id: ids.ObjectId | None = None,
    bundle: str = "web",
    debt: str = "d1",
    prune: bundles.Prune = bundles.Prune.OWNED,
) -> desired.Deletion:
    return desired.Deletion(ids.DebtId(debt), object_id or config_map(), bundle_id(bundle), prune)


def wanted(object_id: ids.ObjectId | None = None, bundle: str = "web", **changes: Any) -> plan.Wanted:
    """An object as a plan has it."""
    found = object_id or config_map()
    fields: dict[str, Any] = {
        "written": found,
        "options": bundles.BundleOptions(),
        "digest": ONE,
        "resource": CONFIG_MAP,
        "entry": None,
        **changes,
    }
    return plan.Wanted(object=found, bundle=bundle_id(bundle), **fields)


def composed(
    planned: plan.Plan,
    indexes: Sequence[tuple[bundles.BundleIndex, Digest]],
    observed: statuses.Observations,
    failures: statuses.Failures,
    waiting: dependencies.Unmets = dependencies.NONE,
) -> dict[ids.BundleId, reports.BundleStatus]:
    """How the bundles of a plan stand."""
    parts = statuses.parts(planned, indexes)
    found = {
        part.index.bundle: statuses.of_part(part, observed, failures, waiting.get(part.index.bundle)) for part in parts
    }
    return object_states.bounded(found)


names = st.sampled_from(["a", "b", "c"])
namespaces = st.sampled_from(["", "web", "data"])
object_ids = st.builds(config_map, names, namespaces) | st.builds(namespace, names)
digests = st.sampled_from([ONE, TWO])
options = st.builds(
    bundles.BundleOptions,
    namespace=st.sampled_from(["", "", "web"]),
    default_namespace=st.sampled_from(["", "data"]),
    prune=st.sampled_from(list(bundles.Prune)),
)


@st.composite
def indexes(draw: st.DrawFn) -> tuple[bundles.BundleIndex, ...]:
    """Up to three bundles with a few objects each; the same object may be in several."""
    found = []
    for name in draw(st.lists(names, unique=True, max_size=3)):
        objects = sorted(draw(st.sets(object_ids, max_size=4)))
        entries = tuple(bundles.IndexEntry(item, draw(digests)) for item in objects)
        found.append(bundles.BundleIndex(bundle_id(name), draw(options), entries))
    return tuple(sorted(found, key=lambda item: item.bundle))


@st.composite
def inventories(draw: st.DrawFn) -> dict[ids.ObjectId, inventory.Entry]:
    """Up to six entries of any kind: intents, adopted ones, tombstones."""
    found = {}
    for object_id in draw(st.sets(object_ids, max_size=6)):
        resolved = (
            object_id if object_id.namespace or object_id.kind == "Namespace" else config_map(object_id.name, "web")
        )
        settled = draw(st.none() | st.just(inventory.Settled(ids.DebtId("d0"), inventory.reports.Outcome.GONE)))
        found[resolved] = entry(
            resolved,
            draw(names),
            written_namespace=object_id.namespace,
            uid=draw(st.sampled_from(["", "uid-1", "uid-2", f"uid-of-{resolved.name}"])),
            adopted=draw(st.sampled_from([canonical.NO_DIGEST, ONE])),
            prune=draw(st.sampled_from(list(bundles.Prune))),
            settled=settled,
        )
    return found


@st.composite
def named(draw: st.DrawFn) -> desired.Deletions:
    """Up to four deletions."""
    items = draw(st.lists(st.tuples(object_ids, names, st.sampled_from(list(bundles.Prune))), max_size=4))
    return desired.Deletions(
        tuple(deletion(item, bundle, f"d{number}", prune) for number, (item, bundle, prune) in enumerate(items))
    )
