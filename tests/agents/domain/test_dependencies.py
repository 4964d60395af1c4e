"""Who waits for whom: each way to wait, and what holds for every graph."""

from hypothesis import given
from hypothesis import strategies as st

from agents.domain import dependencies, health, plan, statuses
from agents.domain.dependencies import Standing
from protocol import bundles, ids, status
from protocol.bundles import Dependency, DependencyState
from protocol.status import Action, Health, Sync
from tests.agents.domain import examples
from tests.agents.domain.examples import ONE, TWO, bundle_id, composed, config_map, entry, index, owned

DONE = Standing(applied=True, ready=True, had=True)
ILL = Standing(applied=True, ready=False, had=True)
NEW = Standing(applied=False, ready=False, had=False)

Graph = dict[str, tuple[tuple[str, DependencyState], ...]]


def root(graph: Graph) -> tuple[bundles.RootEntry, ...]:
    return tuple(
        bundles.RootEntry(bundle_id(name), ONE, tuple(Dependency(bundle_id(other), state) for other, state in needed))
        for name, needed in sorted(graph.items())
    )


def judge(graph: Graph, **standings: Standing) -> dict[str, list[str]]:
    """The messages for each bundle; what is not given a standing is new."""
    named = {bundle_id(name): standings.get(name, NEW) for name in graph}
    found = dependencies.judge(root(graph), named)
    return {bundle.removeprefix("test/"): [item.message for item in unmet] for bundle, unmet in found.items()}


def test_a_bundle_waits_until_the_other_is_ready() -> None:
    """Applied is not enough, unless that is all that is asked for."""
    graph: Graph = {
        "db": (),
        "web": (("db", DependencyState.READY),),
        "job": (("db", DependencyState.APPLIED),),
    }

    assert judge(graph) == {
        "web": ["waits for bundle test/db to be ready"],
        "job": ["waits for bundle test/db to be applied"],
    }
    assert judge(graph, db=ILL) == {"web": ["waits for bundle test/db to be ready"]}
    assert judge(graph, db=DONE) == {}


def test_a_bundle_that_is_not_placed_here_is_a_failure() -> None:
    """Nothing can come of waiting for it; who depends on the one that failed merely waits."""
    graph: Graph = {"web": (("db", DependencyState.READY),), "top": (("web", DependencyState.READY),)}

    assert judge(graph, web=DONE) == {
        "web": ["depends on bundle test/db, which is not placed on this cluster"],
        "top": ["waits for bundle test/web to be ready"],
    }


def test_a_circle_fails_by_name() -> None:
    """Each member says the way around; who leads to it waits."""
    ready = DependencyState.READY
    graph: Graph = {"a": (("b", ready),), "b": (("a", ready),), "c": (("a", ready),), "d": (("d", ready),)}

    assert judge(graph) == {
        "a": ["waits for itself: test/a → test/b → test/a"],
        "b": ["waits for itself: test/b → test/a → test/b"],
        "c": ["waits for bundle test/a to be ready"],
        "d": ["waits for itself: test/d → test/d"],
    }


def test_what_was_applied_before_is_not_held_back() -> None:
    """Its dependency fell ill later; but one that can never come true stops it all the same."""
    unmets = dependencies.judge(root({"db": (), "web": (("db", DependencyState.READY),)}), {
        bundle_id("db"): ILL, bundle_id("web"): DONE,
    })  # fmt: skip
    missing = dependencies.judge(root({"web": (("db", DependencyState.READY),)}), {bundle_id("web"): DONE})

    assert set(unmets) == {bundle_id("web")}
    assert dependencies.held_back(unmets, {bundle_id("web"): DONE}) == frozenset()
    assert dependencies.held_back(missing, {bundle_id("web"): DONE}) == {bundle_id("web")}


names = st.sampled_from(["a", "b", "c", "d", "e"])
needs = st.lists(st.tuples(names, st.sampled_from(list(DependencyState))), max_size=3, unique_by=lambda one: one[0])
graphs = st.dictionaries(names, needs.map(tuple), max_size=5)
outcomes = st.fixed_dictionaries({name: st.sampled_from([DONE, ILL, NEW]) for name in "abcde"})


@given(graphs, outcomes)
def test_passes_come_to_an_end_and_nothing_goes_ahead_too_early(graph: Graph, outcome: dict[str, Standing]) -> None:
    """Each pass applies what may go ahead; `outcome` says how far each bundle comes then. In the end every bundle has
    had its turn or says what it waits for."""
    entries = root(graph)
    standings = {item.bundle: NEW for item in entries}
    tried: set[ids.BundleId] = set()
    for _ in range(len(entries) + 1):
        unmets = dependencies.judge(entries, standings)
        free = standings.keys() - dependencies.held_back(unmets, standings) - tried
        for bundle in free:
            needed = graph[bundle.removeprefix("test/")]
            for other, state in needed:
                met = standings[bundle_id(other)]
                assert met.ready if state is DependencyState.READY else met.applied
        standings |= {bundle: outcome[bundle.removeprefix("test/")] for bundle in free}
        tried |= free

    unmets = dependencies.judge(entries, standings)
    assert standings.keys() - tried <= unmets.keys()
    assert dependencies.held_back(unmets, standings) >= standings.keys() - tried


@given(graphs)
def test_exactly_the_members_of_circles_fail_as_such(graph: Graph) -> None:
    """A bundle that reaches itself, and no other; a bundle that is missing one that is not placed, and no other."""
    found = dependencies.judge(root(graph), {bundle_id(name): NEW for name in graph})
    reasons = {bundle: {item.reason for item in unmet} for bundle, unmet in found.items()}

    circular = {name for name in graph if name in _reached(graph, name)}
    missing = {name for name, needed in graph.items() if any(other not in graph for other, _ in needed)}
    assert {bundle for bundle, found in reasons.items() if dependencies.CYCLE in found} == set(map(bundle_id, circular))
    assert {bundle for bundle, found in reasons.items() if dependencies.MISSING in found} == set(
        map(bundle_id, missing)
    )


def _reached(graph: Graph, start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [other for other, _ in graph[start]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += [other for other, _ in graph.get(name, ())]
    return reached


@given(graphs, outcomes)
def test_the_order_of_the_root_does_not_show(graph: Graph, outcome: dict[str, Standing]) -> None:
    standings = {bundle_id(name): outcome[name] for name in graph}
    entries = root(graph)

    assert dependencies.judge(entries, standings) == dependencies.judge(entries[::-1], standings)


def seen(item: plan.Wanted, assessment: health.Assessment = health.HEALTHY) -> statuses.Observed:
    return statuses.Observed(item.digest, item.bundle, "u", "1", Action.CREATED, assessment)


def standing(
    planned: plan.Plan, observed: statuses.Observations, failures: statuses.Failures | None = None
) -> Standing:
    return statuses.standings(planned, [bundle_id("web")], observed, failures or {})[bundle_id("web")]


def test_a_standing_tells_applied_from_ready() -> None:
    """By the content of this very state: what was seen with another manifest does not count."""
    planned = plan.make((index("web", config_map()),), {}, examples.KNOWN)
    (item,) = planned.wanted
    progressing = health.Assessment(Health.PROGRESSING)
    old = statuses.Observed(TWO, item.bundle, "u", "1", Action.CREATED, health.HEALTHY)

    assert standing(planned, {}) == NEW
    assert standing(planned, {item.object: old}) == NEW
    assert standing(planned, {item.object: seen(item, progressing)}) == ILL
    assert standing(planned, {item.object: seen(item)}) == DONE
    failed = {item.object: statuses.failure(item, "Forbidden", "no")}
    assert standing(planned, {item.object: seen(item)}, failed) == Standing(applied=False, ready=False, had=True)


def test_the_inventory_remembers_over_a_restart_what_was_applied() -> None:
    """With its UID and this very manifest; an intent, or older content, is not enough."""

    def had(**changes: object) -> bool:
        entries = owned(entry(config_map(), **changes))
        return standing(plan.make((index("web", config_map()),), entries, examples.KNOWN), {}).had

    assert had()
    assert not had(uid="")
    assert not had(digest=TWO)


def test_a_waiting_bundle_is_under_way_and_says_for_what() -> None:
    """Nothing of it has failed: neither what failed with older content nor a kind that the other one brings."""
    part = index("web", config_map(), ids.ObjectId("no.such", "Thing", "web", "x"))
    planned = plan.make((part,), {}, examples.KNOWN)
    failures = {item.object: statuses.failure(item, "Invalid", "no") for item in planned.wanted}
    waiting = dependencies.judge(
        root({"db": (), "web": (("db", DependencyState.READY),)}), {bundle_id("db"): NEW, bundle_id("web"): NEW}
    )
    found = composed(planned, [(part, TWO)], {}, failures, waiting)[bundle_id("web")]

    assert (found.sync, found.health, found.failed) == (Sync.UNKNOWN, Health.PROGRESSING, 0)
    assert [str(item.object) for item in found.failures] == ["Bundle.flotilla.gitops test/db"]
    assert [item.message for item in found.failures] == ["waits for bundle test/db to be ready"]


def test_what_a_waiting_bundle_has_already_still_counts() -> None:
    """An object that is as it should be may be ill; one that nobody can have is a failure all the same."""
    part = index("web", config_map("here"), config_map("new"), ids.ObjectId("", "Namespace", "", "x"), namespace="web")
    planned = plan.make((part,), {}, examples.KNOWN)
    (here, _) = planned.wanted
    degraded = seen(here, health.Assessment(Health.DEGRADED))
    waiting = dependencies.judge(
        root({"db": (), "web": (("db", DependencyState.READY),)}), {bundle_id("db"): NEW, bundle_id("web"): NEW}
    )
    found = composed(planned, [(part, TWO)], {here.object: degraded}, {}, waiting)[bundle_id("web")]

    assert (found.sync, found.health, found.failed, found.changed) == (Sync.OUT_OF_SYNC, Health.DEGRADED, 1, 1)
    assert [item.reason for item in found.failures] == ["ClusterScoped", dependencies.NOT_MET]


def test_a_bundle_that_waits_in_vain_is_degraded() -> None:
    """So that a rollout ends rather than runs into its deadline."""
    part = index("web", config_map())
    planned = plan.make((part,), {}, examples.KNOWN)
    waiting = dependencies.judge(root({"web": (("db", DependencyState.READY),)}), {bundle_id("web"): DONE})
    found = composed(planned, [(part, TWO)], {}, {}, waiting)[bundle_id("web")]

    assert (found.sync, found.health, found.failed) == (Sync.OUT_OF_SYNC, status.Health.DEGRADED, 1)
    assert [item.reason for item in found.failures] == [dependencies.MISSING]
