"""Configuration documents: from the mapping of a YAML document to a typed declaration, or to an error with its place.

    apiVersion: flotilla.gitops/v1alpha1
    kind: Source | Cluster | ClusterGroup | RolloutPolicy
    metadata: {name: shop}
    spec: {…}

Whatever the kind, `spec.state: absent` is the explicit wish that the thing be removed; nothing else removes.
"""

import enum
import re
from typing import Any

import msgspec

from controller.domain import rejections
from protocol import naming, specs

LABELS_MAX = 64
"""Labels of one cluster: an event holds all of them, and selectors look at each."""

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"Object missing required field `([^`]*)`")
VALUES_MAX = 256
"""Annotations, or registered values, of one cluster or group: an event holds all of them."""

VALUE_CHARACTERS_MAX = 4096
"""One annotation or registered value: a certificate fits, a manifest belongs into the repository."""

_VALUE_KEY = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9_])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_AGENT_KEY = re.compile(r"U[A-Z2-7]{55}")


class Kind(enum.StrEnum):
    """What can be declared."""

    SOURCE = "Source"
    CLUSTER = "Cluster"
    GROUP = "ClusterGroup"
    POLICY = "RolloutPolicy"


class Place(msgspec.Struct, frozen=True):
    """Where a document stands."""

    file: str
    number: int
    """1-based, within its file."""
    line: int

    def __str__(self) -> str:
        return f"{self.file}: document {self.number} (line {self.line})"


class ClusterSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A cluster, as far as a person declares it."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    """Variables that renderings may use as `${vars.KEY}`."""
    agent_key: str = ""
    """The public user nkey (`U…`) that its agent made; empty: given when its credentials are asked for."""


Spec = specs.SourceSpec | ClusterSpec | specs.GroupSpec | specs.RolloutPolicy

_SPECS: dict[Kind, Any] = {
    Kind.SOURCE: specs.SourceSpec,
    Kind.CLUSTER: ClusterSpec,
    Kind.GROUP: specs.GroupSpec,
    Kind.POLICY: specs.RolloutPolicy,
}


class Document(msgspec.Struct, frozen=True):
    """One declaration."""

    kind: Kind
    name: str
    spec: Spec | None
    """None: it is declared absent."""
    place: Place
    prune: bool = False
    """Of an absent source: delete its workloads, too (held until approved)."""

    @property
    def key(self) -> tuple[Kind, str]:
        """What may be declared once only."""
        return (self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class _Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class _Envelope(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    api_version: str
    kind: Kind
    metadata: _Metadata
    spec: dict[str, Any]


class _Absent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prune: bool = False


def parse(raw: Any, place: Place) -> Document:
    """Read one document; raise rejections.Invalid, naming place and field, if it is not exactly one of ours."""
    outer = _convert(raw, _Envelope, what=str(place), field="")
    what = f"{place}: {outer.kind} {outer.metadata.name}"
    if outer.api_version != naming.API_VERSION:
        raise rejections.Invalid(f"{what}: apiVersion is {outer.api_version!r}, not {naming.API_VERSION!r}")
    state = outer.spec.get("state", "present")
    spec = {key: value for key, value in outer.spec.items() if key != "state"}
    if state == "absent":
        # What else the spec says describes something that is to go: only `prune` matters.
        absent = _convert({k: v for k, v in spec.items() if k == "prune"}, _Absent, what=what, field="spec")
        if absent.prune and outer.kind is not Kind.SOURCE:
            raise rejections.Invalid(f"{what}: spec.prune: only a Source can be removed with its workloads")
        return Document(kind=outer.kind, name=outer.metadata.name, spec=None, place=place, prune=absent.prune)
    if state != "present":
        raise rejections.Invalid(f"{what}: spec.state is {state!r}: only 'absent' and 'present' are known")
    parsed = _convert(spec, _SPECS[outer.kind], what=what, field="spec")
    return Document(kind=outer.kind, name=outer.metadata.name, spec=parsed, place=place)


def labels(given: dict[str, str], what: str) -> dict[str, str]:
    """Return the labels in the order of their keys; raise rejections.Invalid if Kubernetes would not take one."""
    if len(given) > LABELS_MAX:
        raise rejections.Invalid(f"{what}: {len(given)} labels, more than {LABELS_MAX}")
    for key, value in given.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(name) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
            raise rejections.Invalid(f"{what}: label {key!r} is not a label key as Kubernetes has them")
        if value and not _LABEL_NAME.fullmatch(value):
            raise rejections.Invalid(f"{what}: label {key}={value!r} is not a label value as Kubernetes has them")
    return dict(sorted(given.items()))


def annotations(given: dict[str, str], what: str) -> dict[str, str]:
    """Return the annotations in the order of their keys; raise rejections.Invalid if they are too many or too long."""
    for key in given:
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(name) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
            raise rejections.Invalid(f"{what}: annotation {key!r} is not an annotation key as Kubernetes has them")
    return _bounded(given, f"{what}: annotations")


def values(given: dict[str, str], what: str) -> dict[str, str]:
    """Return the registered values in the order of their keys; raise rejections.Invalid if one could not be named as
    `${vars.KEY}`, or they are too many or too long."""
    for key in given:
        if not _VALUE_KEY.fullmatch(key):
            raise rejections.Invalid(
                f"{what}: values.{key!r}: a key is of letters, digits, `_`, `-` and `.`, at most 63"
            )
    return _bounded(given, f"{what}: values")


def _bounded(given: dict[str, str], what: str) -> dict[str, str]:
    if len(given) > VALUES_MAX:
        raise rejections.Invalid(f"{what}: {len(given)} of them, more than {VALUES_MAX}")
    for key, value in given.items():
        if len(value) > VALUE_CHARACTERS_MAX:
            raise rejections.Invalid(f"{what}: {key}: longer than {VALUE_CHARACTERS_MAX} characters")
    return dict(sorted(given.items()))


def agent_key(given: str, what: str) -> str:
    """Return the key if it is a public user nkey (or nothing); raise rejections.Invalid if it is anything else."""
    if given and not _AGENT_KEY.fullmatch(given):
        # It may be a seed that was pasted by mistake: it is not repeated.
        raise rejections.Invalid(f"{what}: agentKey is not a public user nkey (`U` and 55 more characters)")
    return given


def _convert(raw: Any, kind: Any, *, what: str, field: str) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise rejections.Invalid(f"{what}: {_reason(str(error), field)}") from error


def _reason(text: str, field: str) -> str:
    """msgspec's message in a person's order: the field, then what is wrong with it."""
    message, _, path = text.partition(" - at `$")
    where = field + path.removesuffix("`")
    unknown, missing = _UNKNOWN_FIELD.match(message), _MISSING_FIELD.match(message)
    if unknown is not None:
        return f"{_join(where, unknown[1])}: there is no such field"
    if missing is not None:
        return f"{_join(where, missing[1])}: the field is missing"
    hint = " (quote it)" if message.startswith("Expected `str`, got `bool`") else ""
    return f"{where.removeprefix('.') or 'document'}: {message[:1].lower()}{message[1:]}{hint}"


def _join(where: str, field: str) -> str:
    return f"{where}.{field}".removeprefix(".")
