"""What a plain scalar means to Kubernetes: YAML 1.1 as sigs.k8s.io/yaml (a fork of go-yaml v2) reads it.

Tried on kubectl 1.32: `no`, `on` and `y` are booleans; `0644` and `0o644` are 420; `089` is 89; `1_000` is 1000;
`2001-01-01` and `12:34:56` are strings; `1e3` is 1000. Numbers go through JSON on their way to the API server, so a
whole float is an integer there, and an integer beyond 64 bits a float.
"""

import decimal
import math
import re

Scalar = str | int | float | bool | None

WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
"""Plain scalars that are no text, beside numbers."""

NULLS = frozenset(text for text, value in WORDS.items() if value is None)
"""The plain scalars that are null."""

_NOT_NUMBERS = frozenset(f"{sign}{word}" for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}

NUMERIC_STARTS = frozenset("+-.0123456789")
"""What begins otherwise is no number."""

_POINT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
"""What starts with a point is read as Go's float literals are: `_` only between digits."""
_SHORT_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,19})")
"""Up to 20 digits, as uint64 has; a longer one is beyond every integer type and read as a float."""
_PREFIXED = re.compile(r"(?P<sign>[-+]?)0(?P<base>[xX]|[bB]|[oO]|)(?P<digits>[0-9a-fA-F]{1,64})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"x": 16, "b": 2, "o": 8, "": 8}

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1


class NotANumberError(ValueError):
    """An infinity or NaN, which JSON cannot say."""


class KeyTypeError(ValueError):
    """A key that readers of YAML turn into different strings."""


def resolve(text: str) -> Scalar:
    """The value of a plain, untagged scalar; raise NotANumberError for what JSON cannot say."""
    value = _resolve(text)
    return as_json(value) if isinstance(value, int | float) else value


def key(text: str) -> str:
    """The key that a plain, untagged scalar makes; raise KeyTypeError for null and floats."""
    value = _resolve(text)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return str(value)
    # kubectl refuses null, and writes floats by way of 32 bits: 18446744073709551616 becomes 1.8446744e+19.
    raise KeyTypeError(f"key {text or 'null'} is {'null' if value is None else 'a number'} (put it in quotes)")


def as_json(value: float) -> int | float:
    """A number as the API server gets it: int64 where it is whole and fits, else a float."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and not value.is_integer():
        return value
    # Go writes a whole float with the fewest digits that name it, and zeros: 9223372036854774784.0 ends in 5000.
    whole = value if isinstance(value, int) else int(decimal.Decimal(repr(value)))
    return whole if INT64_MIN <= whole <= INT64_MAX else float(value)


def _resolve(text: str) -> Scalar:
    if text in WORDS:
        return WORDS[text]
    if text[0] not in NUMERIC_STARTS:
        return text
    if text in _NOT_NUMBERS:
        raise NotANumberError(f"{text} is no number in JSON")
    if text[0] == ".":
        return _float(text.replace("_", ""), text) if _POINT.fullmatch(text) else text
    return _number(text)


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    if _SHORT_DECIMAL.fullmatch(plain):
        return int(plain)
    prefixed = _PREFIXED.fullmatch(plain)
    if prefixed is not None:
        value = _prefixed(prefixed)
        if value is not None:
            return value
    return _float(plain, text) if _FLOAT.fullmatch(plain) else text


def _prefixed(match: re.Match[str]) -> int | None:
    """An integer of another base; None where go-yaml sees none, since it does not fit 64 bits."""
    negative = match["sign"] == "-"
    try:
        value = int(match["digits"], _BASES[match["base"].lower()])
    except ValueError:
        return None
    # Go's ParseInt takes a sign and 63 bits; its ParseUint takes 64 bits and no sign.
    if value > (-INT64_MIN if negative else INT64_MAX if match["sign"] else UINT64_MAX):
        return None
    return -value if negative else value


def _float(plain: str, text: str) -> Scalar:
    """A number with a point, an exponent, or more digits than an integer has; beyond all floats it is a string."""
    value = float(plain)
    return text if math.isinf(value) else value
