"""Lists in pages, at a version, and after the server has forgotten it."""

import base64
import contextlib
import json
import urllib.parse
from collections.abc import Callable

import pytest

from tests.conformance import history
from tests.conformance.kube_api import Answer, Api, Json
from tests.controlplane.server import ControlPlane

TOO_LARGE = 99_999_999
Forget = Callable[[Api, str], None]


@pytest.fixture
def forget(request: pytest.FixtureRequest, cluster: Api) -> Forget:
    """Makes the server forget what was before now."""
    named = request.node.callspec.params["cluster"]
    plane: ControlPlane | None = request.getfixturevalue("control_plane") if named == "real" else None
    return lambda api, version: history.forget(api, version, plane=plane)


def create(api: Api, name: str, **labels: str) -> str:
    """Create a Secret; return its version."""
    answer = api.call("POST", api.path("secrets"), {"metadata": {"name": name, "labels": labels}})
    assert answer.code == 201, answer
    return str(answer.body["metadata"]["resourceVersion"])


def ask(api: Api, **query: str | int) -> Answer:
    """List Secrets; Secrets, because nothing creates one by itself."""
    words = urllib.parse.urlencode({"continue" if name == "token" else name: part for name, part in query.items()})
    return api.call("GET", f"{api.path('secrets')}?{words}")


def names(answer: Answer) -> list[str]:
    assert answer.code == 200, answer
    return [item["metadata"]["name"] for item in answer.body["items"]]


def meta(answer: Answer) -> Json:
    return answer.body["metadata"]


def token(**fields: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.fixture
def version(api: Api) -> str:
    """The version at which there were a, b, c, d and e."""
    found = [create(api, name, app="x") for name in "abcde"][-1]
    ask(api)  # now the real server's cache has seen it, too: version 0 is whatever is there
    return found


def change(api: Api) -> str:
    """Change what pages are taken from: one more before, one more after, and one less; return the version."""
    create(api, "aa")
    create(api, "cc")
    api.call("DELETE", api.path("secrets", "d"))
    return str(meta(ask(api))["resourceVersion"])


def test_pages_are_of_the_state_at_the_first_one(api: Api, version: str) -> None:
    first = ask(api, limit=2)
    change(api)
    second = ask(api, limit=2, token=meta(first)["continue"])
    third = ask(api, limit=2, token=meta(second)["continue"])

    assert [names(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [meta(page)["resourceVersion"] for page in (first, second, third)] == [version] * 3
    assert [meta(page).get("remainingItemCount") for page in (first, second, third)] == [3, 1, None]
    assert not meta(third).get("continue")


@pytest.mark.parametrize("form", ["Table", "PartialObjectMetadataList"])
def test_every_form_of_a_list_comes_in_pages(api: Api, version: str, form: str) -> None:
    """kubectl asks for tables of 500 rows."""
    accept = f"application/json;as={form};v=v1;g=meta.k8s.io"
    first = api.call("GET", f"{api.path('secrets')}?limit=3", accept=accept)
    path = f"{api.path('secrets')}?limit=3&continue={meta(first)['continue']}"
    rest = api.call("GET", path, accept=accept)
    sizes = [len(page.body.get("rows") or page.body["items"]) for page in (first, rest)]

    assert (first.body["kind"], sizes) == (form, [3, 2])
    assert meta(first)["remainingItemCount"] == 2
    assert meta(rest) == {"resourceVersion": meta(first)["resourceVersion"]}


def test_a_page_without_a_limit_is_all_the_rest(api: Api, version: str) -> None:
    first = ask(api, limit=2)
    change(api)

    assert names(ask(api, token=meta(first)["continue"])) == ["c", "d", "e"]


def test_nobody_counts_what_remains_of_a_selection(api: Api, version: str) -> None:
    by_label, by_field = ask(api, limit=2, labelSelector="app"), ask(api, limit=2, fieldSelector="metadata.name!=z")

    assert names(by_label) == names(by_field) == ["a", "b"]
    assert meta(by_label)["continue"]
    assert "remainingItemCount" not in meta(by_label)
    assert "remainingItemCount" not in meta(by_field)


def test_a_token_says_version_and_place(api: Api, version: str) -> None:
    given = meta(ask(api, limit=2))["continue"]
    read = json.loads(base64.urlsafe_b64decode(given + "=="))

    assert read == {"v": "meta.k8s.io/v1", "rv": int(version), "start": "/b\0"}


def test_a_forgotten_page_is_expired_and_may_go_on_inconsistently(api: Api, version: str, forget: Forget) -> None:
    first = ask(api, limit=2)
    now = change(api)
    forget(api, version)
    expired = ask(api, limit=2, token=meta(first)["continue"])
    rest = ask(api, token=meta(expired)["continue"])

    assert (expired.code, expired.body["reason"]) == (410, "Expired")
    assert expired.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    assert names(rest) == ["c", "cc", "e"]
    assert int(meta(rest)["resourceVersion"]) >= int(now)


def test_a_forgotten_version_is_expired(api: Api, version: str, forget: Forget) -> None:
    change(api)
    forget(api, version)
    queries = [{"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "Exact", "limit": 2}, {"limit": 2}]
    for query in queries:
        expired = ask(api, resourceVersion=version, **query)

        assert (expired.code, expired.body["reason"]) == (410, "Expired")
        assert expired.message == "The resourceVersion for the provided list is too old."


@pytest.mark.parametrize(
    ("query", "old", "found"),
    [
        ({}, False, "a aa b c cc e"),
        ({"limit": 2}, True, "a b"),
        ({"resourceVersionMatch": "Exact"}, True, "a b c d e"),
        ({"resourceVersionMatch": "Exact", "limit": 2}, True, "a b"),
        ({"resourceVersionMatch": "NotOlderThan"}, False, "a aa b c cc e"),
        ({"resourceVersionMatch": "NotOlderThan", "limit": 2}, False, "a aa"),
    ],
)
def test_a_list_is_of_a_version_or_not_older(
    api: Api, version: str, query: dict[str, str], old: bool, found: str
) -> None:
    now = change(api)
    listing = ask(api, resourceVersion=version, **query)

    assert (" ".join(names(listing)), meta(listing)["resourceVersion"]) == (found, version if old else now)


@pytest.mark.parametrize("query", [{}, {"limit": 2}, {"resourceVersionMatch": "NotOlderThan"}])
def test_any_version_will_do_for_version_nought(api: Api, version: str, query: dict[str, str]) -> None:
    listing = ask(api, resourceVersion=0, **query)

    assert names(listing) == ["a", "b", "c", "d", "e"]
    assert not meta(listing).get("continue")


@pytest.mark.parametrize("match", [{}, {"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "NotOlderThan"}])
def test_a_version_that_is_not_yet_there_is_too_large(api: Api, version: str, match: dict[str, str]) -> None:
    refused = ask(api, resourceVersion=TOO_LARGE, **match)

    assert (refused.code, refused.body["reason"]) == (504, "Timeout")
    assert refused.message.startswith(f"Timeout: Too large resource version: {TOO_LARGE}, current: ")
    assert refused.body["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"resourceVersion": "abc"}, 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"resourceVersion": "-1"}, 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"token": "abc"}, "invalid continue token: continue key is not valid"),
        ({"token": token(v="meta.k8s.io/v2", rv=3, start="x")}, "does not recognize this encoded version"),
        ({"token": token(v="meta.k8s.io/v1", rv=3, start="../x")}, "continue key is not valid: ../x"),
        (
            {"token": token(v="meta.k8s.io/v1", rv=3, start="x"), "resourceVersion": "3"},
            "specifying resource version is not allowed when using continue",
        ),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(api: Api, query: dict[str, str], message: str) -> None:
    refused = ask(api, **query)

    assert (refused.code, refused.body["reason"]) == (400, "BadRequest")
    assert message in refused.message


FORBIDDEN = "Forbidden: resourceVersionMatch"


@pytest.mark.parametrize(
    ("query", "causes"),
    [
        ({"resourceVersionMatch": "Exact"}, [f"{FORBIDDEN} is forbidden unless resourceVersion is provided"]),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            [f'{FORBIDDEN} "exact" is forbidden for resourceVersion "0"'],
        ),
        (
            {"resourceVersionMatch": "Foo", "resourceVersion": "1"},
            ['Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""'],
        ),
        (
            {"resourceVersionMatch": "Exact", "token": "abc"},
            [
                f"{FORBIDDEN} is forbidden unless resourceVersion is provided",
                f"{FORBIDDEN} is forbidden when continue is provided",
            ],
        ),
        ({"sendInitialEvents": "true"}, ["Forbidden: sendInitialEvents is forbidden for list"]),
    ],
)
def test_options_that_contradict_each_other_are_invalid(api: Api, query: dict[str, str], causes: list[str]) -> None:
    refused = ask(api, **query)

    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    assert [cause["message"] for cause in refused.body["details"]["causes"]] == causes
    assert refused.body["details"]["kind"] == "ListOptions"


def test_one_object_may_be_asked_for_at_a_version(api: Api, version: str) -> None:
    path = api.path("secrets", "a")

    assert api.call("GET", f"{path}?resourceVersion={version}").code == 200
    assert api.call("GET", f"{path}?resourceVersion={TOO_LARGE}").code == 504
    assert api.call("GET", f"{path}?resourceVersion=abc").code == 500


def test_namespaces_are_ordered_as_paths_are(api: Api, cluster: Api) -> None:
    """`-` comes before `/`: the objects of `a-b` stand before those of `a`."""
    other = f"{api.namespace}-b"
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    mark = f"pages-{api.namespace}"
    for namespace in (api.namespace, other):
        with contextlib.closing(cluster.within(namespace)) as within:
            create(within, "q", app=mark)
    path = f"/api/v1/secrets?labelSelector=app%3D{mark}"
    whole = cluster.get(path)
    first = cluster.get(f"{path}&limit=1")
    second = cluster.get(f"{path}&limit=1&continue={first['metadata']['continue']}")
    cluster.call("DELETE", f"/api/v1/namespaces/{other}")

    pages = [page["items"][0]["metadata"]["namespace"] for page in (first, second)]
    assert [item["metadata"]["namespace"] for item in whole["items"]] == pages == [other, api.namespace]
