"""Which clusters something is for: the shape of placements, as they stand in files, events and catalogs."""

import enum

import msgspec


class Operator(enum.StrEnum):
    """Kubernetes' label selector operators."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """One requirement on a label, as in Kubernetes' `matchExpressions`."""

    key: str
    """The label's name."""
    operator: Operator
    """What is asked of the label."""
    values: tuple[str, ...] = ()
    """For `In` and `NotIn`."""


class Selector(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A cluster matches if every part that is given matches; one that gives no part matches every cluster."""

    match_labels: dict[str, str] = {}
    """Labels that a cluster must have."""
    match_expressions: tuple[Expression, ...] = ()
    """Requirements on labels; all must hold."""
    groups: tuple[str, ...] = ()
    """In any of these groups."""
    names: tuple[str, ...] = ()
    """Has one of these names; shell globs are allowed."""


class Target(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A selector, less what `exclude` matches. Several targets are alternatives."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Expression, ...] = ()
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    exclude: tuple[Selector, ...] = ()
