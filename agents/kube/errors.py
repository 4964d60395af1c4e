"""What can go wrong between the agent and an API server.

KubeError
├── Transient              may go well when tried again, unchanged
│   ├── Unreachable        no connection, or it broke
│   ├── TimedOut           no answer in time; the request may still have been carried out
│   ├── Throttled          429, perhaps with the time to wait
│   ├── ServerFailed       5xx
│   ├── NotLeading         not sent: another agent may act for this cluster
│   └── Unauthorized       401: the credentials have expired, or are not yet known
├── Terminal               will fail the same way until something else changes
│   ├── Forbidden          403
│   ├── NotFound           404 for that very object
│   ├── NamespaceMissing   404 for the namespace it should stand in
│   ├── NotServed          404 for the resource: no such API here, which says nothing about any object
│   ├── Conflict           409: other field managers, an outdated resourceVersion, or another UID
│   ├── AlreadyExists      409 of a create
│   ├── Expired            410: the version to go on from is forgotten, list again
│   ├── Invalid            400, 413, 415, 422
│   └── Unexpected         any other answer
└── ConfigurationError     the kubeconfig or the service account cannot be used
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

RETRY_AFTER_MAX_S = 60.0
"""An API server that asks for more is asked again anyway: nobody may silence an agent for hours."""


class KubeError(Exception):
    """Base of all errors of this package."""

    reason: ClassVar[str] = "Unknown"

    @property
    def retry_after_s(self) -> float:
        """How long the server asked to wait; 0: it did not."""
        return 0.0


class ConfigurationError(KubeError):
    """The kubeconfig or the service account cannot be used."""

    reason = "Configuration"


class Transient(KubeError):
    """May go well when tried again."""


class Terminal(KubeError):
    """Will fail the same way until something else changes."""


class Unreachable(Transient):
    """No connection."""

    reason = "Unreachable"


class TimedOut(Transient):
    """No answer in time."""

    reason = "Timeout"


class Throttled(Transient):
    """The server asks for patience."""

    reason = "TooManyRequests"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self._retry_after_s = min(retry_after_s, RETRY_AFTER_MAX_S)

    @property
    def retry_after_s(self) -> float:
        return self._retry_after_s


class ServerFailed(Transient):
    """The server, or a webhook behind it, failed."""

    reason = "InternalError"


class NotLeading(Transient):
    """Only who holds the cluster's lease writes."""

    reason = "NotLeading"


class Unauthorized(Transient):
    """Who are you?"""

    reason = "Unauthorized"


class Forbidden(Terminal):
    """Not allowed."""

    reason = "Forbidden"


class NotFound(Terminal):
    """That very object is not there."""

    reason = "NotFound"


class NamespaceMissing(Terminal):
    """The namespace is not there."""

    reason = "NamespaceNotFound"


class NotServed(Terminal):
    """The API server has no such resource."""

    reason = "NoMatch"


class Held(msgspec.Struct, frozen=True):
    """A field that another manager holds."""

    manager: str
    field: str


class Conflict(Terminal):
    """Somebody else's fields, version or object."""

    reason = "Conflict"

    def __init__(self, message: str, held: tuple[Held, ...] = ()) -> None:
        super().__init__(message)
        self.held = held
        """The fields that it is about; empty: it is about the version or the object."""


class AlreadyExists(Terminal):
    """A create met an object of that name."""

    reason = "AlreadyExists"


class Expired(Terminal):
    """The version to go on from is forgotten."""

    reason = "Expired"


class Invalid(Terminal):
    """The server does not take the object."""

    reason = "Invalid"


class Unexpected(Terminal):
    """An answer that no rule here knows."""

    reason = "Unexpected"


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, rename="camel"):
    name: str = ""
    kind: str = ""
    retry_after_seconds: float = 0
    causes: tuple[_Cause, ...] = ()


class _Status(msgspec.Struct, rename="camel"):
    """Kubernetes' meta/v1 Status, as far as it is read here."""

    message: str = ""
    reason: str = ""
    details: _Details | None = None


_decoder = msgspec.json.Decoder(_Status)


def from_response(what: str, status: int, *, body: bytes, headers: Mapping[str, Any]) -> KubeError:
    """The error that an answer of 400 or more means; `what` is the request: its method and path."""
    try:
        found = _decoder.decode(body)
    except msgspec.MsgspecError:
        # Not JSON, for instance "404 page not found" of an API that is not served.
        found = _Status(message=body[:256].decode(errors="replace").strip())
    message = f"{what}: {found.message or 'no message'} ({status})"
    if status == 404:
        return _not_found(what, found, message)
    if status == 429:
        return Throttled(message, _retry_after(found, headers))
    if status == 409:
        return AlreadyExists(message) if found.reason == "AlreadyExists" else Conflict(message, _held(found))
    if status >= 500:
        return ServerFailed(message)
    simple: dict[int, type[KubeError]] = {
        400: Invalid,
        401: Unauthorized,
        403: Forbidden,
        410: Expired,
        413: Invalid,
        415: Invalid,
        422: Invalid,
    }
    return simple.get(status, Unexpected)(message)


def _not_found(what: str, found: _Status, message: str) -> KubeError:
    """Tell an absent object from an absent namespace and from an absent API: only the first is a fact about an object.

    The server names the object in the details of the first two; a path that it does not serve has none.
    """
    if found.reason != "NotFound" or found.details is None or not found.details.name:
        return NotServed(message)
    if found.details.kind == "namespaces" and not what.endswith(f"/namespaces/{found.details.name}"):
        return NamespaceMissing(message)
    return NotFound(message)


def _held(found: _Status) -> tuple[Held, ...]:
    """The server names the manager only in a sentence: `conflict with "kubectl" using apps/v1`."""
    causes = found.details.causes if found.details is not None else ()
    return tuple(
        Held(cause.message.partition('"')[2].partition('"')[0] or cause.message, cause.field)
        for cause in causes
        if cause.reason == "FieldManagerConflict"
    )


def _retry_after(found: _Status, headers: Mapping[str, Any]) -> float:
    header = str(headers.get("Retry-After", ""))
    if header.isdecimal():
        return float(header)
    return found.details.retry_after_seconds if found.details else 0.0
