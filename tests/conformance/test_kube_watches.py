"""How watches begin and end: initial events, bookmarks, versions too old and not yet there."""

import itertools
import json
from collections.abc import Iterator

import pytest

from tests.conformance.kube_api import Api, Json, eventually

TOO_LARGE = "99999999"
END = {"k8s.io/initial-events-end": "true"}


def create(api: Api, name: str) -> str:
    """Create a Secret; return its version."""
    answer = api.call("POST", api.path("secrets"), {"metadata": {"name": name}})
    assert answer.code == 201, answer
    return str(answer.body["metadata"]["resourceVersion"])


def told(api: Api, **query: str) -> list[tuple[str, str]]:
    """What a watch of two seconds says about Secrets, in types and names; a bookmark has no name, and counts once."""
    found = [
        (event["type"], event["object"]["metadata"].get("name", ""))
        for event in api.watch(api.path("secrets"), **{"timeoutSeconds": "2", **query})
    ]
    return list(dict.fromkeys(found))  # the real server may send a second bookmark before the end


@pytest.fixture
def version(api: Api) -> str:
    """The version at which there were a and b."""
    found = [create(api, name) for name in "ab"][-1]
    api.get(api.path("secrets"))  # now the real server's cache has seen it, too: version 0 is whatever is there
    return found


STATE = [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, STATE),
        ({"resourceVersion": "0"}, STATE),
        ({"allowWatchBookmarks": "true"}, [*STATE, ("BOOKMARK", "")]),
        ({"allowWatchBookmarks": "true", "resourceVersion": "0"}, [*STATE, ("BOOKMARK", "")]),
        ({"allowWatchBookmarks": "maybe"}, [*STATE, ("BOOKMARK", "")]),
        ({"allowWatchBookmarks": "0"}, STATE),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, STATE),
        ({"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}, []),
        ({"resourceVersion": TOO_LARGE}, []),
        ({"limit": "1"}, STATE),
    ],
)
def test_how_a_watch_begins(api: Api, version: str, query: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert told(api, **query) == expected


@pytest.mark.parametrize("given", ["", "0", "of the list"])
def test_a_bookmark_ends_the_initial_events(api: Api, version: str, given: str) -> None:
    """A list as a stream, of a state that is not older than asked for."""
    words = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    words["resourceVersion"] = version if given == "of the list" else given
    *_, last = itertools.islice(api.watch(api.path("secrets"), timeoutSeconds="10", **words), 3)

    assert last["type"] == "BOOKMARK"
    assert (last["object"]["kind"], last["object"]["apiVersion"]) == ("Secret", "v1")
    assert last["object"]["metadata"]["annotations"] == END
    assert int(last["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_a_bookmark_comes_before_the_end(api: Api, version: str) -> None:
    """Two seconds before, so that whoever watches again begins at what it has seen."""
    words = {"allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": "6"}
    before = create(api, "c")
    watch = api.watch(api.path("secrets"), **words)
    first = next(watch)
    later = create(api, "d")
    events = list(watch)

    assert (first["type"], first["object"]["metadata"]["resourceVersion"]) == ("ADDED", before)
    assert [event["type"] for event in events][:2] == ["ADDED", "BOOKMARK"]  # the real server may send two
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(later)
    assert "annotations" not in events[1]["object"]["metadata"]


def test_no_bookmark_comes_unasked(api: Api, version: str) -> None:
    assert told(api, resourceVersion=version, timeoutSeconds="4") == []


def test_a_stream_of_a_state_that_is_not_yet_there_is_an_error(api: Api, version: str) -> None:
    words = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    (event,) = api.watch(api.path("secrets"), resourceVersion=TOO_LARGE, timeoutSeconds="5", **words)

    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")
    assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"resourceVersion": "abc"}, 500, 'Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"timeoutSeconds": "abc"}, 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "NotOlderThan"},
            422,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (
            {"sendInitialEvents": "true"},
            422,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            422,
            'Unsupported value: "Exact": supported values: "NotOlderThan"',
        ),
        ({"continue": "abc"}, 422, "resourceVersionMatch is forbidden when continue is provided"),
    ],
)
def test_a_watch_that_cannot_begin_is_refused(api: Api, query: dict[str, str], code: int, message: str) -> None:
    words = "&".join(f"{name}={part}" for name, part in query.items())
    refused = api.call("GET", f"{api.path('secrets')}?watch=1&{words}")

    assert refused.code == code
    assert message in refused.message


@pytest.fixture
def kind(api: Api, cluster: Api) -> Iterator[str]:
    """The path of a custom kind of the test's own."""
    group = f"{api.namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    definition = {"metadata": {"name": f"things.{group}"}, "spec": spec}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    definition |= {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    assert cluster.call("POST", definitions, definition).code == 201
    path = api.path("things", group=group)
    eventually(lambda: cluster.call("GET", path).code == 200)
    yield path
    cluster.call("DELETE", f"{definitions}/things.{group}")


def test_nothing_is_remembered_from_before_a_kind_was_served(api: Api, kind: str) -> None:
    (event,) = api.watch(kind, resourceVersion="1", timeoutSeconds="5")

    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


def end_of_list(api: Api, accept: str) -> Json:
    """The bookmark that ends a streamed list in some form."""
    words = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    answer = api.call("GET", f"{api.path('secrets')}?{words}&timeoutSeconds=1", accept=accept).body
    return next(event for event in map(json.loads, answer.splitlines()) if event["type"] == "BOOKMARK")


def test_a_table_is_bookmarked_by_a_row_of_nothing(api: Api, version: str) -> None:
    last = end_of_list(api, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    (row,) = last["object"].pop("rows")

    assert last["type"] == "BOOKMARK"
    assert (last["object"]["kind"], last["object"]["columnDefinitions"]) == ("Table", None)
    assert [row["cells"][0], row["cells"][-1], len(row["cells"])] == ["", "<unknown>", 4]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["annotations"] == END
    assert row["object"]["metadata"]["resourceVersion"] == last["object"]["metadata"]["resourceVersion"]


def test_metadata_is_bookmarked_as_such(api: Api, version: str) -> None:
    last = end_of_list(api, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")

    assert (last["type"], last["object"]["kind"]) == ("BOOKMARK", "PartialObjectMetadata")
    assert last["object"]["metadata"]["annotations"] == END


def test_a_custom_kind_is_paged_and_marked_as_others_are(api: Api, kind: str) -> None:
    group = kind.split("/")[2]
    for name in "abc":
        value = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}}
        assert api.call("POST", kind, value).code == 201
    first = api.get(f"{kind}?limit=2")
    api.call("DELETE", f"{kind}/c")
    rest = api.get(f"{kind}?continue={first['metadata']['continue']}")
    *_, last = api.watch(kind, allowWatchBookmarks="true", timeoutSeconds="1")

    assert first["metadata"]["remainingItemCount"] == 1
    assert rest["metadata"] == {"continue": "", "resourceVersion": first["metadata"]["resourceVersion"]}
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
    assert (last["type"], last["object"]["kind"], last["object"]["apiVersion"]) == ("BOOKMARK", "Thing", f"{group}/v1")
