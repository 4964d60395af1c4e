"""TLS from end to end: hub, nats-server, agents and the command line as processes, by an authority of the hub's own."""

import asyncio
import datetime
import json
import os
import pathlib
import ssl
import sys

import nats.errors
import pytest
from cryptography import x509

from controller import authority, bootstrap, keys, nats_server, tls
from controller.broker import doors
from tests.fixtures import enrolling
from tests.fixtures import nats as rigs
from tests.fixtures.fleet import Site

pytestmark = pytest.mark.nats


async def flotilla(directory: pathlib.Path, *words: str) -> tuple[int, str, str]:
    """Run it as a person who logged in does: nothing comes from the environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLOTILLA_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "protocol.dispatch",
        *words,
        cwd=directory,
        env={**environment, "XDG_CONFIG_HOME": str(directory / "config"), "PYTHONPATH": os.getcwd()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_people_and_agents_know_the_hub_by_its_pin(tmp_path: pathlib.Path, fleet_sandbox: list[Site]) -> None:
    async with enrolling.started(tmp_path, "--tls", "on") as (hub, stack):
        token_file = str(tmp_path / "hub" / "admin.token")
        unknown, _, why = await flotilla(tmp_path, "login", hub.url, "--token-file", token_file)
        wrong, _, told = await flotilla(
            tmp_path, "login", hub.url, "--token-file", token_file, "--ca-pin", f"sha256:{'0' * 64}"
        )
        plain, _, hint = await flotilla(tmp_path, "login", hub.url.replace("https", "http"), "--token-file", token_file)
        assert (plain, "does it speak https?" in hint) == (4, True)
        right, _, _ = await flotilla(tmp_path, "login", hub.url, "--token-file", token_file, "--ca-pin", hub.pin)
        code, text, errors = await flotilla(tmp_path, "cluster", "add", "edge-1")
        command = text.splitlines()[-1].split()

        assert (unknown, "prints its --ca-pin" in why, wrong, "another pin" in told) == (4, True, 4, True)
        assert (right, code, errors) == (0, 0, "")
        assert hub.url.startswith("https://127.0.0.1:")
        assert command[command.index("--ca-pin") + 1] == hub.pin
        stranger = enrolling.Agent(hub, fleet_sandbox.pop(), tmp_path / "stranger", stack)
        await stranger.start(command[command.index("--token") + 1], "--ca-pin", f"sha256:{'1' * 64}")
        assert "another pin" in await stranger.refusal()
        agent = enrolling.Agent(hub, fleet_sandbox.pop(), tmp_path / "edge-1", stack)
        await agent.start(command[command.index("--token") + 1], "--ca-pin", hub.pin)
        await hub.online("edge-1")

        held = agent.held()
        assert [url.partition("://")[0] for url in held.nats_urls] == ["tls"]
        assert authority.pin(held.authority) == hub.pin
        await hub.api.post("clusters/edge-1/rotate", {})
        await agent.stop()
        await agent.start("", "--ca-pin", hub.pin)
        await hub.online("edge-1")


async def test_an_agent_is_not_talked_out_of_tls(tmp_path: pathlib.Path, fleet_sandbox: list[Site]) -> None:
    """Whoever stands between says that the server wants none: nothing is told to it."""
    heard: list[bytes] = []

    async def strip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "x", "version": "2.15.1", "max_payload": 1048576, "auth_required": True, "nonce": "n"}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        if said := await reader.read(1):  # an agent that is ended while it connects says nothing
            heard.append(said)
        writer.close()

    server = await asyncio.start_server(strip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, enrolling.started(tmp_path, "--tls", "on", "--advertise", f"tls://127.0.0.1:{port}") as found:
        hub, stack = found
        await hub.add("edge-1")
        agent = enrolling.Agent(hub, fleet_sandbox.pop(), tmp_path / "edge-1", stack)
        await agent.start(await hub.token("edge-1"), "--ca-pin", hub.pin)
        async with asyncio.timeout(60):
            while not heard:  # noqa: ASYNC110 - another process comes by itself
                await asyncio.sleep(0.05)

    assert set(heard) == {b"\x16"}, "a TLS handshake, and nothing else"


async def test_nats_server_refuses_plain_text_and_shows_a_renewed_certificate(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / keys.DIRECTORY)
    now = bootstrap.utc_now()  # certificates are held against the machine's clock
    moments = [now - (authority.SERVER_LIFE - authority.RENEW_BEFORE)]
    certificates = tls.Certificates(tls.Choice("on"), tmp_path, (), clock=lambda: moments[-1])
    files = nats_server.Tls(certificates.files.certificate, certificates.files.key)
    settings = nats_server.Settings(state_dir=tmp_path, port=0, tls=files)
    async with (
        nats_server.running(settings, ring, at=rigs.NOW) as server,
        doors.opened([server.url], ring, at=rigs.NOW, trust=certificates.trust) as hub,
    ):
        before = await shown(server.port, certificates.trust)
        plain = server.url.replace("tls:", "nats:")
        with pytest.raises((nats.errors.Error, OSError)):
            await rigs.nats.aio.client.Client().connect(plain, allow_reconnect=False, connect_timeout=2)

        moments.append(now + datetime.timedelta(seconds=1))
        certificates.refresh(server.reload)
        async with asyncio.timeout(60):
            while await shown(server.port, certificates.trust) == before:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        # The connection from before goes on.
        assert await hub.reports.last_sequence() == 0


async def shown(port: int, trust: ssl.SSLContext) -> int:
    """The serial number of the certificate that a client sees."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(found).serial_number


async def test_a_hub_does_not_start_where_plain_text_would_leave_the_machine(tmp_path: pathlib.Path) -> None:
    words = ["hub", "--state-dir", str(tmp_path / "hub"), "--listen", "192.0.2.1", "--tls", "off"]
    code, _, errors = await flotilla(tmp_path, *words)

    assert (code, "192.0.2.1 is beyond this machine" in errors) == (1, True)
