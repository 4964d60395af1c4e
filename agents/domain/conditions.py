"""Reading what an object says of itself: its spec, its status and its conditions, whatever shape they have.

Custom resources may hold anything; what is not as Kubernetes' API conventions want it is as if it were not there.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Object = dict[str, Any]


class Condition(msgspec.Struct, frozen=True):
    """One condition of a status."""

    status: str
    """`True`, `False` or `Unknown`."""
    reason: str = ""
    message: str = ""
    is_stale: bool = False
    """It speaks of an earlier generation of the object."""

    @property
    def is_true(self) -> bool:
        return self.status == "True"

    @property
    def is_false(self) -> bool:
        return self.status == "False"


ABSENT = Condition("")
"""Neither true nor false."""


def status_of(live: Object) -> Object:
    """The status; empty if there is none."""
    return mapping(live, "status")


def spec_of(live: Object) -> Object:
    """The spec; empty if there is none."""
    return mapping(live, "spec")


def mapping(found: Object, name: str) -> Object:
    """The value of a field that should be an object; empty if it is not."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def items(found: Object, name: str) -> list[Object]:
    """The objects in a field that should be a list of them."""
    value = found.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def count(found: Object, name: str) -> int:
    """A number, 0 if it is not there: Kubernetes leaves zeros out."""
    value = found.get(name)
    return value if isinstance(value, int) else 0


def of(live: Object) -> Mapping[str, Condition]:
    """The conditions by their types."""
    generation = count(mapping(live, "metadata"), "generation")
    return {
        str(item["type"]): Condition(
            status=text(item, "status"),
            reason=text(item, "reason"),
            message=text(item, "message"),
            is_stale=0 < count(item, "observedGeneration") < generation,
        )
        for item in items(status_of(live), "conditions")
        if "type" in item
    }


def text(found: Object, name: str) -> str:
    """A text; empty if it is not there or none."""
    value = found.get(name)
    return value if isinstance(value, str) else ""
