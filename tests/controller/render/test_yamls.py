"""The YAML reader: what it refuses and where, and that no bytes can hurt it."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.render import errors, limits, yamls


def only(text: str) -> Any:
    (document,) = yamls.load(text.encode())
    return document.value


def refused(data: str | bytes) -> tuple[str, int]:
    with pytest.raises(errors.UnreadableError) as caught:
        yamls.load(data.encode() if isinstance(data, str) else data)
    return caught.value.reason, caught.value.line


def test_documents_keep_their_lines_and_empty_ones_do_not_count() -> None:
    found = yamls.load(b"# head\n---\na: 1\n---\n# nothing\n---\n~\n---\n\n- b\n...\n---\nplain\n")

    assert [(document.line, document.value) for document in found] == [(3, {"a": 1}), (10, ["b"]), (13, "plain")]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n---\n", "--- ~\n"])
def test_a_file_of_nothing_holds_nothing(text: str) -> None:
    assert yamls.load(text.encode()) == []


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    assert only("\ufeffa: 1\r\nb: |\r\n  x\r\n") == {"a": 1, "b": "x\n"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('a: "no"', "no"),
        ("a: 'no'", "no"),
        ("a: |\n  no", "no"),
        ("a: !!str no", "no"),
        ("a: ! 12", "12"),
        ('a: !!int "12"', 12),
        ("a: !!float 1", 1),
        ("a: !!bool yes", True),
        ("a: !!null ~", None),
        ("a: !!map {b: 1}", {"b": 1}),
        ("a: !!seq [1]", [1]),
        ("a:", None),
        ("{a: 1}", 1),
        ("? a\n: 1", 1),
        ("a: &x foo", "foo"),
    ],
)
def test_quotes_blocks_and_plain_tags_say_what_a_value_is(text: str, value: object) -> None:
    assert only(text) == {"a": value}


def test_aliases_repeat_what_they_name() -> None:
    assert only("a: &x [1, {b: c}]\nd: *x\n") == {"a": [1, {"b": "c"}], "d": [1, {"b": "c"}]}
    assert only("a: &x 1\nb: &x 2\nc: *x\n") == {"a": 1, "b": 2, "c": 2}
    assert only("a: &k foo\n*k : bar\n") == {"a": "foo", "foo": "bar"}


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("x: &x {a: 1, b: 2}\nz:\n  <<: *x\n  b: 3\n", {"a": 1, "b": 3}),
        ("z:\n  <<: {a: 1}\n  b: 2\n", {"a": 1, "b": 2}),
        ("x: &x {a: 1}\nv: &y {a: 2, c: 3}\nz:\n  <<: [*x, *y]\n", {"a": 1, "c": 3}),
        ("z:\n  b: 2\n  <<: {a: 1}\n", {"a": 1, "b": 2}),
        ('z:\n  "<<": {a: 1}\n', {"<<": {"a": 1}}),
    ],
)
def test_a_merge_fills_in_what_the_mapping_does_not_say(text: str, merged: object) -> None:
    assert only(text)["z"] == merged


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate key 'a'", 3),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "duplicate key 'c'", 4),
        ("yes: 1\ntrue: 2\n", "duplicate key 'true'", 2),
        ('1: a\n"1": b\n', "duplicate key '1'", 2),
        ("a:\n  <<: {b: 1}\n  b: 2\n  b: 3\n", "duplicate key 'b'", 4),
        ("a:\n  <<: {b: 1}\n  <<: {c: 1}\n", "duplicate key <<", 3),
        ("a:\n  b: 2\n  <<: {b: 1}\n", "put << first", 3),
        ("a:\n  <<: 3\n", "<< takes a mapping", 2),
        ("a:\n  <<: [1]\n", "<< takes a mapping", 2),
        ("a: !env HOME\n", "tag '!env'", 1),
        ("a: !!python/object:os.system x\n", "tag", 1),
        ("a: !!timestamp 2001-01-01\n", "tag", 1),
        ("a: !!binary aGk=\n", "tag", 1),
        ("a: !!set {b, c}\n", "tag", 1),
        ("a: !!null x\n", "tag", 1),
        ("\na: .inf\n", "no number in JSON", 2),
        ("~: 1\n", "null", 1),
        ("1.5: 1\n", "in quotes", 1),
        ("? [a]\n: 1\n", "a key that is a list", 1),
        ("? {a: 1}\n: 1\n", "a key that is a list", 1),
        ("a: &x [1]\n*x : 1\n", "is no string", 2),
        ("a: *gone\n", "names no anchor", 1),
        ("a: &x 1\n---\nb: *x\n", "names no anchor", 3),
        ("a: &x\n  b: *x\n", "contains itself", 2),
        ("a: [1\nb: 2\n", "", 2),
        ("a: b: c\n", "mapping values are not allowed", 1),
        ("\ta: 1\n", "cannot start any token", 1),
        ("a: 1\n b: 2\n", "", 2),
        ("a: \x07\n", "control characters", 1),
        ('a: "\\ud83d"\n', "Unicode", 1),
        ("%YAML 2.0\n---\na\n", "YAML", 1),
        ("a: @x\n", "cannot start any token", 1),
        ("a: !<tag:%ED%A0%80> x\n", "", 1),
    ],
)
def test_what_has_more_than_one_reading_is_refused_with_its_line(text: str, reason: str, line: int) -> None:
    found = refused(text)

    assert reason in found[0]
    assert found[1] == line


@pytest.mark.parametrize(("data", "line"), [(b"a: 1\nb: \xff\n", 2), (b"\xff\xfea\x00", 1), ("ä".encode("latin-1"), 1)])
def test_bytes_that_are_not_utf_8_are_refused(data: bytes, line: int) -> None:
    assert refused(data) == ("not UTF-8", line)


BILLION_LAUGHS = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
QUADRATIC_TEXT = "a: &a " + "x" * 1_000_000 + "\n" + "".join(f"b{n}: *a\n" for n in range(100))
DEEP_BY_ALIASES = (
    "a0: &a0 ["
    + "[" * 50
    + "]" * 50
    + "]\n"
    + "".join(f"a{n}: &a{n} {'[' * 40}*a{n - 1}{']' * 40}\n" for n in range(1, 50))
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "nested deeper"),
        ("{a: " * 50_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("? " * 100_000, "a key that is a list"),
        ("".join(" " * n + "a:\n" for n in range(2_000)), "nested deeper"),
        ("&a " + "[" * 200_000 + "]" * 200_000, "nested deeper"),
        (BILLION_LAUGHS, "values, with aliases repeated"),
        (QUADRATIC_TEXT, "characters, with aliases repeated"),
        (DEEP_BY_ALIASES, "by alias"),
        ("".join(f"%TAG !{n}! tag:x,2000:\n" for n in range(100_000)), "%TAG directives"),
        ("x" * (limits.FILE_BYTES_MAX + 1), "larger than"),
    ],
    ids=["flow lists", "flow mappings", "block lists", "keys", "block mappings", "closed", "laughs", "text", "aliased",
         "directives", "bytes"],
)  # fmt: skip
def test_a_bomb_is_refused_before_it_costs_anything(text: str, reason: str) -> None:
    tracemalloc.start()

    found = refused(text)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason in found[0]
    assert peak < 64 * limits.MIB


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[" + "a," * 600_000 + "]", "values, with aliases repeated"), ("--- a\n" * 20_001, "documents")],
    ids=["values", "documents"],
)
def test_a_file_of_very_many_values_is_refused(text: str, reason: str) -> None:
    assert reason in refused(text)[0]


def test_the_lines_of_keys_are_known_where_they_are_asked_for() -> None:
    (document,) = yamls.load(b"a: 1\nb:\n- c: 2\n- d:\n    e: 3\n", with_lines=True)

    assert document.lines == {("a",): 1, ("b",): 2, ("b", 0, "c"): 3, ("b", 1, "d"): 4, ("b", 1, "d", "e"): 5}


def check_any(data: bytes) -> None:
    """The reader's whole promise: values that JSON can say, or one error with a reason and a line of the file."""
    error = None
    try:
        found = yamls.load(data, with_lines=True)
    except errors.UnreadableError as caught:
        error = caught
    if error is None:
        json.dumps([document.value for document in found], allow_nan=False)
    else:
        assert error.reason
        assert 0 <= error.line <= len(data) + 1


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_documents_or_one_documented_error(data: bytes) -> None:
    check_any(data)


PIECES = st.sampled_from(
    ["a", "b", ":", " ", "\n", "- ", "{", "}", "[", "]", ",", "&x", "*x", "!", "!!str ", "|", ">", "'", '"', "#", "<<",
     "---\n", "...\n", "? ", "~", "no", "0644", "1.5", "\t", "%YAML 1.1\n", "%TAG ! tag:x,2000:\n", "\\", "é", "\u2028"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_mixture_of_yaml_is_documents_or_one_documented_error(text: str) -> None:
    check_any(text.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcno01~<", max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_without_surrogates_means_the_same_as_yaml(value: object) -> None:
    text = json.dumps(value, ensure_ascii=True).replace("\\u007f", "\x7f")
    if "\\ud" in text or "\x7f" in text:
        return  # pairs of surrogates are JSON's own way; YAML refuses them
    found = yamls.load(text.encode())

    assert [document.value for document in found] == ([] if value is None else [value])
