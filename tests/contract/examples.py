"""One example of every wire type, made from the types themselves: always the same, with every field filled."""

import datetime
import enum
import typing
from typing import Any

import msgspec
from msgspec import inspect

from controller.domain import catalogs
from protocol import bundles, codec, credentials, desired, enrolment, plans, reports
from protocol.events import log

TYPES: tuple[type[msgspec.Struct], ...] = (
    *typing.get_args(log.Event),
    *typing.get_args(reports.Report),
    reports.Beat,
    reports.Standby,
    bundles.BundleIndex,
    bundles.ClusterRoot,
    catalogs.Catalog,
    credentials.Credentials,
    desired.DesiredState,
    desired.Deletions,
    desired.SignedDesired,
    enrolment.EnrolRequest,
    enrolment.EnrolmentWaiting,
    enrolment.NotRenewed,
    enrolment.RenewNow,
    enrolment.RenewRequest,
    enrolment.Renewed,
    enrolment.SignedRenewal,
    plans.PlanRequest,
    plans.SignedPlanRequest,
)
"""Every tagged type that is stored or sent."""

_AT = datetime.datetime(2026, 11, 5, 12, 30, 45, tzinfo=datetime.UTC)


def every() -> dict[str, msgspec.Struct]:
    """An example of each type, by its tag."""
    made = [example(kind) for kind in TYPES]
    return {codec.tag_of(one): one for one in made}


def example(kind: Any) -> Any:
    """A value of the type; strings say which field they fill."""
    return _value(inspect.type_info(kind), "")


def _value(info: inspect.Type, name: str) -> Any:
    match info:
        case inspect.StructType():
            return info.cls(**{field.name: _value(field.type, field.name) for field in info.fields})
        case inspect.StrType():
            return f"{name}-example"
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 7
        case inspect.FloatType():
            return 2.5
        case inspect.BytesType():
            return name.encode()
        case inspect.DateTimeType():
            return _AT
        case inspect.EnumType():
            return next(iter(typing.cast(type[enum.Enum], info.cls)))
        case inspect.VarTupleType():
            return (_value(info.item_type, name),)
        case inspect.DictType():
            return {f"{name}-key": _value(info.value_type, name)}
        case inspect.UnionType():
            filled = [one for one in info.types if not isinstance(one, inspect.NoneType)]
            return _value(filled[0], name)
    raise AssertionError(f"{info}: no example is made of this type yet")
