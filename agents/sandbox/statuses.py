"""The API's errors, in the words of the real server.

Failure            any answer that is a Status object and not the thing asked for
└── Conflict       a server-side apply that would take fields from another manager
"""

from collections.abc import Sequence
from http import HTTPStatus

from agents.sandbox.schema import Json, Object, Resource


class Failure(Exception):
    """An error answer: the HTTP code, the machine-readable reason and the message."""

    def __init__(
        self, code: int, reason: str, message: str, *, details: Object | None = None, metadata: Object | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        self.metadata = metadata or {}

    def document(self) -> Object:
        """Return the Status object that the server answers with."""
        out: Object = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        out["message"] = str(self)
        if self.reason:
            out["reason"] = self.reason
        if self.details is not None:
            out["details"] = self.details
        return out | {"code": self.code}


def _details(resource: Resource, name: str, **more: Json) -> Object:
    out: Object = {"name": name} if name else {}
    if resource.group:
        out["group"] = resource.group
    return out | {"kind": resource.plural} | more


def not_found(resource: Resource, name: str) -> Failure:
    message = f'{resource.qualified} "{name}" not found'
    return Failure(HTTPStatus.NOT_FOUND, "NotFound", message, details=_details(resource, name))


def no_such_page() -> Failure:
    message = "the server could not find the requested resource"
    return Failure(HTTPStatus.NOT_FOUND, "NotFound", message, details={})


def already_exists(resource: Resource, name: str) -> Failure:
    message = f'{resource.qualified} "{name}" already exists'
    return Failure(HTTPStatus.CONFLICT, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> Failure:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Failure(HTTPStatus.CONFLICT, "Conflict", message, details=_details(resource, name))


def precondition_failed(resource: Resource, name: str, why: str) -> Failure:
    """Refuse a delete; unlike other conflicts, the real server names the kind here."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details: Object = {"name": name} | ({"group": resource.group} if resource.group else {}) | {"kind": resource.kind}
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    return Failure(HTTPStatus.CONFLICT, "Conflict", message, details=details)


PLAIN = "(plain text)"  # the reason of the few failures that are no Status
Cause = tuple[str, str, str]  # why an object is invalid: the reason, the message and the field
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(resource: Resource, name: str, why: str, *, causes: Sequence[Object] = ()) -> Failure:
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    details = _details(resource, name, **({"causes": list(causes)} if causes else {}))
    return Failure(HTTPStatus.FORBIDDEN, "Forbidden", message, details=details)


def invalid(resource: Resource, name: str, causes: Sequence["Cause"]) -> Failure:
    """Refuse an object; a cause is its reason, its message and its field."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    texts = [f"{field}: {message}" for _, message, field in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    details["causes"] = [{"reason": reason, "message": text, "field": field} for reason, text, field in causes]
    message = f'{kind} "{name}" is invalid: {listed}'
    return Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details=details)


def bad_request(message: str) -> Failure:
    return Failure(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def internal(message: str) -> Failure:
    return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message)


def unauthorized() -> Failure:
    return Failure(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def no_such_group() -> Failure:
    return Failure(HTTPStatus.NOT_FOUND, PLAIN, "404 page not found\n")


def expired(asked: int, current: int) -> Failure:
    return Failure(HTTPStatus.GONE, "Expired", f"too old resource version: {asked} ({current})")


def expired_list() -> Failure:
    return Failure(HTTPStatus.GONE, "Expired", "The resourceVersion for the provided list is too old.")


def expired_page(token: str) -> Failure:
    """Refuse the next page of a state that is forgotten; a client may go on with the token, in the newest state."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list"
        " without the continue parameter, or use the continue token in this response to retrieve the remainder of the"
        " results. Continuing with the provided token results in an inconsistent list - objects that were created,"
        " modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    return Failure(HTTPStatus.GONE, "Expired", message, metadata={"continue": token})


def too_large_version(asked: int, current: int) -> Failure:
    """Refuse to read a state that is not there yet; the real server waits three seconds for it first."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    details = {"causes": causes, "retryAfterSeconds": 1}
    return Failure(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", message, details=details)


def no_version(text: str, *, listed: bool) -> Failure:
    """Refuse what is no resource version; only a list knows that this is the client's fault."""
    message = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
    if listed:
        return bad_request(f"invalid resource version: {message}")
    return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "", message)


def invalid_options(kind: str, causes: Sequence["Cause"]) -> Failure:
    """Refuse options of a request that contradict each other."""
    texts = [f"{field}: {message}" for _, message, field in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Object = {"group": "meta.k8s.io", "kind": kind}
    details["causes"] = [{"reason": reason, "message": text, "field": field} for reason, text, field in causes]
    message = f'{kind}.meta.k8s.io "" is invalid: {listed}'
    return Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details=details)


def method_not_allowed() -> Failure:
    message = "the server does not allow this method on the requested resource"
    return Failure(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, details={})


def unsupported_media_type(resource: Resource) -> Failure:
    """Refuse a body's form; a built-in kind's route does so before its handler can say what it would accept."""
    code, reason = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"
    if not resource.custom:
        return Failure(code, reason, "415: Unsupported Media Type", details={})
    accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return Failure(code, reason, message)


def too_large(limit_bytes: int) -> Failure:
    message = f"Request entity too large: limit is {limit_bytes}"
    return Failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message)


class Conflict(Failure):
    """Fields that the applied configuration would take from other managers."""

    def __init__(self, message: str, causes: Sequence[Object]) -> None:
        super().__init__(HTTPStatus.CONFLICT, "Conflict", message, details={"causes": list(causes)})
