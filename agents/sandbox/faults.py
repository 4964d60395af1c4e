"""Faults on demand: requests that match get an error, or no answer, for a number of times."""

from http import HTTPStatus

import msgspec

from agents.sandbox import statuses
from agents.sandbox.schema import Resource

FAULTS_MAX = 100  # per cluster; more is a test that forgot to clear

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Fault(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What to do to which requests. An empty field matches everything."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    verb: str = ""
    resource: str = ""
    """The plural, with its group when it has one: `deployments.apps`."""
    namespace: str = ""
    name: str = ""
    times: int = 1
    """How many requests it strikes before it is used up."""
    message: str = ""
    retry_after_s: int = 0
    """Seconds for the Retry-After header; a 429 or 503 carries one."""
    hang: bool = False
    """Never answer, until the client gives up or the faults are cleared."""

    def failure(self) -> statuses.Failure:
        message = self.message or f"a fault of the sandbox: {self.status}"
        details = {"retryAfterSeconds": self.retry_after_s} if self.retry_after_s else None
        return statuses.Failure(self.status, _REASONS.get(self.status, "Unknown"), message, details=details)


class Faults:
    """The faults of one cluster, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._pending: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        if len(self._pending) >= FAULTS_MAX:
            raise statuses.bad_request(f"faults: no more than {FAULTS_MAX} at a time")
        self._pending.append((fault, fault.times))

    def clear(self) -> None:
        self._pending.clear()

    def pending(self) -> list[Fault]:
        return [msgspec.structs.replace(fault, times=left) for fault, left in self._pending]

    def strike(self, verb: str, resource: Resource, namespace: str, *, name: str) -> Fault | None:
        """Return the first fault that matches a request, and count it."""
        asked = (verb, resource.qualified, namespace, name)
        for index, (fault, left) in enumerate(self._pending):
            wanted = (fault.verb, fault.resource, fault.namespace, fault.name)
            if all(not want or want == got for want, got in zip(wanted, asked, strict=True)):
                if left <= 1:
                    del self._pending[index]
                else:
                    self._pending[index] = (fault, left - 1)
                return fault
        return None
