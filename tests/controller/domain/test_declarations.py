"""What documents come to: the same again changes nothing, and what is named has to be there."""

import pytest

from controller.domain import declarations, documents, rejections
from controller.domain.declarations import Action
from controller.domain.documents import Kind
from protocol import selectors, specs
from tests.controller.domain import examples, logs

FILE, COMMAND = specs.ManagedBy.FILE, specs.ManagedBy.COMMAND
ACCOUNTS = {"edge": examples.cluster_id(0)}
PROD = selectors.Target(groups=("prod",))


def document(kind: Kind, name: str, spec: documents.Spec | None) -> documents.Document:
    return documents.Document(kind=kind, name=name, spec=spec, place=documents.Place(file="f.yaml", number=1, line=1))


def source(name: str = "shop", **changes: object) -> documents.Document:
    return document(Kind.SOURCE, name, specs.SourceSpec(url="https://git.example/shop.git", **changes))  # type: ignore[arg-type]


GROUP = document(Kind.GROUP, "prod", specs.GroupSpec(selector=selectors.Selector(match_labels={"env": "prod"})))
POLICY = document(Kind.POLICY, "slow", specs.RolloutPolicy(max_concurrency="1"))
CLUSTER = document(Kind.CLUSTER, "edge", documents.ClusterSpec(labels={"env": "prod"}))
SOURCE = source(targets=(PROD,), rollout_policy="slow")
FLEET = (GROUP, POLICY, CLUSTER, SOURCE)


def gone(of: documents.Document) -> documents.Document:
    return document(of.kind, of.name, None)


def apply(log: logs.Log, *given: documents.Document, by: specs.ManagedBy = COMMAND) -> list[Action]:
    """Apply documents, and say what that did to each thing."""
    changes = list(declarations.apply(log.world, given, by=by, accounts=ACCOUNTS))
    done = declarations.actions(log.world, changes)
    for change in changes:
        log.append(*change.events)
    return list(done)


def reconcile(log: logs.Log, *given: documents.Document) -> int:
    """Read the configuration file; returns how many events that gave."""
    parts = list(declarations.reconcile(log.world, given, origin="fleet/", accounts=ACCOUNTS))
    for part in parts:
        log.append(*part)
    return sum(len(part) for part in parts)


def test_documents_say_what_they_did_to_each_thing() -> None:
    log = logs.Log()
    changed = document(Kind.CLUSTER, "edge", documents.ClusterSpec(labels={"env": "dev"}, values={"size": "1"}))

    assert apply(log, *FLEET) == [Action.CREATED] * 4
    assert apply(log, *FLEET) == [Action.UNCHANGED] * 4
    assert apply(log, changed) == [Action.CONFIGURED]
    absent = [gone(one) for one in reversed(FLEET)]
    assert apply(log, *absent) == [Action.DELETED] * 4
    assert apply(log, *absent) == [Action.UNCHANGED] * 4


def test_a_rehearsal_needs_no_account_and_changes_nothing() -> None:
    log = logs.Log()

    found = declarations.rehearse(log.world, FLEET, by=COMMAND)

    assert declarations.actions(log.world, found) == (Action.CREATED,) * 4
    assert log.world.clusters == {}
    assert declarations.newcomers(log.world, FLEET) == ("edge",)


def test_a_cluster_that_is_declared_again_gets_the_account_that_it_had() -> None:
    log = logs.Log()
    apply(log, CLUSTER)
    apply(log, gone(CLUSTER))

    assert declarations.former(log.world, "edge") == examples.cluster_id(0)
    assert declarations.former(log.world, "other") is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (source(all_clusters=True, rollout_policy="none"), "there is no RolloutPolicy 'none'"),
        (source(targets=(PROD,)), "there is no ClusterGroup 'prod'"),
        (source(targets=(selectors.Target(exclude=(selectors.Selector(groups=("lab",)),)),)), "no ClusterGroup 'lab'"),
        (document(Kind.SOURCE, "shop", specs.SourceSpec(url="https://[", all_clusters=True)), "spec.url: not a URL"),
        (
            document(Kind.SOURCE, "shop", specs.SourceSpec(url="https://me:pass@git.example/a", all_clusters=True)),
            "holds a user or a password",
        ),
        (source("Shop!", all_clusters=True), "not a name"),
        (
            source(all_clusters=True, credentials=specs.GitCredentials(known_hosts="-----BEGIN PRIVATE KEY-----")),
            "spec.credentials.knownHosts: holds a private key",
        ),
    ],
)
def test_a_source_that_names_what_cannot_be_is_refused_with_its_place(given: documents.Document, reason: str) -> None:
    with pytest.raises(rejections.Invalid, match=reason) as caught:
        apply(logs.Log(), given)

    assert str(caught.value).startswith("f.yaml: document 1 (line 1): ")
    assert "me:pass" not in str(caught.value)


@pytest.mark.parametrize("used", [GROUP, POLICY])
def test_what_a_source_still_names_cannot_be_removed(used: documents.Document) -> None:
    log = logs.Log()
    apply(log, *FLEET)

    with pytest.raises(rejections.Invalid, match="source shop still names it"):
        apply(log, gone(used))
    assert apply(log, gone(SOURCE), gone(used)) == [Action.DELETED] * 2


def test_the_built_in_policy_may_be_declared_and_given_up_though_sources_name_it() -> None:
    log = logs.Log()
    built_in = document(Kind.POLICY, declarations.BUILT_IN_POLICY, specs.RolloutPolicy(max_failures=3))
    apply(log, built_in, source(all_clusters=True))

    assert apply(log, gone(built_in)) == [Action.DELETED]


def test_one_thing_is_declared_once() -> None:
    with pytest.raises(rejections.Invalid, match="is declared already in"):
        apply(logs.Log(), CLUSTER, document(Kind.CLUSTER, "edge", documents.ClusterSpec()))


@pytest.mark.parametrize("managed", FLEET)
def test_what_the_file_declares_a_command_cannot_remove(managed: documents.Document) -> None:
    log = logs.Log()
    reconcile(log, *FLEET)

    with pytest.raises(rejections.Managed, match="configuration file"):
        apply(log, gone(managed))


def test_what_vanished_is_taken_over_by_the_command_that_resumes_it() -> None:
    log = logs.Log()
    reconcile(log, *FLEET)
    reconcile(log, GROUP, POLICY)

    log.append(*declarations.resume_source(log.world, "shop"))
    log.append(*declarations.resume_cluster(log.world, "edge"))

    (shop,), (edge,) = log.world.sources.values(), log.world.clusters.values()
    assert [(one.managed_by, one.suspended) for one in (shop, edge)] == [(COMMAND, "")] * 2
    assert reconcile(log, GROUP, POLICY) == 0, "the file has no say in them any more"
    assert declarations.resume_source(log.world, "shop") == declarations.resume_cluster(log.world, "edge") == ()


def test_a_file_that_takes_things_over_says_so_once() -> None:
    log = logs.Log()
    apply(log, *FLEET)

    assert reconcile(log, *FLEET) == 4
    assert reconcile(log, *FLEET) == 0
    assert {one.managed_by for one in log.world.clusters.values()} == {FILE}


def test_a_single_command_is_held_to_the_same_rules() -> None:
    log = logs.Log()
    spec = SOURCE.spec
    assert isinstance(spec, specs.SourceSpec)

    with pytest.raises(rejections.Invalid, match="there is no RolloutPolicy 'slow'"):
        declarations.declare_source(log.world, "shop", spec, by=COMMAND)
    apply(log, GROUP, POLICY)
    log.append(*declarations.declare_source(log.world, "shop", spec, by=COMMAND))
    assert declarations.declare_source(log.world, "shop", spec, by=COMMAND) == ()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (documents.ClusterSpec(annotations={"-odd": "x"}), "annotation '-odd' is not an annotation key"),
        (documents.ClusterSpec(annotations={"Odd/key": "x"}), "annotation 'Odd/key' is not an annotation key"),
        (documents.ClusterSpec(values={"a b": "x"}), "values.'a b'"),
        (documents.ClusterSpec(values={str(n): "" for n in range(documents.VALUES_MAX + 1)}), "257 of them"),
        (documents.ClusterSpec(values={"a": "x" * (documents.VALUE_CHARACTERS_MAX + 1)}), "a: longer than 4096"),
    ],
)
def test_what_a_cluster_says_of_itself_is_bounded(spec: documents.ClusterSpec, reason: str) -> None:
    with pytest.raises(rejections.Invalid, match=reason):
        apply(logs.Log(), document(Kind.CLUSTER, "edge", spec))


def test_what_a_cluster_says_of_itself_may_be_as_kubernetes_has_it() -> None:
    log = logs.Log()
    spec = documents.ClusterSpec(annotations={"example.com/owner": "web, shop", "note": ""}, values={"size.min": "3"})

    assert apply(log, document(Kind.CLUSTER, "edge", spec)) == [Action.CREATED]
    (edge,) = log.world.clusters.values()
    assert (edge.annotations, edge.values) == (spec.annotations, spec.values)


def test_a_source_may_be_declared_suspended() -> None:
    log = logs.Log()

    def declare() -> tuple[object, ...]:
        return declarations.declare_source(log.world, "shop", examples.EVERYWHERE, by=COMMAND, suspended=True)

    log.append(*declare())

    assert [one.suspended for one in log.world.sources.values()] == ["added suspended"]
    assert declare() == ()
