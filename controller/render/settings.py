"""`flotilla.yaml` and, in part, `fleet.yaml`: what a bundle says about itself."""

import re
from typing import Any

import msgspec

from controller.render import errors, limits, yamls
from protocol import bundles, ids, selectors
from protocol.events import sources

FLOTILLA = "flotilla.yaml"
FLEET = "fleet.yaml"

NAME_CHARACTERS_MAX = 253
"""As long as a Kubernetes object's name may be; it is shown in one line."""

_FLEET_READ = ("namespace", "defaultNamespace", "labels")

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]*)`")


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All fields of flotilla.yaml."""

    name: str = ""
    namespace: str = ""
    default_namespace: str = ""
    labels: dict[str, str] = {}
    targets: tuple[selectors.Target, ...] | None = None
    adopt: bundles.Adopt = bundles.Adopt.IF_NO_DIFF
    prune: bundles.Prune = bundles.Prune.OWNED

    def options(self) -> bundles.BundleOptions:
        """What of it is for the agent."""
        return bundles.BundleOptions(
            namespace=self.namespace,
            default_namespace=self.default_namespace,
            adopt=self.adopt,
            prune=self.prune,
        )


NONE = Settings()


def parse(data: bytes) -> Settings:
    """Read flotilla.yaml; raise UnreadableError with the field and its line."""
    document = _single(data)
    return NONE if document is None else _convert(document, document.value)


def parse_fleet(data: bytes) -> tuple[Settings, tuple[sources.Problem, ...]]:
    """Read of fleet.yaml what is supported, and a warning for each field that is not."""
    document = _single(data)
    if document is None:
        return NONE, ()
    if not isinstance(document.value, dict):
        raise errors.UnreadableError("not a mapping", document.line)
    known = {key: value for key, value in document.value.items() if key in _FLEET_READ}
    warnings = tuple(
        sources.Problem("", f"{key[:80]} is not supported yet, and has no effect", document.lines.get((key,), 0))
        for key in document.value
        if key not in _FLEET_READ
    )
    return _convert(document, known), warnings[: limits.WARNINGS_MAX]


def _single(data: bytes) -> yamls.Document | None:
    documents = yamls.load(data, with_lines=True)
    if len(documents) > 1:
        raise errors.UnreadableError("more than one document", documents[1].line)
    return documents[0] if documents else None


def _convert(document: yamls.Document, value: Any) -> Settings:
    if not isinstance(value, dict):
        raise errors.UnreadableError("not a mapping", document.line)
    try:
        found = msgspec.convert(value, Settings)
    except msgspec.ValidationError as error:
        reason, place = _reading(str(error))
        raise errors.UnreadableError(reason, _line(document, place)) from error
    _check(found, document)
    return found


def _check(found: Settings, document: yamls.Document) -> None:
    for field, value in (("namespace", found.namespace), ("defaultNamespace", found.default_namespace)):
        try:
            if value:
                ids.dns_label(value, field)
        except ids.InvalidNameError as error:
            raise errors.UnreadableError(str(error), _line(document, (field,))) from error
    if len(found.name) > NAME_CHARACTERS_MAX or not found.name.isprintable():
        reason = f"name: longer than {NAME_CHARACTERS_MAX} characters, or with unprintable ones"
        raise errors.UnreadableError(reason, _line(document, ("name",)))
    if found.targets == ():
        reason = "targets: an empty list would match no cluster (leave it out to go where the source goes)"
        raise errors.UnreadableError(reason, _line(document, ("targets",)))


def _reading(message: str) -> tuple[str, yamls.Place]:
    """msgspec's message as ours, and the place it is about."""
    at = _AT.search(message)
    text = _AT.sub("", message)
    steps = _STEP.finditer(at["path"]) if at is not None else ()
    place: yamls.Place = tuple(int(step["index"]) if step["index"] else step["key"] for step in steps)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        place = (*place, unknown["field"])
        text = "unknown field"
    return f"{_dotted(place)}: {text[:1].lower()}{text[1:]}" if place else text, place


def _dotted(place: yamls.Place) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")[:200]


def _line(document: yamls.Document, place: yamls.Place) -> int:
    """The line of the place, or of the nearest one around it."""
    while place and place not in document.lines:
        place = place[:-1]
    return document.lines.get(place, document.line)
