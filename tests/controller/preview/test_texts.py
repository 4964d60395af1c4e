"""What is printed is read back as what was rendered, by Kubernetes' rules."""

from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from controller.preview import objects, texts
from controller.render import scalars, yamls
from protocol import bundles, ids

TRAPS = [
    "1e3", "0o17", "y", "on", "NO", "12:34:56", "2001-01-01", "<<", "=", "0x1f", ".5", "+1", "1_000", "null", "~",
    ".inf", ".nan", "-", "---", "...", "? a", "a: b", "# c", "1e400", "0b1", "089", "\n", "a\n", "a\n\n", "\na",
    "  a\nb", "a\n  b\n", "a \nb", "\ufeffabc",
    "a\n---\nb\n", "a\n...\n", "%TAG", "\x1b[31m", "a\u0085b", "a\u2028b", "é\n😀",
]  # fmt: skip
STRINGS = st.one_of(
    st.sampled_from(TRAPS), st.text(st.sampled_from("a1.e+-_:#&*!|>'\"%@` \n\t\r{}[],?~=<\\"), max_size=9)
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False).map(scalars.as_json)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS | st.text(max_size=9),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(STRINGS, below, max_size=4),
    max_leaves=12,
)


def shown(manifest: dict[str, Any], **said: Any) -> objects.Shown:
    plain = bundles.manifest_bytes(manifest)
    one = objects.Shown(
        bundle=ids.BundleId("shop/a"), object=ids.object_id(manifest), file="a/x.yaml",
        digest=bundles.manifest_digest(plain), plain=plain,
    )  # fmt: skip
    return msgspec.structs.replace(one, **said)


def config_map(data: Any, **metadata: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}, "data": data}


@hypothesis.given(VALUES)
def test_yaml_is_read_back_as_it_was(value: Any) -> None:
    (document,) = yamls.load(texts.as_yaml([shown(config_map(value))]).encode())

    assert msgspec.json.encode(document.value, order="sorted") == bundles.manifest_bytes(config_map(value))


@pytest.mark.parametrize("text", TRAPS)
def test_traps_of_yaml_are_quoted(text: str) -> None:
    (document,) = yamls.load(texts.as_yaml([shown(config_map({text: text}))]).encode())

    assert document.value["data"] == {text: text}


def test_each_document_says_where_it_comes_from() -> None:
    assert texts.as_yaml([shown(config_map({"key": "a\nb\n"}))]) == (
        "---\n# shop/a: a/x.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
        "data:\n  key: |\n    a\n    b\n"
    )


def test_nothing_breaks_out_of_a_comment_or_reaches_the_terminal() -> None:
    text = texts.as_yaml([shown(config_map({"a": "\x1b]0;owned\x07"}), file="a\u2028kind: Secret\x1b[2J.yaml")])

    assert text.splitlines()[1] == "# shop/a: a\\u2028kind: Secret\\x1b[2J.yaml"
    assert "\x1b" not in text


def test_json_is_a_list_that_kubectl_takes() -> None:
    found = msgspec.json.decode(texts.as_json([shown(config_map({}))]))

    assert found == {"apiVersion": "v1", "kind": "List", "items": [config_map({})]}


def test_names_are_those_of_the_log() -> None:
    assert texts.as_names([shown(config_map({}, namespace="shop"))]) == "ConfigMap shop/a\n"
