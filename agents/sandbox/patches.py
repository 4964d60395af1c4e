"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902), as pure functions on decoded documents."""

from typing import Any

from agents.sandbox import statuses
from agents.sandbox.schema import Json, Object

OPERATIONS_MAX = 10_000  # the real server's bound on one JSON patch


def merge_patch(document: Json, patch: Json) -> Json:
    """Lay a merge patch over a document: null deletes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif isinstance(value, dict):
            out[name] = merge_patch(out.get(name), value)
        else:
            out[name] = value
    return out


def json_patch(document: Object, operations: Json) -> Json:
    """Run a JSON patch; a test that fails or a path that is not there refuses the whole patch."""
    if not isinstance(operations, list):
        raise statuses.bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > OPERATIONS_MAX:
        raise statuses.Failure(
            413, "RequestEntityTooLarge", f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}"
        )
    out: Json = document
    for operation in operations:
        out = _operate(out, operation)
    return out


def _operate(document: Json, operation: Json) -> Json:
    verb, path = operation.get("op"), _pointer(operation.get("path", ""))
    match verb:
        case "add":
            return _set(document, path, operation.get("value"), insert=True)
        case "replace":
            _get(document, path)
            return _set(document, path, operation.get("value"), insert=False)
        case "remove":
            return _remove(document, path)
        case "move" | "copy":
            source = _pointer(operation.get("from", ""))
            value = _get(document, source)
            kept = _remove(document, source) if verb == "move" else document
            return _set(kept, path, value, insert=True)
        case "test":
            if _find(document, path) != operation.get("value"):
                raise _failed()
            return document
    raise _failed()


def _failed() -> statuses.Failure:
    message = "the server rejected our request due to an error in our request"  # the real server says no more
    return statuses.Failure(422, "Invalid", message, details={})


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _failed()
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _find(document: Json, path: list[str]) -> Json:
    for part in path:
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def _get(document: Json, path: list[str]) -> Json:
    if not path:
        return document
    owner, last = _find(document, path[:-1]), path[-1]
    if isinstance(owner, dict) and last in owner:
        return owner[last]
    if isinstance(owner, list) and last.isdecimal() and int(last) < len(owner):
        return owner[int(last)]
    raise _failed()


def _set(document: Json, path: list[str], value: Any, *, insert: bool) -> Json:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(document, dict):
        if rest and head not in document:
            raise _failed()
        return {**document, head: _set(document.get(head), rest, value, insert=insert)}
    if not isinstance(document, list):
        raise _failed()
    return _set_item(document, path, value, insert=insert)


def _set_item(items: list[Json], path: list[str], value: Any, *, insert: bool) -> list[Json]:
    head, rest = path[0], path[1:]
    index = len(items) if head == "-" else int(head) if head.isdecimal() else -1
    if index < 0 or index > len(items) or (index == len(items) and (rest or not insert)):
        raise _failed()
    if rest:
        return [*items[:index], _set(items[index], rest, value, insert=insert), *items[index + 1 :]]
    return [*items[:index], value, *items[index if insert else index + 1 :]]


def _remove(document: Json, path: list[str]) -> Json:
    if not path:
        raise _failed()
    _get(document, path)
    head, rest = path[0], path[1:]
    if isinstance(document, dict):
        if rest:
            return {**document, head: _remove(document[head], rest)}
        return {name: value for name, value in document.items() if name != head}
    index = int(head)
    kept = [_remove(document[index], rest)] if rest else []
    return [*document[:index], *kept, *document[index + 1 :]]
