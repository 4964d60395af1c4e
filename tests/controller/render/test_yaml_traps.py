"""YAML's traps, one by one: what the loader makes of each, and that kubectl makes the same of it."""

import json
import pathlib
import subprocess
from typing import Any

import pytest

from controller.render import errors, yamls
from tests.controlplane.assets import Assets

HEAD = "apiVersion: v1\nkind: Thing\nmetadata: {name: a}\n"

READ: dict[str, tuple[str, Any]] = {
    "no": ("x: [no, No, off, y, on, 'no', nO]", [False, False, False, True, True, "no", "nO"]),
    "no as a key": ("x: {no: 1, 'no': 2}", {"false": 1, "no": 2}),
    "0644": ("x: [0644, 0o644, 089, '0644', 0x1F, 0b11]", [420, 420, 89, "0644", 31, 3]),
    "0644 as a key": ("x: {0644: 1}", {"420": 1}),
    "2001-01-01": (
        "x: [2001-01-01, 2001-01-01T00:00:00Z, 2001-01-01 00:00:00]",
        ["2001-01-01", "2001-01-01T00:00:00Z", "2001-01-01 00:00:00"],
    ),
    "2001-01-01 as a key": ("x: {2001-01-01: 1}", {"2001-01-01": 1}),
    "12:34:56": ("x: [12:34:56, 1:30, 80:80]", ["12:34:56", "1:30", "80:80"]),
    "1e3": ("x: [1e3, 1E3, 1e-2, 1.0, 1.10, 1_000, 1e, '1e3']", [1000, 1000, 0.01, 1, 1.1, 1000, "1e", "1e3"]),
    "~": ("x: [~, null, Null, nULL, '~', '']", [None, None, None, "nULL", "~", ""]),
    "~ as nothing": ("x: {a: , b: ~, c: ''}", {"a": None, "b": None, "c": ""}),
    "<<": ("y: &y {a: 1, b: 2}\nx:\n  <<: *y\n  b: 3", {"a": 1, "b": 3}),
    "<< of several": ("y: &y {a: 1}\nz: &z {a: 2, b: 2}\nx:\n  <<: [*y, *z]", {"a": 1, "b": 2}),
    "<< in quotes": ("x: {'<<': {a: 1}}", {"<<": {"a": 1}}),
    "<< of what merges itself": ("y: &y {a: 1}\nz: &z {<<: *y, b: 2}\nx: {<<: *z, c: 3}", {"a": 1, "b": 2, "c": 3}),
    "anchors": ("y: &y [1, {a: no}]\nx: [*y, *y]", [[1, {"a": False}], [1, {"a": False}]]),
    "anchors named again": ("y: &y 1\nz: &y 2\nx: *y", 2),
    "anchors of keys": ("&y a: 1\nx: {*y : 2}", {"a": 2}),
    "anchors on nothing": ("x: {a: &y , b: *y}", {"a": None, "b": None}),
    "block scalars": ("x: |\n  a\n   b\n\n  c\n", "a\n b\n\nc\n"),
    "block scalars stripped": ("x: |-\n  a\n\n\nz: 1", "a"),
    "block scalars kept": ("x: |+\n  a\n\n\nz: 1", "a\n\n\n"),
    "block scalars folded": ("x: >\n  a\n  b\n\n  c\n   d\n  e\n", "a b\nc\n d\ne\n"),
    "block scalars folded and stripped": ("x: >-\n  a\n  b\n", "a b"),
    "block scalars with an indent": ("x: |2\n    a\n  b\n", "  a\nb\n"),
    "block scalars that look like more": ("x: |\n  no\n  # a: &b *c\n  --- d\n", "no\n# a: &b *c\n--- d\n"),
    "block scalars of one word": ("x: |-\n  no", "no"),
    "plain scalars over lines": ("x: a\n  b\n\n  c # d\n", "a b\nc"),
}

REFUSED = {
    "duplicate keys": ("x: 1\nx: 2", "duplicate key 'x'"),
    "duplicate keys below": ("x: {a: 1, b: 2, a: 1}", "duplicate key 'a'"),
    "duplicate keys spelled otherwise": ("x: {no: 1, off: 2}", "duplicate key 'false'"),
    "<< after a key that it brings": ("y: &y {a: 1}\nx:\n  a: 2\n  <<: *y", "<< brings key 'a'"),
}
"""What kubectl reads in silence, one way or another, and readers of YAML do not agree on."""


def kubectl_reads(assets: Assets, file: pathlib.Path) -> Any:
    program = assets.program("kubectl")
    if program is None:
        pytest.skip("these assets are without kubectl")
    command = [str(program), "annotate", "--local", "-f", str(file), "a=b", "-o", "json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize("trap", READ)
def test_a_trap_is_read_as_kubernetes_reads_it(trap: str) -> None:
    text, expected = READ[trap]
    (document,) = yamls.load(text.encode())

    assert json.dumps(document.value["x"]) == json.dumps(expected)


@pytest.mark.kube
@pytest.mark.parametrize("trap", READ)
def test_kubectl_reads_a_trap_the_same(trap: str, kube_assets: Assets, tmp_path: pathlib.Path) -> None:
    text, expected = READ[trap]
    file = tmp_path / "a.yaml"
    file.write_text(HEAD + text)

    assert kubectl_reads(kube_assets, file)["x"] == expected


@pytest.mark.parametrize("trap", REFUSED)
def test_what_readers_disagree_on_is_refused(trap: str) -> None:
    text, reason = REFUSED[trap]
    with pytest.raises(errors.UnreadableError) as caught:
        yamls.load(text.encode())

    assert reason in caught.value.reason


@pytest.mark.kube
@pytest.mark.parametrize("trap", REFUSED)
def test_kubectl_takes_one_of_two_in_silence(trap: str, kube_assets: Assets, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(HEAD + REFUSED[trap][0])

    assert kubectl_reads(kube_assets, file)["x"]
