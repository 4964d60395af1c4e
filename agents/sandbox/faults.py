"""Faults on demand: requests that match are late, get an error or no answer, and watches fail in ways of their own."""

import asyncio
import fnmatch
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Literal

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


DISCOVER = "discover"
"""The verb of a request for what there is: it names no resource."""

DELAY_MAX_S = 3600.0  # longer is a hang


class Fault(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What to do to which requests. An empty field matches everything."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    """The code of the error; 0 is none: the request is only late."""
    verb: str = ""
    resource: str = ""
    """The plural, with its group when it has one: `deployments.apps`."""
    namespace: str = ""
    name: str = ""
    times: int = 1
    """How many requests it strikes before it is used up; 0 is all, until the faults are cleared."""
    message: str = ""
    retry_after_s: int = 0
    """Seconds for the Retry-After header; a 429 or 503 carries one."""
    delay_s: float = 0.0
    """Seconds that a request waits first."""
    hang: bool = False
    """Never answer, until the client gives up or the faults are cleared."""
    watch: Literal["", "silent", "drop", "expire"] = ""
    """What happens to watches instead, the open ones included. `silent`: it stays open and says nothing, not even that
    its time is over, until the faults are cleared; `drop`: its connection breaks; `expire`: it is told 410."""

    def failure(self) -> statuses.Failure:
        message = self.message or f"a fault of the sandbox: {self.status}"
        details = {"retryAfterSeconds": self.retry_after_s} if self.retry_after_s else None
        return statuses.Failure(self.status, _REASONS.get(self.status, "Unknown"), message, details=details)


class Faults:
    """The faults of one cluster, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._pending: list[tuple[Fault, int]] = []
        self._listeners: list[Callable[[], None]] = []
        self._clears = 0

    def add(self, fault: Fault) -> None:
        if len(self._pending) >= FAULTS_MAX:
            raise statuses.bad_request(f"faults: no more than {FAULTS_MAX} at a time")
        if not 0 <= fault.delay_s <= DELAY_MAX_S:
            raise statuses.bad_request(f"fault: delayS is not between 0 and {DELAY_MAX_S:.0f}")
        self._pending.append((fault, fault.times))
        self._tell()

    def clear(self) -> None:
        self._pending.clear()
        self._clears += 1
        self._tell()

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a fault is added, and when they are cleared."""
        self._listeners.append(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        self._listeners.remove(wake)

    async def freed(self) -> None:
        """Wait until the faults are cleared."""
        clears, wake = self._clears, asyncio.Event()
        self.listen(wake.set)
        try:
            while self._clears == clears:
                wake.clear()
                await wake.wait()
        finally:
            self.unlisten(wake.set)

    def _tell(self) -> None:
        for wake in tuple(self._listeners):
            wake()

    def pending(self) -> list[Fault]:
        return [msgspec.structs.replace(fault, times=left) for fault, left in self._pending]

    def strike(self, verb: str, resource: Resource | None, namespace: str, *, name: str) -> Fault | None:
        """Return the first fault that matches a request, and count it."""
        asked = (verb, resource.qualified if resource else "", namespace, name)
        return self._first(asked, lambda fault: not fault.watch)

    def strike_watch(self, resource: Resource, namespace: str) -> Fault | None:
        """Return the first fault that matches a watch, and count it."""
        return self._first(("watch", resource.qualified, namespace, ""), lambda fault: bool(fault.watch))

    def _first(self, asked: Iterable[str], fits: Callable[[Fault], bool]) -> Fault | None:
        for index, (fault, left) in enumerate(self._pending):
            wanted = (fault.verb, fault.resource, fault.namespace, fault.name)
            if fits(fault) and all(not want or want == got for want, got in zip(wanted, asked, strict=True)):
                if left == 1:
                    del self._pending[index]
                elif left > 1:
                    self._pending[index] = (fault, left - 1)
                return fault
        return None


class Wish(msgspec.Struct, frozen=True):
    """A fault that clusters begin with."""

    clusters: str
    """A pattern of names, as in a shell."""
    fault: Fault

    def concerns(self, cluster: str) -> bool:
        return fnmatch.fnmatchcase(cluster, self.clusters)


def wish(text: str) -> Wish:
    """Read `CLUSTERS={"status": 503, …}`; raises ValueError that says what is wrong."""
    clusters, separator, described = text.partition("=")
    if not separator or not clusters:
        raise ValueError("expected CLUSTERS=JSON")
    try:
        return Wish(clusters, msgspec.json.decode(described, type=Fault))
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
