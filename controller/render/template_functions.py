"""The functions of templates in fleet.yaml: those of Go's templates and of Sprig that values use, with their rules.

A value is a string, a number, a boolean or nil (None). A wrong argument is a WrongArgumentError: Go's templates refuse
it, or write it as `%!s(int=1)`, which nobody means.
"""

import re
from collections.abc import Callable

import msgspec

from controller.render import scalars
from controller.render.template_syntax import Value

CHARACTERS_MAX = 1024 * 1024
"""Of one result: as long as a Kubernetes object may be."""

_VERB = re.compile(r"%(.?)", re.DOTALL)
_QUOTED = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f"} | {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class WrongArgumentError(ValueError):
    """A function was given what it does not take, or would give too much."""


class Function(msgspec.Struct, frozen=True):
    """A function, and how many arguments it takes."""

    call: Callable[..., Value]
    least: int
    most: int | None


def truth(value: Value) -> bool:
    """Go's truth, and the opposite of Sprig's `empty`."""
    return value not in (None, "", 0, False)


def text(value: Value) -> str:
    """A value as `%v` writes it; raise WrongArgumentError for nil."""
    if value is None:
        raise WrongArgumentError("there is no value (give one by default)")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(scalars.as_json(value))


def called(name: str, arguments: list[Value]) -> Value:
    """The function's result; raise WrongArgumentError if there is no such function, or it does not take these."""
    function = FUNCTIONS.get(name)
    if function is None:
        raise WrongArgumentError(f"there is no function {name[:40]!r} here")
    if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
        raise WrongArgumentError(f"{name}: {len(arguments)} arguments are too few or too many")
    try:
        found = function.call(*arguments)
    except WrongArgumentError as error:
        raise WrongArgumentError(f"{name}: {error}") from error
    if isinstance(found, str) and len(found) > CHARACTERS_MAX:
        raise WrongArgumentError(f"{name}: the result is longer than {CHARACTERS_MAX} characters")
    return found


def _string(value: Value) -> str:
    if not isinstance(value, str):
        raise WrongArgumentError(f"takes a string, not {_kind(value)}")
    return value


def _kind(value: Value) -> str:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a number", type(None): "nil"}
    return names[type(value)]


def _integer(value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongArgumentError(f"takes an integer, not {_kind(value)}")
    return value


def _quote(*values: Value) -> str:
    return " ".join(quoted(text(value)) for value in values if value is not None)


def quoted(value: str) -> str:
    """Go's `%q`: a string in double quotes, which YAML reads as the same string."""
    return '"' + "".join(_QUOTED.get(one) or (one if one.isprintable() else _escaped(one)) for one in value) + '"'


def _escaped(one: str) -> str:
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _squote(*values: Value) -> str:
    return " ".join(f"'{text(value)}'" for value in values if value is not None)


def _default(fallback: Value, given: Value = None) -> Value:
    return given if truth(given) else fallback


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if truth(value)), None)


def _required(message: Value, given: Value) -> Value:
    if given is None or given == "":
        raise WrongArgumentError(_string(message)[:200])
    return given


def _ternary(yes: Value, no: Value, condition: Value) -> Value:
    if not isinstance(condition, bool):
        raise WrongArgumentError(f"takes a boolean, not {_kind(condition)}")
    return yes if condition else no


def _equal(first: Value, *others: Value) -> bool:
    return any(_same(first, other) for other in others)


def _same(one: Value, other: Value) -> bool:
    if one is not None and other is not None and type(one) is not type(other):
        raise WrongArgumentError(f"compares {_kind(one)} with {_kind(other)}")
    return one == other


def _trimmed(part: Value, value: Value, *, at_end: bool) -> str:
    cut, whole = _string(part), _string(value)
    return whole.removesuffix(cut) if at_end else whole.removeprefix(cut)


def _replace(old: Value, new: Value, value: Value) -> str:
    before, after, whole = _string(old), _string(new), _string(value)
    if whole.count(before) * len(after) > CHARACTERS_MAX:
        raise WrongArgumentError(f"the result is longer than {CHARACTERS_MAX} characters")
    return whole.replace(before, after)


def _trunc(length: Value, value: Value) -> str:
    number, whole = _integer(length), _string(value)
    if number < 0:
        return whole[number:] if -number < len(whole) else whole
    return whole[:number]


def _printf(form: Value, *arguments: Value) -> str:
    left = list(reversed(arguments))
    found = _VERB.sub(lambda verb: _formatted(verb[1], left), _string(form))
    if left:
        raise WrongArgumentError("more arguments than verbs")
    return found


def _formatted(verb: str, left: list[Value]) -> str:
    if verb == "%":
        return "%"
    if verb not in ("s", "d", "v", "q"):
        raise WrongArgumentError(f"the verb %{verb} is not supported (only %s %d %v %q are)")
    if not left:
        raise WrongArgumentError("more verbs than arguments")
    value = left.pop()
    if verb == "d":
        return str(_integer(value))
    if verb == "v":
        return text(value)
    return quoted(_string(value)) if verb == "q" else _string(value)


FUNCTIONS = {
    "coalesce": Function(_coalesce, 1, None),
    "contains": Function(lambda part, value: _string(part) in _string(value), 2, 2),
    "default": Function(_default, 1, 2),
    "empty": Function(lambda value: not truth(value), 1, 1),
    "eq": Function(_equal, 2, None),
    "hasPrefix": Function(lambda part, value: _string(value).startswith(_string(part)), 2, 2),
    "hasSuffix": Function(lambda part, value: _string(value).endswith(_string(part)), 2, 2),
    "lower": Function(lambda value: _string(value).lower(), 1, 1),
    "ne": Function(lambda one, other: not _same(one, other), 2, 2),
    "not": Function(lambda value: not truth(value), 1, 1),
    "printf": Function(_printf, 1, None),
    "quote": Function(_quote, 1, None),
    "replace": Function(_replace, 3, 3),
    "required": Function(_required, 2, 2),
    "squote": Function(_squote, 1, None),
    "ternary": Function(_ternary, 3, 3),
    "toString": Function(text, 1, 1),
    "trim": Function(lambda value: _string(value).strip(), 1, 1),
    "trimPrefix": Function(lambda part, value: _trimmed(part, value, at_end=False), 2, 2),
    "trimSuffix": Function(lambda part, value: _trimmed(part, value, at_end=True), 2, 2),
    "trunc": Function(_trunc, 2, 2),
    "upper": Function(lambda value: _string(value).upper(), 1, 1),
}
"""By name; `and`, `or`, `get`, `hasKey` and `index`, which do not take values alone, are the evaluator's."""
