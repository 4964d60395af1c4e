"""JSON patches (RFC 6902), from untrusted files: all six operations, strictly, and within bounds.

What is not changed is shared with the document, which stays as it was. `copy` doubles a document with every use, so
what the document has is counted together with all that operations bring, move and copy.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from controller.render import errors, limits

Operation: TypeAlias = Mapping[str, Any]
_Steps: TypeAlias = tuple[str, ...]
_Container: TypeAlias = dict[str, Any] | list[Any]

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_TILDE = re.compile(r"~(?![01])")
_END = "-"

WORK_MAX = 10 * limits.NODES_MAX
"""Values touched by all operations on one object: each copies what holds the value that it changes."""


def apply(document: Any, operations: Sequence[Operation]) -> Any:
    """The document after all operations, in order; raise UnreadableError with operation, path and reason."""
    edit = _Edit(document)
    for operation in operations:
        name, path = operation.get("op"), operation.get("path")
        try:
            edit.perform(operation)
        except errors.UnreadableError as error:
            raise errors.UnreadableError(f"{str(name)[:20]} {str(path)[:200]}: {error.reason}") from error
    return edit.document


class _Edit:
    """A document between two operations."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._placed = 0
        self._characters = 0
        self._work = 0
        self._admit((), document)  # so that one patch after another cannot make it grow without end
        self._operations: dict[str, Callable[[_Steps, Operation], None]] = {
            "add": lambda steps, operation: self._add(steps, _value(operation)),
            "remove": lambda steps, _: self._remove(steps),
            "replace": lambda steps, operation: self._replace(steps, _value(operation)),
            "move": self._move,
            "copy": lambda steps, operation: self._add(steps, self._at(_steps(operation, "from"))),
            "test": self._test,
        }

    def perform(self, operation: Operation) -> None:
        name = operation.get("op")
        perform = self._operations.get(name) if isinstance(name, str) else None
        if perform is None:
            raise errors.UnreadableError(f"no such operation (there are {', '.join(self._operations)})")
        perform(_steps(operation, "path"), operation)

    def _add(self, steps: _Steps, value: Any) -> None:
        self._admit(steps, value)
        if not steps:
            self.document = value
            return

        def put(container: _Container, step: str) -> None:
            if isinstance(container, dict):
                container[step] = value
            else:
                container.insert(len(container) if step == _END else _index(container, step, end=1), value)

        self._change(steps, put)

    def _replace(self, steps: _Steps, value: Any) -> None:
        self._admit(steps, value)
        if not steps:
            self.document = value
            return

        def put(container: _Container, step: str) -> None:
            _child(container, step)
            if isinstance(container, dict):
                container[step] = value
            else:
                container[_index(container, step)] = value

        self._change(steps, put)

    def _remove(self, steps: _Steps) -> None:
        if not steps:
            raise errors.UnreadableError("the whole object cannot be removed")

        def drop(container: _Container, step: str) -> None:
            _child(container, step)
            if isinstance(container, dict):
                del container[step]
            else:
                del container[_index(container, step)]

        self._change(steps, drop)

    def _move(self, steps: _Steps, operation: Operation) -> None:
        source = _steps(operation, "from")
        if steps[: len(source)] == source and steps != source:
            raise errors.UnreadableError("a value cannot be moved into itself")
        value = self._at(source)
        if steps == source:
            return
        self._remove(source)
        self._add(steps, value)

    def _test(self, steps: _Steps, operation: Operation) -> None:
        if not _is_same(self._at(steps), _value(operation)):
            raise errors.UnreadableError("the value is another")

    def _at(self, steps: _Steps) -> Any:
        value = self.document
        for step in steps:
            value = _child(value, step)
        return value

    def _change(self, steps: _Steps, change: Callable[[_Container, str], None]) -> None:
        """Change a copy of the container that the steps lead into, and put it into copies of all around it."""
        chain = [self.document]
        for step in steps[:-1]:
            chain.append(_child(chain[-1], step))
        made = self._copied(chain[-1])
        change(made, steps[-1])
        for container, step in zip(reversed(chain[:-1]), reversed(steps[:-1]), strict=True):
            around = self._copied(container)
            if isinstance(around, dict):
                around[step] = made
            else:
                around[_index(around, step)] = made
            made = around
        self.document = made

    def _copied(self, container: Any) -> _Container:
        if not isinstance(container, dict | list):
            raise errors.UnreadableError("what should hold it is neither an object nor a list")
        self._work += len(container)
        if self._work > WORK_MAX:
            raise errors.UnreadableError("too many operations on too large an object")
        return container.copy()

    def _admit(self, steps: _Steps, value: Any) -> None:
        """Count a value that an operation puts somewhere, without recursion."""
        level = [value]
        depth = len(steps)
        while level:
            self._placed += len(level)
            if self._placed > limits.NODES_MAX:
                raise errors.UnreadableError(f"more than {limits.NODES_MAX} values after the patch")
            self._characters += sum(len(text) for held in level for text in _texts(held))
            if self._characters > limits.EXPANDED_BYTES_MAX:
                raise errors.UnreadableError(f"more than {limits.EXPANDED_BYTES_MAX} characters after the patch")
            if depth > limits.DEPTH_MAX + 1:
                raise errors.UnreadableError(f"nested deeper than {limits.DEPTH_MAX}")
            level = [item for held in level if isinstance(held, dict | list) for item in _items(held)]
            depth += 1


def _texts(value: Any) -> Iterable[str]:
    """The strings that a value has of its own."""
    if isinstance(value, dict):
        return value
    return (value,) if isinstance(value, str) else ()


def _items(value: _Container) -> Any:
    return value.values() if isinstance(value, dict) else value


def _steps(operation: Operation, field: str) -> _Steps:
    pointer = operation.get(field)
    if not isinstance(pointer, str):
        raise errors.UnreadableError(f"{field} is missing, or no string")
    if pointer and not pointer.startswith("/"):
        raise errors.UnreadableError(f"{field} does not begin with /")
    if _TILDE.search(pointer):
        raise errors.UnreadableError(f"{field} has a ~ that is neither ~0 (a ~) nor ~1 (a /)")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _value(operation: Operation) -> Any:
    if "value" not in operation:
        raise errors.UnreadableError("value is missing")
    return operation["value"]


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        if step not in value:
            raise errors.UnreadableError(f"there is no {step[:60]!r}")
        return value[step]
    if isinstance(value, list):
        return value[_index(value, step)]
    raise errors.UnreadableError(f"what should hold {step[:60]!r} is neither an object nor a list")


def _index(items: list[Any], step: str, *, end: int = 0) -> int:
    if not _INDEX.fullmatch(step):
        raise errors.UnreadableError(f"{step[:60]!r} is no index of a list")
    if int(step) >= len(items) + end:
        raise errors.UnreadableError(f"the list has {len(items)} items, none with index {step}")
    return int(step)


def _is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: to Python, True is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)
