"""The plan and the statuses of a cluster: always what they would be worked out anew, and the same values where nothing
is new."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents import acceptor, drafting
from agents.domain import acceptance, health, inventory, plan, prune, resources, statuses
from protocol import bundles, desired, ids, reports
from protocol.status import Action
from tests.agents.domain.examples import KNOWN, ONE, TWO, bundle_id, composed, config_map, entry, index, owned

A, B, C = config_map("a"), config_map("b"), config_map("c")


class Kinds:
    """What is served, as a test says it."""

    def __init__(self) -> None:
        self.known: dict[resources.GroupKind, resources.Resource | resources.Unresolved] = dict(KNOWN)

    async def resolve(self, kinds: Iterable[resources.GroupKind]) -> resources.Resources:
        return {kind: self.known[kind] for kind in kinds}


class Store:
    """An inventory."""

    def __init__(self) -> None:
        self.revision = 0
        self.entries: inventory.Inventory = {}

    def put(self, *entries: inventory.Entry) -> None:
        self.entries = {**self.entries, **owned(*entries)}
        self.revision += 1


STATE: Any = None
"""A desired state, at which nobody looks here."""


def held(*parts: bundles.BundleIndex) -> acceptor.Held:
    root = bundles.ClusterRoot(tuple(bundles.RootEntry(part.bundle, TWO) for part in parts))
    return acceptor.Held(STATE, acceptance.Mark(1, 1, ONE), root, parts, desired.Deletions(()), "")


def seen(of: ids.ObjectId, *, missing: bool = False) -> statuses.Observed:
    found = health.MISSING if missing else health.HEALTHY
    return statuses.Observed(ONE, bundle_id("web"), f"uid-of-{of.name}", "1", Action.CREATED, found)


async def test_the_plan_is_made_anew_only_where_something_is_new() -> None:
    kinds, store = Kinds(), Store()
    drafts, wanted = drafting.Drafts(kinds, store), held(index("web", A, B))
    first = await drafts.make(wanted)
    assert await drafts.make(wanted) is first
    assert list(drafts.items) == [A, B]

    store.put(entry(A))
    second = await drafts.make(wanted)
    assert (second is first, drafts.items[A].entry) == (False, entry(A))
    kinds.known[resources.kind_of(A)] = resources.unknown(resources.kind_of(A))
    third = await drafts.make(wanted)
    assert (third.wanted, len(third.rejections)) == ((), 2)
    kinds.known = dict(KNOWN)
    assert [item.object for item in (await drafts.make(held(index("web", C)))).wanted] == [C]


async def test_what_is_told_of_a_bundle_is_the_same_value_until_something_of_it_changes() -> None:
    drafts = drafting.Drafts(Kinds(), Store())
    await drafts.make(held(index("web", A), index("api", B)))
    observed = {A: seen(A)}
    first = drafts.statuses(observed, {}, {})
    again = drafts.statuses(dict(observed), {}, {})
    observed[A] = seen(A, missing=True)
    changed = drafts.statuses(observed, {}, {})

    assert [again[name] is first[name] for name in first] == [True, True]
    assert {name.rpartition("/")[2]: changed[name] is first[name] for name in first} == {"web": False, "api": True}


async def test_orphans_and_what_was_adopted_are_those_of_the_inventory() -> None:
    store, asked = Store(), 0
    drafts, wanted = drafting.Drafts(Kinds(), store), held(index("web", A))

    def world() -> prune.World:
        nonlocal asked
        asked += 1
        return prune.survey(
            planned=drafts.plan,
            entries=store.entries,
            kept=(),
            deletions=wanted.deletions,
            applied=frozenset(),
            order="1.1",
        )

    store.put(entry(A), entry(B, adopted=ONE))
    await drafts.make(wanted)
    for _ in range(2):
        assert [orphan.object for orphan in drafts.orphans(world)] == [B]
        assert drafts.adopted == {B}
    store.put(entry(B, adopted=ONE, settled=inventory.Settled(ids.DebtId("d"), reports.Outcome.RELEASED)))
    await drafts.make(wanted)
    assert (drafts.orphans(world), drafts.adopted) == ((), frozenset())
    assert asked == 2


KNOWINGS = st.dictionaries(st.sampled_from([A, B, C]), st.booleans())


@given(st.lists(st.tuples(KNOWINGS, st.sets(st.sampled_from([A, B, C]))), min_size=1))
def test_however_often_it_is_asked_the_answer_is_that_of_one_who_begins_anew(
    looks: list[tuple[dict[ids.ObjectId, bool], set[ids.ObjectId]]],
) -> None:
    parts = (index("web", A, B), index("api", C))
    planned = plan.make(parts, {}, KNOWN)
    drafts = drafting.Drafts(Kinds(), Store())
    _run(drafts, held(*parts))
    for found, failing in looks:
        observed = {of: seen(of, missing=missing) for of, missing in found.items()}
        failures = {of: statuses.Failure(of, of, bundle_id("web"), "Invalid", "no") for of in failing}
        anew = composed(planned, [(part, TWO) for part in parts], observed, failures)
        assert drafts.statuses(observed, failures, {}) == anew


def _run(drafts: drafting.Drafts, wanted: acceptor.Held) -> None:
    """Nothing waits here, so that it is done at the first step."""
    step = drafts.make(wanted)
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")
