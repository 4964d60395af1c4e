"""How much of an object is ours: what is plainly as Git says, what was taken from us, and who wrote last."""

from typing import Any

import pytest

from agents.domain import holding, ownership

WEB = 'k:{"name":"web"}'
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'

MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "web", "labels": {"app": "web"}, "finalizers": ["x"]},
    "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}], "args": ["a", "b"]},
}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {".": {}, 'v:"x"': {}}},
    "f:spec": {
        "f:containers": {
            WEB: {".": {}, "f:name": {}, "f:image": {}, "f:ports": {PORT: {".": {}, "f:containerPort": {}}}}
        },
        "f:args": {},
    },
}


def live(fields: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The object as the server has it: with defaults, and with what others added."""
    ours = {"manager": "flotilla", "operation": "Apply", "fieldsV1": FIELDS if fields is None else fields}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": "web",
            "uid": "uid",
            "labels": {"app": "web", "team": "a"},
            "finalizers": ["y", "x"],
            "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}, ours],
        },
        "spec": {
            "containers": [
                {"name": "side", "image": "side:1"},
                {"name": "web", "image": "web:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
            ],
            "args": ["a", "b"],
            "restartPolicy": "Always",
            **spec,
        },
    }


def without(*path: str) -> dict[str, Any]:
    """Our fields but for one."""

    def less(fields: dict[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
        if len(steps) == 1:
            return {key: below for key, below in fields.items() if key != steps[0]}
        return {**fields, steps[0]: less(fields[steps[0]], steps[1:])}

    return less(FIELDS, path)


def test_what_git_says_is_plainly_there_and_ours() -> None:
    """Beside defaults, sidecars and what others added; lists by their items' keys, of which some are defaults."""
    assert holding.is_plain(MANIFEST, live())


@pytest.mark.parametrize(
    "found",
    [
        live(args=["b", "a"]),
        live(args=1),
        live(containers=[]),
        live(containers={}),
        live(containers=[{"name": "web", "image": "web:2", "ports": []}]),
        live(without("f:spec", "f:args")),
        live(without("f:spec", "f:containers", WEB, "f:image")),
        live(without("f:spec", "f:containers", WEB)),
        live({**FIELDS, "f:spec": {"f:args": {}, "f:containers": {**FIELDS["f:spec"]["f:containers"], "i:0": {}}}}),
        live(without("f:metadata")),
        live({}),
    ],
    ids=["order", "type", "item gone", "no list", "value", "field", "item's field", "item", "place", "labels", "all"],
)  # fmt: skip
def test_what_differs_or_is_not_ours_or_cannot_be_told_is_not_plain(found: dict[str, Any]) -> None:
    assert not holding.is_plain(MANIFEST, found)


def test_an_object_without_our_entry_is_not_plain() -> None:
    assert not holding.is_plain(MANIFEST, {**live(), "metadata": {"labels": {"app": "web"}}})


def test_two_items_of_git_are_two_items() -> None:
    """Keys that Git leaves to defaults do not make one item count twice."""
    udp = 'k:{"containerPort":80,"protocol":"UDP"}'
    ports = [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "UDP"}]
    found = {"metadata": {"managedFields": [{"manager": "flotilla", "operation": "Apply",
             "fieldsV1": {"f:ports": {PORT: {".": {}}, udp: {".": {}}}}}]}, "ports": ports}  # fmt: skip

    assert not holding.is_plain({"metadata": {}, "ports": [{"containerPort": 80}, {"containerPort": 81}]}, found)


def taken(fields: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """What our apply would make ours again."""
    return holding.lost(live(fields, **spec), live())


def test_what_was_taken_from_us_is_told_with_its_value() -> None:
    assert taken(FIELDS) == {}
    assert taken(without("f:spec", "f:args")) == {".spec.args": ["a", "b"]}
    assert taken(without("f:spec", "f:containers", WEB, "f:image")) == {".spec.containers[name=web].image": "web:1"}
    assert taken(without("f:metadata", "f:labels")) == {".metadata.labels.app": "web"}


def test_items_without_a_name_are_told_as_their_list() -> None:
    ports = [{"containerPort": 80, "protocol": "TCP"}]

    assert taken(without("f:metadata", "f:finalizers", 'v:"x"')) == {".metadata.finalizers": ["y", "x"]}
    assert taken(without("f:spec", "f:containers", WEB, "f:ports")) == {".spec.containers[name=web].ports": ports}


def test_what_is_not_there_is_a_difference_and_not_told_as_taken() -> None:
    assert taken(without("f:spec", "f:containers"), containers=[]) == {}
    assert taken(without("f:spec", "f:containers"), containers="odd") == {}
    assert holding.lost({**live({}), "spec": "odd"}, live()) == {
        ".metadata.labels.app": "web",
        ".metadata.finalizers": ["y", "x"],
    }


def test_content_is_all_but_the_status_and_what_the_server_counts() -> None:
    noise = {"resourceVersion": "9", "generation": 3, "managedFields": []}
    one = live()
    restless = {**one, "status": {"ready": True}, "metadata": {**one["metadata"], **noise}}
    labelled = {**one, "metadata": {**one["metadata"], "labels": {}}}

    assert holding.content(one) == holding.content(restless) != holding.EVERYTHING
    assert holding.content(one) not in (holding.content(labelled), holding.content(live(args=[])))


def wrote(manager: str, time: str, operation: str = "Update", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "time": time, **more}


OURS = wrote("flotilla", "2026-11-05T12:00:00Z", "Apply")


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([OURS, wrote("a", "2026-11-05T12:00:00Z"), wrote("b", "2026-11-05T12:00:01Z")], "b"),
        ([wrote("same", "2026-11-05T12:00:00Z"), OURS], "same"),
        ([OURS, wrote("before", "2026-11-05T11:59:59Z")], ""),
        ([OURS, wrote("status", "2026-11-05T13:00:00Z", subresource="status")], ""),
        ([OURS, wrote("odd", "tomorrow")], ""),
        ([wrote("a", "2026-11-05T12:00:00Z")], ""),
        ([], ""),
    ],
    ids=["the last", "in the same second", "before us", "a status", "no time", "without us", "nobody"],
)
def test_who_wrote_last_did_so_after_us(entries: list[dict[str, Any]], name: str) -> None:
    found = holding.last_writer({"metadata": {"managedFields": entries}})

    assert (found.manager if found is not None else "") == name


def test_the_last_writer_is_told_whole() -> None:
    found = holding.last_writer({"metadata": {"managedFields": [OURS, wrote("a", "2026-11-05T12:00:01Z")]}})

    assert found == ownership.Owner("a", "Update", "", "2026-11-05T12:00:01Z")
