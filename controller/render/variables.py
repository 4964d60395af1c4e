"""References to a cluster's variables in rendered objects: `${cluster.name}`, `${cluster.labels.KEY}`, `${vars.x:-no}`.

A reference begins with `${cluster.` or `${vars.` and ends at the next brace; whatever else looks like one (`${HOME}`,
`${datasource}`) is somebody else's and stays. Before a reference, `$$` stands for one `$`: `$${cluster.name}` becomes
`${cluster.name}`, and `$$${cluster.name}` a `$` and the name.

Values are put into parsed documents, so that none can add structure: text stays one string, whatever it holds. Only a
plain scalar that is one reference and nothing else is read again, as the plain scalar that the value would be there:
`replicas: ${vars.replicas}` is a number, `replicas: "${vars.replicas}"` text. Values are not searched for references.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from controller.domain import inputs
from controller.render import errors, jsons, limits, manifests, scalars, yamls
from protocol import naming

Lookup: TypeAlias = Callable[[str], str | None]
"""A variable's value by its name; None: there is none."""

_ESCAPED_DOLLARS = (b"\\x24", b"\\u0024", b"\\U00000024")
"""How quoted scalars may spell it."""

_BEGIN = re.compile(r"(?<!\$)(?P<dollars>\$++)\{(?=(?:cluster|vars)\.)")
NAME = r"[A-Za-z0-9_./-]+"
"""A pattern for names of variables."""

_NEAR = re.compile(r"(?<!\$)\$\{[ \t]{0,8}(?:clusters?|vars?)[ \t]{0,8}\.[^${}\n]{0,100}\}", re.IGNORECASE)
_DEFAULT = ":-"
_DISABLED = "disabled"
_SHOWN_CHARACTERS = 100
_DEPTH_MAX = 2 * limits.DEPTH_MAX


class NearMiss(msgspec.Struct, frozen=True):
    """What looks like a reference and is none."""

    place: yamls.Place
    found: str


class _Reference(msgspec.Struct, frozen=True):
    """One reference, read."""

    found: str
    name: str
    default: str | None = None
    problem: str = ""
    """Not empty: it cannot be replaced, whatever the variables are."""


def may_hold(data: bytes) -> bool:
    """Could a file with these bytes hold a reference? False is certain."""
    # Single characters first: they are found at the speed of memory, and most files have neither.
    if b"$" in data and (b"${" in data or b"$\\" in data):
        return True
    return b"\\" in data and any(spelling in data for spelling in _ESCAPED_DOLLARS)


def references(value: Any) -> frozenset[str]:
    """The names of all variables that a document or a string refers to, with or without a default."""
    found: set[str] = set()

    def note(text: str, _: yamls.Place) -> str:
        found.update(piece.name for piece in _pieces(text) if isinstance(piece, _Reference) and not piece.problem)
        return text

    _Walk(note).document(value)
    return frozenset(found)


def holds(value: Any) -> bool:
    """Would `substitute` change the document, or refuse it? Escapes and malformed references count, too."""
    found = False

    def note(text: str, _: yamls.Place) -> str:
        nonlocal found
        found = found or _BEGIN.search(text) is not None
        return text

    _Walk(note).value(value)
    return found


def as_it_stands(value: Any) -> Any:
    """The value with nothing replaced, as encoders take it; the same object if it holds no `Plain` scalar."""
    return _Walk(_unmarked).value(value)


def near_misses(value: Any) -> list[NearMiss]:
    """What may be meant as a reference, such as `${Cluster.name}` and `${var.x}`: at most WARNINGS_MAX of them."""
    found: list[NearMiss] = []

    def note(text: str, place: yamls.Place) -> str:
        for match in _NEAR.finditer(text):
            if len(found) < limits.WARNINGS_MAX and not match[0].startswith(yamls.OPENINGS):
                found.append(NearMiss(place, match[0]))
        return text

    _Walk(note).document(value)
    return found


def substitute(value: Any, lookup: Lookup) -> Any:
    """The document with all references replaced; the same object if it has none.

    Raises VariableError, with the place, for a variable without value or default, for a malformed reference, and for
    keys that become equal; UnreadableError if the result is too large. What it is given is not changed.
    """
    return _Walk(_Replacement(lookup).value).document(value)


def in_text(text: str, lookup: Lookup) -> str:
    """The string with all references replaced by text; raise VariableError or UnreadableError."""
    return _Replacement(lookup).text(text, ())


def line_of(data: bytes, index: int, *, place: yamls.Place, found: str) -> int:
    """The line of a reference, as it was found at this place of the document with this index of a file."""
    try:
        line = yamls.line_at(data, index, place)
    except errors.UnreadableError:
        line = 1  # JSON that is no YAML: what was found is searched from the beginning
    lines = data.split(b"\n", line - 1) if line else [data]
    before = len(data) - len(lines[-1])
    at = data.find(found.encode(), before)
    return yamls.line_of(data, at) if at >= 0 else line


def is_name(text: str) -> bool:
    """Can a variable have this name?"""
    return len(text) <= limits.VARIABLE_CHARACTERS_MAX and re.fullmatch(NAME, text) is not None


def read_vars(data: bytes, path: str) -> dict[str, str]:
    """The variables of a file: a mapping of names to text, numbers and booleans, all kept as they are written.

    Raises UnreadableError, with the line.
    """
    if len(data) > limits.VARIABLES_BYTES_MAX:
        raise errors.UnreadableError(f"larger than {limits.VARIABLES_BYTES_MAX} bytes")
    documents = jsons.load(data, numbers_as_text=True) if path.endswith(".json") else yamls.load_text(data)
    if len(documents) > 1:
        raise errors.UnreadableError("more than one document", documents[1].line)
    if not documents:
        return {}
    document = documents[0]
    if not isinstance(document.value, dict):
        raise errors.UnreadableError("not a mapping of names to values", document.line)
    return {name: _variable(document, name, value) for name, value in document.value.items()}


def _variable(document: yamls.Document, name: str, value: Any) -> str:
    reason = ""
    if not is_name(name):
        reason = "not a variable's name (letters, digits and _ . / -)"
    elif value is None:
        reason = 'null (write "" for an empty text)'
    elif isinstance(value, dict | list):
        reason = "a list or a mapping (variables are text)"
    if reason:
        raise errors.UnreadableError(f"{name[:60]!r}: {reason}", document.lines.get((name,), document.line))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _pieces(text: str) -> Iterator[str | _Reference]:
    """The string in pieces: text as it is to be, and references. Linear in the string's length."""
    at = 0
    while (match := _BEGIN.search(text, at)) is not None:
        dollars = len(match["dollars"])
        before = text[at : match.start()] + "$" * (dollars // 2)
        if dollars % 2 == 0:
            yield before + "{"
            at = match.end()
            continue
        if before:
            yield before
        end = text.find("}", match.end())
        yield _reference(text[match.end() - 2 : end + 1 or len(text)])
        if end < 0:
            return
        at = end + 1
    if at < len(text):
        yield text[at:]


def _reference(found: str) -> _Reference:
    if not found.endswith("}"):
        return _Reference(found, "", problem="not closed by }")
    name, separator, rest = found[2:-1].partition(_DEFAULT)
    problem = ""
    if not is_name(name):
        problem = "not a variable's name (write $$ for a $ that is meant as it stands)"
    elif not _exists(name):
        problem = (
            "no such variable (there are cluster.name, .kubernetesVersion, .labels.KEY, .annotations.KEY; vars.KEY)"
        )
    elif "${" in rest:
        problem = "a default is text and holds no reference"
    return _Reference(found, name, rest if separator else None, problem)


def _exists(name: str) -> bool:
    prefixes = (inputs.LABELS, inputs.ANNOTATIONS, inputs.VARS)
    return name in (inputs.NAME, inputs.KUBERNETES) or (name.startswith(prefixes) and name not in prefixes)


class _Replacement:
    """Replaces references, within the bound of what one document may become."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._characters = 0

    def value(self, text: str, place: yamls.Place) -> scalars.Scalar:
        """What stands in the string's place."""
        if type(text) is not yamls.Plain:
            return self.text(text, place)
        pieces = list(_pieces(text))
        alone = pieces[0]
        if len(pieces) > 1 or not isinstance(alone, _Reference):
            return self.text(text, place)
        value = self._value_of(alone, place)
        self._count(value)
        try:
            return scalars.resolve(value)
        except scalars.NotANumberError as error:
            raise _refused(alone, f"{error} (put the reference in quotes)", place) from error

    def text(self, text: str, place: yamls.Place) -> str:
        """The string with values in it."""
        if not _BEGIN.search(text):
            return text
        made = []
        for piece in _pieces(text):
            made.append(self._value_of(piece, place) if isinstance(piece, _Reference) else piece)
            self._count(made[-1])
        return "".join(made)

    def _value_of(self, reference: _Reference, place: yamls.Place) -> str:
        if reference.problem:
            raise _refused(reference, reference.problem, place)
        value = self._lookup(reference.name)
        if value is None:
            value = reference.default
        if value is None:
            raise _refused(reference, "no value, and no default (written ${NAME:-default})", place)
        return value

    def _count(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > limits.EXPANDED_BYTES_MAX:
            raise errors.UnreadableError(
                f"more than {limits.EXPANDED_BYTES_MAX} characters in strings with variables, once they are replaced"
            )


def _refused(reference: _Reference, reason: str, place: yamls.Place) -> errors.VariableError:
    found = reference.found
    if len(found) > _SHOWN_CHARACTERS or not found.isprintable():
        found = found[:_SHOWN_CHARACTERS].partition("\n")[0]
        return errors.VariableError(f"{found}…: {reason}", place, found)
    return errors.VariableError(f"{found}: {reason}", place, found)


class _Walk:
    """Puts strings that hold `${` through a function; what does not change stays the same object."""

    def __init__(self, change: Callable[[str, yamls.Place], scalars.Scalar]) -> None:
        self._change = change
        self._place: list[str | int] = []

    def document(self, value: Any) -> Any:
        """A document as it is after the change; an object that has the annotation is left out."""
        return self._value(value, is_object=True)

    def value(self, value: Any) -> Any:
        """A value as it is after the change, without regard to the annotation."""
        return self._value(value, is_object=False)

    def _value(self, value: Any, *, is_object: bool) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, is_object=is_object)
        if isinstance(value, list):
            return self._list(value, are_objects=is_object)
        if isinstance(value, str) and "${" in value:
            return self._change(value, self._at())
        return value

    def _mapping(self, value: dict[str, Any], *, is_object: bool) -> dict[str, Any]:
        if is_object and _is_disabled(value):
            unmarked: dict[str, Any] = as_it_stands(value)
            return unmarked
        self._check_depth()
        holds_objects = is_object and manifests.is_list(value)
        made: dict[str, Any] = {}
        changed = False
        for key, item in value.items():
            self._place.append(key)
            name = str(self._change(str(key), self._at())) if "${" in key else key
            if name in made:
                raise errors.VariableError(
                    f"key {name[:60]!r} stands twice, once variables are replaced", self._at(), key
                )
            made[name] = new = self._value(item, is_object=holds_objects and key == "items")
            changed = changed or new is not item or name is not key
            self._place.pop()
        return made if changed else value

    def _list(self, value: list[Any], *, are_objects: bool) -> list[Any]:
        self._check_depth()
        made = []
        changed = False
        for at, item in enumerate(value):
            self._place.append(at)
            new = self._value(item, is_object=are_objects)
            made.append(new)
            changed = changed or new is not item
            self._place.pop()
        return made if changed else value

    def _at(self) -> yamls.Place:
        return tuple(self._place)

    def _check_depth(self) -> None:
        # Python's own bound is not far: what was loaded is within DEPTH_MAX, what was patched may not be.
        if len(self._place) > _DEPTH_MAX:
            raise errors.UnreadableError(f"nested deeper than {_DEPTH_MAX}")


def _unmarked(text: str, _: yamls.Place) -> str:
    return str(text) if type(text) is yamls.Plain else text


def _is_disabled(value: dict[str, Any]) -> bool:
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and annotations.get(naming.SUBSTITUTE_ANNOTATION) == _DISABLED
