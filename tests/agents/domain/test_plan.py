"""The plan: resolving, claims, stages; and what holds for every input."""

from hypothesis import given

from agents.domain import plan, resources
from protocol import bundles, ids, ordering
from tests.agents.domain import examples
from tests.agents.domain.examples import config_map, entry, index, namespace, owned


def make(*indexes: bundles.BundleIndex, entries: plan.inventory.Inventory | None = None) -> plan.Plan:
    return plan.make(indexes, entries or {}, examples.KNOWN)


def test_a_namespace_is_forced_then_written_then_defaulted() -> None:
    """In this order; and `default` where nobody names one."""
    item = config_map("x", "")
    forced = make(index("a", config_map("x", "written"), namespace="forced", default_namespace="filled"))
    written = make(index("a", config_map("x", "written"), default_namespace="filled"))
    filled = make(index("a", item, default_namespace="filled"))
    fallback = make(index("a", item))

    found = [planned.wanted[0].object.namespace for planned in (forced, written, filled, fallback)]
    assert found == ["forced", "written", "filled", "default"]


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    """Whatever its manifest says."""
    planned = make(index("a", ids.ObjectId("", "Namespace", "odd", "web")))

    assert planned.wanted[0].object == namespace("web")


def test_a_forced_namespace_rejects_cluster_scoped_objects() -> None:
    """By that object alone."""
    planned = make(index("a", namespace("other"), config_map("x", ""), namespace="web"))

    assert [item.reason for item in planned.rejections] == ["ClusterScoped"]
    assert [item.object for item in planned.wanted] == [config_map("x", "web")]


def test_an_unknown_kind_is_rejected_and_retried() -> None:
    """A definition may bring it any moment."""
    planned = make(index("a", ids.ObjectId("no.such", "Thing", "web", "x")))

    (rejection,) = planned.rejections
    assert (rejection.reason, rejection.retryable) == ("NoMatch", True)


def test_a_kind_that_could_not_be_discovered_says_so() -> None:
    """Its reason is that of discovery."""
    kind = resources.GroupKind("metrics.example", "Metric")
    failed = resources.Unresolved("InternalError", "the API service is down", served=True)
    planned = plan.make((index("a", ids.ObjectId(kind.group, kind.kind, "", "x")),), {}, {kind: failed})

    assert [item.reason for item in planned.rejections] == ["InternalError"]


def test_rivals_without_an_owner_all_fail() -> None:
    """Order never decides."""
    planned = make(index("a", config_map()), index("b", config_map()))

    assert planned.wanted == ()
    assert [(item.bundle, item.reason) for item in planned.rejections] == [
        ("test/a", "AlreadyClaimed"),
        ("test/b", "AlreadyClaimed"),
    ]
    assert "none of them has it" in planned.rejections[0].message


def test_the_present_owner_keeps_it() -> None:
    """The other fails, and is told who has it."""
    planned = make(index("a", config_map()), index("b", config_map()), entries=owned(entry(bundle="b")))

    assert [item.bundle for item in planned.wanted] == ["test/b"]
    assert [item.bundle for item in planned.rejections] == ["test/a"]
    assert "test/b has it" in planned.rejections[0].message


def test_an_owner_that_wants_it_no_longer_decides_nothing() -> None:
    """Two new claims, the owner is a third: both fail, and the object stays where it is."""
    planned = make(index("a", config_map()), index("b", config_map()), entries=owned(entry(bundle="c")))

    assert planned.wanted == ()
    assert {item.resolved for item in planned.rejections} == {config_map()}


def test_within_a_bundle_the_written_namespace_tells_rivals_apart() -> None:
    """The same object written twice, with and without its namespace: the applied form keeps it."""
    both = index("a", config_map("x", ""), config_map("x", "web"), default_namespace="web")
    planned = make(both, entries=owned(entry(config_map("x", "web"), bundle="a", written_namespace="")))

    assert [item.written for item in planned.wanted] == [config_map("x", "")]
    assert len(make(both).rejections) == 2


def test_a_tombstone_owns_nothing() -> None:
    """What was settled is wanted anew, as an object that is not ours yet."""
    settled = plan.inventory.Settled(ids.DebtId("d"), plan.inventory.reports.Outcome.GONE)
    planned = make(index("a", config_map()), entries=owned(entry(settled=settled)))

    assert planned.wanted[0].entry is None


def test_a_move_is_seen() -> None:
    """The entry names another bundle."""
    planned = make(index("b", config_map()), entries=owned(entry(bundle="a")))

    assert planned.wanted[0].moves
    assert not make(index("a", config_map()), entries=owned(entry(bundle="a"))).wanted[0].moves
    assert not make(index("a", config_map())).wanted[0].moves


def test_stages_come_in_the_order_of_need() -> None:
    """Namespaces, definitions, the rest, admission."""
    webhook = ids.ObjectId("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "w")
    definition = ids.ObjectId("apiextensions.k8s.io", "CustomResourceDefinition", "", "d")
    planned = make(index("a", webhook, config_map(), definition, namespace("web")))

    assert [item.object.kind for item in planned.wanted] == [
        "Namespace",
        "CustomResourceDefinition",
        "ConfigMap",
        "ValidatingWebhookConfiguration",
    ]
    assert [item.object for item in planned.stage(ordering.Stage.DEFINITIONS)] == [definition]


def test_used_namespaces_are_implied_unless_they_are_contained() -> None:
    """`web` is in the bundle, `data` is only used."""
    planned = make(index("a", namespace("web"), config_map("x", "web"), config_map("y", "data")))

    assert planned.namespaces == ("data",)


@given(examples.indexes(), examples.inventories())
def test_every_object_is_wanted_once_or_rejected(
    indexes: tuple[bundles.BundleIndex, ...], entries: plan.inventory.Inventory
) -> None:
    """Nothing is lost, nothing is wanted twice, and nobody gets what a present owner wants."""
    planned = plan.make(indexes, entries, examples.KNOWN)

    claims = {(item.bundle, found.object) for item in indexes for found in item.objects}
    answered = [(item.bundle, item.written) for item in planned.wanted]
    answered += [(item.bundle, item.object) for item in planned.rejections]
    assert sorted(answered) == sorted(claims)
    objects = [item.object for item in planned.wanted]
    assert len(objects) == len(set(objects))


@given(examples.indexes(), examples.inventories())
def test_a_plan_is_a_function_of_its_inputs(
    indexes: tuple[bundles.BundleIndex, ...], entries: plan.inventory.Inventory
) -> None:
    """The order of the bundles and of the inventory does not show."""
    backwards = dict(reversed(list(entries.items())))

    assert plan.make(indexes, entries, examples.KNOWN) == plan.make(indexes[::-1], backwards, examples.KNOWN)


@given(examples.indexes(), examples.inventories())
def test_a_plan_that_was_carried_out_stays_as_it_is(
    indexes: tuple[bundles.BundleIndex, ...], entries: plan.inventory.Inventory
) -> None:
    """With everything that it wants in the inventory, it wants the same for the same bundles."""
    first = plan.make(indexes, entries, examples.KNOWN)
    applied = dict(entries) | {
        item.object: entry(
            item.object,
            item.bundle.removeprefix("test/"),
            digest=item.digest,
            written_namespace=item.written.namespace,
        )
        for item in first.wanted
    }
    second = plan.make(indexes, applied, examples.KNOWN)

    assert [(item.object, item.bundle, item.digest) for item in second.wanted] == [
        (item.object, item.bundle, item.digest) for item in first.wanted
    ]
    assert second.rejections == first.rejections
    assert not any(item.moves for item in second.wanted)


def test_kinds_are_those_of_the_objects() -> None:
    """What discovery is asked for."""
    found = plan.kinds([index("a", config_map()), index("b", namespace("x"), config_map("y"))])

    assert found == {resources.GroupKind("", "ConfigMap"), resources.GroupKind("", "Namespace")}
