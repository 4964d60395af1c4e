"""The embedded nats-server dies under a hub: it gets another one, and what was under way goes on."""

import asyncio
import datetime
import signal

import pytest

from controller import face, keys, nats_server
from tests.fixtures.fleet import Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]


class Gate:
    """Starts servers, once it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self._start = nats_server.start

    async def start(
        self, settings: nats_server.Settings, ring: keys.KeyRing, *, at: datetime.datetime
    ) -> nats_server.Server:
        await self.open.wait()
        return await self._start(settings, ring, at=at)


async def test_a_rollout_survives_the_death_of_the_embedded_server(
    fleet: Fleet, fleet_sandbox: list[Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent waits for the API server as long as the test does: only the faults below hold it up.
    await fleet.add_cluster("a", fleet_sandbox.pop(), {}, request_timeout=200)
    await fleet.declare()
    await fleet.completed(fleet.merge(fleet.settings("1"), "first"))
    gate, server = Gate(), fleet.hub.server
    assert server is not None
    monkeypatch.setattr(nats_server, "start", gate.start)
    port, pid = server.port, server.pid
    site = fleet.sites["a"]
    await site.fault(hang=True, verb="patch", namespace=fleet.namespace, times=0)
    second = fleet.merge(fleet.settings("2"), "second")
    await fleet.until("the rollout begins", lambda: _is_under_way(fleet, second))

    server.signal(signal.SIGKILL)
    seen = face.Face(fleet.hub, None)
    await fleet.until("readiness tells", lambda: len(seen.problems()) == 2)
    assert seen.problems()[0] == "nats: not connected (the hub tries again by itself)"
    assert seen.problems()[1].startswith("nats-server: is being started again (ended with code -9")
    assert _is_under_way(fleet, second)
    gate.open.set()
    await asyncio.to_thread(site.client.call, "DELETE", "/sandbox/faults")

    await fleet.completed(second)
    await fleet.until("readiness tells the end of it", lambda: not seen.problems())
    assert (server.port, server.pid == pid) == (port, False)
    await fleet.completed(fleet.merge(fleet.settings("3"), "third"))


async def test_a_hub_whose_server_cannot_come_up_ends_with_the_reason(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object, **_named: object) -> nats_server.Server:
        raise nats_server.ServerError("nats-server: not ready (the disk is full)")

    monkeypatch.setattr(nats_server, "start", broken)
    monkeypatch.setattr(nats_server, "RESTART_PAUSES_S", (0.0,))
    assert fleet.hub.server is not None
    fleet.hub.server.signal(signal.SIGKILL)

    with pytest.raises(BaseExceptionGroup) as ended:
        await fleet.until("the hub ends", lambda: False)

    (reason,) = ended.value.exceptions
    assert isinstance(reason, nats_server.ServerError)
    assert "does not stay up (nats-server: not ready (the disk is full); 5 times before)" in str(reason)


def _is_under_way(fleet: Fleet, commit: str) -> bool:
    current = fleet.rollout()
    return current is not None and commit in current.revision and current.phase != "completed"
