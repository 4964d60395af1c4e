"""Label and field selectors of list and watch requests."""

import re
from collections.abc import Callable, Mapping

from agents.sandbox import statuses
from agents.sandbox.schema import Json

Labels = Mapping[str, str]
Requirement = Callable[[Labels], bool]

_TERM = re.compile(
    r"\s*(?:"
    r"(?P<absent>!)\s*(?P<absent_key>[\w./-]+)"
    r"|(?P<set_key>[\w./-]+)\s+(?P<set_verb>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<verb>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<present_key>[\w./-]+)"
    r")\s*(?:,|$)"
)


def labels(text: str) -> Requirement:
    """Compile a label selector (`app=web,tier in (a, b),!legacy`)."""
    terms: list[Requirement] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise statuses.bad_request(f'unable to parse requirement: found "{text[position:]}"')
        terms.append(_term(found))
        position = found.end()
    return lambda given: all(term(given) for term in terms)


def _term(found: re.Match[str]) -> Requirement:
    if found["absent"]:
        return lambda given, key=found["absent_key"]: key not in given  # type: ignore[misc]  # bound by default
    if found["present_key"]:
        return lambda given, key=found["present_key"]: key in given  # type: ignore[misc]
    if found["set_verb"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        return _within(found["set_key"], values, negated=found["set_verb"] == "notin")
    return _within(found["key"], frozenset((found["value"],)), negated=found["verb"] == "!=")


def _within(key: str, values: frozenset[str], *, negated: bool) -> Requirement:
    if negated:  # an object without the label is not in the set
        return lambda given: given.get(key) not in values
    return lambda given: given.get(key) in values


def of_object(selector: Json) -> Requirement:
    """Compile the selector of an object's spec (matchLabels and matchExpressions)."""
    terms = [_within(key, frozenset((value,)), negated=False) for key, value in selector.get("matchLabels", {}).items()]
    for expression in selector.get("matchExpressions", ()):
        key, values = expression["key"], frozenset(expression.get("values", ()))
        match expression["operator"]:
            case "In" | "NotIn":
                terms.append(_within(key, values, negated=expression["operator"] == "NotIn"))
            case "Exists":
                terms.append(lambda given, key=key: key in given)  # type: ignore[misc]
            case "DoesNotExist":
                terms.append(lambda given, key=key: key not in given)  # type: ignore[misc]
    return lambda given: all(term(given) for term in terms)


FieldRequirement = tuple[tuple[str, ...], str, bool]  # path, value, negated


def fields(text: str) -> list[FieldRequirement]:
    """Parse a field selector (`metadata.name=web,status.phase!=Running`)."""
    out: list[FieldRequirement] = []
    for term in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([\w.]+)\s*(==|=|!=)\s*(.*)", term)
        if found is None:
            raise statuses.bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        out.append((tuple(found[1].split(".")), found[3], found[2] == "!="))
    return out


def matches_fields(document: Json, requirements: list[FieldRequirement]) -> bool:
    """Say whether an object meets every requirement; a field that is not there is the empty string."""
    return all((_lookup(document, path) == value) is not negated for path, value, negated in requirements)


def _lookup(document: Json, path: tuple[str, ...]) -> str:
    for part in path:
        document = document.get(part) if isinstance(document, dict) else None
    if isinstance(document, bool):
        return "true" if document else "false"
    return "" if document is None else str(document)
