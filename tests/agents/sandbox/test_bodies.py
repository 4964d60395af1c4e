"""Request bodies: what YAML means here, and that no body can hurt the process."""

import pytest

from agents.sandbox import bodies, statuses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", {"a": 1}),
        ("a: 0644", {"a": 420}),
        ("a: 0x10", {"a": 16}),
        ("a: 1.5", {"a": 1.5}),
        ("a: yes", {"a": True}),
        ("a: n", {"a": False}),
        ("a: ~", {"a": None}),
        ("a: '1'", {"a": "1"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 1:30", {"a": "1:30"}),
        ("on: x", {"true": "x"}),
        ("- 1\n- [a, b]", [1, ["a", "b"]]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ('{"a": "json"}', {"a": "json"}),
    ],
)
def test_yaml_is_read_as_kubernetes_does(text: str, expected: object) -> None:
    assert bodies.decode(text.encode()) == expected


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "{", "a: [", "a: *b", "[" * 5000, "- " * 5000, "a: {" * 3000, BOMB, '{"a":' * 100_000, "? [a]\n: b"],
)
def test_a_hostile_body_is_refused(text: str) -> None:
    with pytest.raises(statuses.Failure) as refused:
        bodies.decode(text.encode())

    assert refused.value.code == 400
