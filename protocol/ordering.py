"""The order in which the objects of a bundle are applied, and where an object without a namespace goes.

The agent does it, and the hub shows it before it happens: they mean the same.
"""

import enum

from protocol import ids

DEFAULT_NAMESPACE = "default"
"""Where kubectl puts a namespaced object that names no namespace."""

_ADMISSION = frozenset(
    {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding"}
)


class Stage(enum.IntEnum):
    """What comes before is needed by what comes after; within a stage order does not matter."""

    NAMESPACES = 0
    DEFINITIONS = 1
    REST = 2
    ADMISSION = 3
    """Last: a webhook whose backend is only being created would refuse the objects before it."""


def stage_of(object_id: ids.ObjectId) -> Stage:
    """When an object is applied."""
    match (object_id.group, object_id.kind):
        case ("", "Namespace"):
            return Stage.NAMESPACES
        case ("apiextensions.k8s.io", "CustomResourceDefinition"):
            return Stage.DEFINITIONS
        case ("admissionregistration.k8s.io", kind) if kind in _ADMISSION:
            return Stage.ADMISSION
        case _:
            return Stage.REST
