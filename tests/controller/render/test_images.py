"""Images that are replaced."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, images, recipes

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a", "", "")),
        ("a:1", ("a", "1", "")),
        ("a@" + DIGEST, ("a", "", DIGEST)),
        ("a:1@" + DIGEST, ("a", "1", DIGEST)),
        ("b/a:1", ("b/a", "1", "")),
        ("host:5000/a", ("host:5000/a", "", "")),
        ("host:5000/b/a:1@" + DIGEST, ("host:5000/b/a", "1", DIGEST)),
        ("a:${vars.tag:-1}", ("a", "${vars.tag:-1}", "")),
    ],
)
def test_an_image_has_a_name_a_tag_and_a_digest(text: str, parts: tuple[str, str, str]) -> None:
    found = images.parsed(text)

    assert (found.name, found.tag, found.digest) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    ("image", "before", "after"),
    [
        ({"new_tag": "2"}, "a:1", "a:2"),
        ({"new_tag": "2"}, "a", "a:2"),
        ({"new_tag": "2"}, "a:1@" + DIGEST, "a:2"),
        ({"digest": DIGEST}, "a:1", "a@" + DIGEST),
        ({"new_tag": "2", "digest": DIGEST}, "a:1", "a:2@" + DIGEST),
        ({"new_name": "host:5000/b"}, "a:1", "host:5000/b:1"),
        ({"new_name": "b"}, "a:1@" + DIGEST, "b:1@" + DIGEST),
        ({"new_name": "b", "new_tag": "2"}, "a", "b:2"),
        ({}, "a:1", "a:1"),
        ({"new_tag": "2"}, "aa:1", "aa:1"),
        ({"new_tag": "2"}, "b/a:1", "b/a:1"),
    ],
)
def test_an_image_is_replaced_by_name(image: dict[str, str], before: str, after: str) -> None:
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "x", "image": before}]}}

    found = images.apply(pod, [recipes.Image(name="a", **image)])

    assert found == {"kind": "Pod", "spec": {"containers": [{"name": "x", "image": after}]}}
    assert (found is pod) == (before == after)


def test_containers_are_found_anywhere_but_in_definitions() -> None:
    container = {"image": "a:1"}
    value = {
        "kind": "Thing",
        "image": "a:1",
        "spec": {
            "deep": [{"initContainers": [container], "containers": [{"containers": [container]}]}],
            "ephemeralContainers": [container, {"image": 1}, "a", {}],
            "containers": {"image": "a:1"},
        },
    }
    new = {"image": "a:2"}
    change = [recipes.Image(name="a", new_tag="2")]

    assert images.apply(value, change) == value | {
        "spec": {
            "deep": [{"initContainers": [new], "containers": [{"containers": [new]}]}],
            "ephemeralContainers": [new, {"image": 1}, "a", {}],
            "containers": {"image": "a:1"},
        }
    }
    assert images.apply(value | {"kind": "CustomResourceDefinition"}, change)["spec"] is value["spec"]


NAMES = st.sampled_from(["a", "b", "host:5000/a", "b/c", "", "a:1"])
TAGS = st.sampled_from(["", "1", "2"])
IMAGES = st.builds(recipes.Image, name=NAMES, new_name=NAMES, new_tag=TAGS, digest=st.sampled_from(["", DIGEST]))
VALUES = st.recursive(
    st.text("ab:/@1", max_size=8) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["containers", "initContainers", "image", "kind"]), inner, max_size=3)
    ),
    max_leaves=15,
)


@given(VALUES, st.lists(IMAGES, max_size=3))
def test_any_value_is_kept_but_for_its_images(value: Any, changes: list[recipes.Image]) -> None:
    before = copy.deepcopy(value)
    found = images.apply(value, changes)

    json.dumps(found)
    assert value == before
    assert (found is value) == (found == value)


@given(st.text("ab:/@.1", max_size=12))
def test_any_text_is_an_image_that_comes_back(text: str) -> None:
    parts = images.parsed(text)

    assert images.parsed(str(parts)) == parts


@given(NAMES.filter(lambda name: name and name != "a:1"), TAGS, TAGS)
def test_a_new_tag_is_the_tag_and_twice_is_once(name: str, old: str, new: str) -> None:
    image = recipes.Image(name=name, new_tag=new)
    once = images.replaced(str(images.Reference(name, old)), image)

    assert images.parsed(once) == images.Reference(name, new or old)
    assert images.replaced(once, image) == once


def test_what_is_nested_too_deep_is_refused() -> None:
    value: Any = {}
    for _ in range(300):
        value = {"containers": [value]}
    with pytest.raises(errors.UnreadableError, match="nested deeper"):
        images.apply(value, [recipes.Image(name="a", new_tag="1")])
