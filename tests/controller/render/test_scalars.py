"""Plain scalars as the API server gets them; where kubectl is at hand, compared with what it makes of the same text."""

import json
import pathlib
import shutil
import subprocess

import pytest

from controller.render import scalars, yamls

VALUES: dict[str, object] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **{text: text for text in ("oN", "tRue", "nULL", "Inf", "nan", "Infinity", "=", "e", "0x", "0b", "0o", "_1", ".")},
    **{text: text for text in ("2001-01-01", "2001-01-01T00:00:00Z", "12:34:56", "1:30", "190:20:30.15")},
    **{text: text for text in ("1.2.3", "1-1", "--1", "1e", "1e+", ".e5", "0x1p-2", "1e400", "-1e999", "..5")},
    **{text: text for text in ("0x1FFFFFFFFFFFFFFFFF", "0b12", "0o8", "._5", ".5_", ".5__0")},
    "0644": 420, "0o644": 420, "-0644": -420, "089": 89, "0_7": 7, "007": 7, "00": 0, "-0": 0, "-0.0": 0,
    "0x1F": 31, "0X1F": 31, "-0x1F": -31, "0x_1F": 31, "0b101": 5, "-0b11": -3, "+5": 5, "1_000": 1000, "1__0": 10,
    "1.0": 1, "1.": 1, ".5": 0.5, "-.5": -0.5, "+.5e1": 5, ".5_0": 0.5, "5._5_": 5.5, "1.10": 1.1, "1_000.5": 1000.5,
    "1e3": 1000, "1E3": 1000, "1e+3": 1000, "1.5e3": 1500, "1e-7": 1e-7, "1e-400": 0, "08.5": 8.5,
    "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63),
    "9223372036854775808": float(2**63), "18446744073709551615": float(2**64), "0xFFFFFFFFFFFFFFFF": float(2**64),
    "-9223372036854775809": -float(2**63), "0777777777777777777777777777": 7.777777777777778e26,
    "9223372036854774784.0": 9223372036854775000, "1e18": 10**18, "1e21": 1e21,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_a_plain_scalar_is_what_kubernetes_makes_of_it(text: str, value: object) -> None:
    found = scalars.resolve(text)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl to compare with")
def test_kubectl_reads_the_same(tmp_path: pathlib.Path) -> None:
    spec = "".join(f"  k{number}: {text}\n" for number, text in enumerate(VALUES))
    file = tmp_path / "all.yaml"
    file.write_text(f"apiVersion: v1\nkind: Thing\nmetadata: {{name: a}}\nspec:\n{spec}")
    command = ["kubectl", "annotate", "--local", "-f", str(file), "a=b", "-o", "json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)

    # Through JSON once more, since kubectl writes whole floats as integers of any size.
    expected = {key: _as_float(value) for key, value in json.loads(done.stdout)["spec"].items()}
    (document,) = yamls.load(file.read_bytes())
    assert {key: _as_float(value) for key, value in document.value["spec"].items()} == expected


def _as_float(value: object) -> object:
    in_range = isinstance(value, int) and -(2**63) <= value < 2**63
    return float(value) if isinstance(value, int) and not in_range else value


@pytest.mark.parametrize("text", [".inf", "-.inf", "+.INF", ".nan", ".NaN"])
def test_what_json_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(scalars.NotANumberError):
        scalars.resolve(text)


@pytest.mark.parametrize(
    ("text", "key"), [("no", "false"), ("y", "true"), ("0644", "420"), ("1_000", "1000"), ("2001-01-01", "2001-01-01")]
)
def test_keys_are_read_as_kubectl_reads_them(text: str, key: str) -> None:
    assert scalars.key(text) == key


@pytest.mark.parametrize("text", ["", "~", "null", "1.5", "1e3", "1.0", "18446744073709551615"])
def test_keys_that_readers_disagree_on_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"in quotes|JSON"):
        scalars.key(text)
