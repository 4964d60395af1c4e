"""JSON files, under the limits that hold for YAML: duplicate keys, NaN and infinities are refused."""

import json
import re
from collections.abc import Callable
from typing import Any

from controller.render import errors, limits, scalars, yamls

_BLANKS = re.compile(r"[ \t\r\n]*")
_INTEGER_CHARACTERS = 20
"""A longer integer is beyond 64 bits, and Python's conversion of very long ones is quadratic."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def load(data: bytes, *, numbers_as_text: bool = False) -> list[yamls.Document]:
    """All JSON values of a file, one after the other; raise UnreadableError with reason and line."""
    text = yamls.checked(data).decode()
    try:
        found = _values(text, numbers_as_text)
    except json.JSONDecodeError as error:
        raise errors.UnreadableError(f"not JSON: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise errors.UnreadableError(f"nested deeper than {limits.DEPTH_MAX}") from error
    except _Refused as error:
        raise errors.UnreadableError(str(error), _line_of_duplicate(data)) from error
    _measure([document.value for document in found])
    if _SURROGATE.search(text):
        _check_surrogates(found)
    return found


def looks_like_json(data: bytes) -> bool:
    """Does it begin as a JSON object does? kubectl tells the two apart so, whatever the file is called."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


class _Refused(Exception):
    """Valid JSON that no API server should get."""


def _values(text: str, numbers_as_text: bool) -> list[yamls.Document]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=str if numbers_as_text else _integer,
        parse_float=str if numbers_as_text else _float,
        parse_constant=_refuse_constant,
    )
    found: list[yamls.Document] = []
    at = _after_blanks(text, 0)
    while at < len(text):
        if len(found) >= limits.DOCUMENTS_MAX:
            raise _Refused(f"more than {limits.DOCUMENTS_MAX} documents")
        value, end = decoder.raw_decode(text, at)
        if value is not None:
            found.append(yamls.Document(line=text.count("\n", 0, at) + 1, value=value))
        at = _after_blanks(text, end)
    return found


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    assert match is not None, "the pattern matches the empty string"
    return match.end()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"duplicate key {key[:60]!r}")
            seen.add(key)
    return value


def _integer(text: str) -> int | float:
    return scalars.as_json(int(text)) if len(text) <= _INTEGER_CHARACTERS else _float(text)


def _float(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Refused("a number beyond all floats")
    return scalars.as_json(value)


def _refuse_constant(text: str) -> Any:
    raise _Refused(f"{text} is no number in JSON")


def _line_of_duplicate(data: bytes) -> int:
    """Python's decoder does not say where; nearly all JSON is YAML, and that reader does."""
    try:
        yamls.load(data)
    except errors.UnreadableError as error:
        return error.line
    return 0


def _measure(values: list[Any]) -> None:
    """Refuse what is too deep or too much, without recursion."""
    nodes = 0
    level = values
    depth = 0
    while level:
        nodes += len(level)
        if nodes > limits.NODES_MAX:
            raise errors.UnreadableError(f"more than {limits.NODES_MAX} values")
        level = [item for value in level for item in _children(value)]
        depth += 1
        if depth > limits.DEPTH_MAX + 1:
            raise errors.UnreadableError(f"nested deeper than {limits.DEPTH_MAX}")


_CHILDREN: dict[type, Callable[[Any], Any]] = {dict: dict.values, list: iter}


def _children(value: Any) -> Any:
    children = _CHILDREN.get(type(value))
    return children(value) if children is not None else ()


def _check_surrogates(found: list[yamls.Document]) -> None:
    try:
        json.dumps([document.value for document in found], ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise errors.UnreadableError("half of a surrogate pair (\\ud800 to \\udfff) in a string") from error
