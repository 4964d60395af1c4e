"""The connection: who is let in, what a broken one says, and that nothing of it is left."""

import asyncio

import pytest

from controller import errors, keys, tenancy
from controller.broker import connection, doors
from tests.fixtures import nats as rigs


async def outage(rig: rigs.Rig, hub: doors.Doors) -> None:
    """The server is gone, and the hub has noticed: a request that was under way has ended."""
    asked = asyncio.Event()
    await hub.hub.subscribe("silent", lambda _message: asked.set())
    request = asyncio.ensure_future(hub.hub.request("silent", timeout_s=60))
    await asked.wait()

    await rig.server.kill()

    async with asyncio.timeout(60):
        with pytest.raises(errors.Unavailable, match="the connection broke"):
            await request


def test_headers_are_read_as_they_were_written() -> None:
    raw = b"NATS/1.0\r\nce-id: 1\r\nempty:\r\ntime: 12:30:00\r\nodd line\r\nutf: \xc3\xa9\r\nbad: \xff\r\n\r\n"

    assert connection.parse_headers(raw) == {
        "ce-id": "1",
        "empty": "",
        "time": "12:30:00",
        "utf": "é",
        "bad": "�",
    }


@pytest.mark.nats
async def test_keys_of_another_hub_are_not_let_in(rig: rigs.Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    other = keys.KeyRing(rig.state_dir / "other")
    user = connection.User(name="stranger", identity=other.hub_user, token=tenancy.Minter(other).hub_user(at=rigs.NOW))
    reason = ""

    for time_s in (2.0, 60.0):  # all of it is spent; the server of a busy machine may not have answered in the first
        monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", time_s)
        if "Authorization Violation" not in reason:
            with pytest.raises(connection.ConnectionLost, match="not made") as lost:
                async with connection.connected([rig.url], user):
                    pass
            reason = str(lost.value)

    assert "Authorization Violation" in reason


@pytest.mark.nats
async def test_a_server_that_is_not_there_is_told(rig: rigs.Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.5)
    await rig.server.stop()
    user = connection.User(name="hub", identity=rig.ring.hub_user, token=tenancy.Minter(rig.ring).hub_user(at=rigs.NOW))

    with pytest.raises(connection.ConnectionLost, match="not made"):
        async with connection.connected([rig.url], user):
            pass


@pytest.mark.nats
async def test_a_request_that_nobody_answers_is_unavailable(hub: doors.Doors) -> None:
    with pytest.raises(errors.Unavailable, match="nobody is there"):
        await hub.hub.request("flotilla.v1.nobody")


@pytest.mark.nats
async def test_a_request_that_is_never_answered_is_unavailable_within_its_time(hub: doors.Doors) -> None:
    silent = await hub.hub.subscribe("silent", lambda _message: None)

    with pytest.raises(errors.Unavailable, match="none within"):
        await hub.hub.request("silent", timeout_s=0.1)
    await silent.end()


@pytest.mark.nats
async def test_a_request_under_way_ends_when_the_connection_breaks(rig: rigs.Rig, hub: doors.Doors) -> None:
    await outage(rig, hub)

    await rig.start()


@pytest.mark.nats
async def test_a_request_during_an_outage_waits_for_the_server(rig: rigs.Rig, hub: doors.Doors) -> None:
    again = asyncio.Event()
    hub.hub.on_every_reconnect(again.set)
    await outage(rig, hub)
    request = asyncio.ensure_future(hub.hub.request("$JS.API.INFO", timeout_s=30))

    await rig.start()

    assert (await request).body
    async with asyncio.timeout(60):
        await again.wait()


@pytest.mark.nats
async def test_nothing_is_left_of_a_connection_that_is_closed_while_its_socket_is_broken(
    rig: rigs.Rig, hub: doors.Doors
) -> None:
    """With something still to be said, as in the midst of connecting anew."""
    await outage(rig, hub)
    client = hub.hub._client
    client._pending, client._pending_data_size = [b"PING\r\n"], 6

    await hub.hub.close()

    assert client._subs == {}


@pytest.mark.nats
async def test_a_connection_that_the_server_ends_for_good_is_lost(rig: rigs.Rig, hub: doors.Doors) -> None:
    """What no reconnect can mend must reach the supervisor, not leave a hub that hears nothing."""
    lost = asyncio.ensure_future(hub.hub.lost())

    await hub.hub.close()

    with pytest.raises(connection.ConnectionLost, match="closed"):
        await lost
