"""Which watches see all managed objects."""

import msgspec

from agents.domain import plan, resources, scopes
from tests.agents.domain.examples import CONFIG_MAP, KNOWN, config_map, namespace, wanted

KIND = resources.GroupKind("", "ConfigMap")


def maps(*namespaces: str) -> list[plan.Wanted]:
    return [wanted(config_map(f"in-{one}", one)) for one in namespaces]


def told(found: scopes.Scopes) -> list[tuple[str, int]]:
    return [(str(scope), len(members)) for scope, members in found.members.items()]


def test_a_kind_in_few_namespaces_is_watched_in_each() -> None:
    found = scopes.choose([*maps("a", "b"), wanted(config_map("more", "b"))])

    assert told(found) == [("ConfigMap in b", 2), ("ConfigMap in a", 1)]
    assert [scope.path for scope in found.members] == [
        "/api/v1/namespaces/b/configmaps",
        "/api/v1/namespaces/a/configmaps",
    ]


def test_a_kind_in_many_is_watched_in_the_whole_cluster() -> None:
    names = [f"n{number}" for number in range(scopes.NAMESPACES_MAX + 1)]
    found = scopes.choose(maps(*names))

    assert told(found) == [("ConfigMap", 5)]
    assert [scope.path for scope in found.members] == ["/api/v1/configmaps"]
    assert len(scopes.choose(maps(*names), frozenset({KIND})).members) == 5


def test_cluster_scoped_kinds_have_one_watch() -> None:
    found = scopes.choose([wanted(namespace(name), resource=KNOWN[resources.NAMESPACE]) for name in ("a", "b")])

    assert told(found) == [("Namespace", 2)]


def test_what_cannot_be_watched_is_not() -> None:
    blind = msgspec.structs.replace(CONFIG_MAP, watchable=False)

    assert scopes.choose([wanted(config_map(), resource=blind)]) == scopes.Scopes({})


def test_watches_are_bounded_and_the_largest_come_first() -> None:
    kinds = [msgspec.structs.replace(CONFIG_MAP, kind=f"Kind{number:03}") for number in range(scopes.WATCHES_MAX + 2)]
    items = [wanted(config_map(), resource=kind) for kind in kinds] + [
        wanted(config_map("second"), resource=kinds[-1]),
    ]
    found = scopes.choose(items)

    assert len(found.members) == scopes.WATCHES_MAX
    assert next(iter(found.members)).kind == kinds[-1].kind
    assert [scope.kind for scope in found.left_out] == [kinds[-3].kind, kinds[-2].kind]
