"""The hub's HTTP API as an agent sees it: whom it trusts, and what each answer means. The servers are real ones."""

import pathlib
import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from cryptography import x509

from agents import errors, hub_api
from protocol import enrolment
from tests.controlplane import certificates

ASK = enrolment.EnrolRequest(token="t", agent_key="U", cluster_uid="u")


class Server:
    """Answers everything but the authority with one response."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.authority = ""
        self.url = ""
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path.endswith("/ca"):
            return web.json_response({"authority": self.authority, "pin": "not looked at"})
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> pathlib.Path:
    certificates.write(tmp_path)
    return tmp_path


@pytest.fixture
async def server(keys: pathlib.Path) -> AsyncIterator[Server]:
    made = Server()
    made.authority = (keys / "ca.crt").read_text()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(keys / "server.crt", keys / "server.key")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def pin(keys: pathlib.Path) -> str:
    return hub_api.pin_of(x509.load_pem_x509_certificate((keys / "ca.crt").read_bytes()))


async def test_a_hub_is_known_by_the_pin_of_its_authority(server: Server, keys: pathlib.Path) -> None:
    server.body = b'{"type": "EnrolmentWaiting", "retryAfterS": 5.0}'
    api = hub_api.HubApi(server.url, hub_api.Trust(pin=pin(keys)))

    assert [await api.enrol(ASK), await api.enrol(ASK)] == [enrolment.EnrolmentWaiting(5.0)] * 2
    assert server.asked == ["/api/v1/enroll/ca", "/api/v1/enroll", "/api/v1/enroll"]


async def test_an_authority_with_another_pin_is_told_nothing(server: Server) -> None:
    api = hub_api.HubApi(server.url, hub_api.Trust(pin=f"sha256:{'0' * 64}"))

    with pytest.raises(errors.HubRefused, match="another pin"):
        await api.enrol(ASK)
    assert server.asked == ["/api/v1/enroll/ca"]


async def test_a_hub_that_shows_the_right_authority_and_is_not_signed_by_it_is_told_nothing(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a man in the middle can do who knows the real authority's certificate: everybody may have that."""
    other = tmp_path_factory.mktemp("other")
    certificates.write(other)
    server.authority = (other / "ca.crt").read_text()
    api = hub_api.HubApi(server.url, hub_api.Trust(pin=pin(other)))

    with pytest.raises(errors.HubUnavailable, match="certificate"):
        await api.enrol(ASK)
    assert server.asked == ["/api/v1/enroll/ca"]


async def test_without_pin_and_authority_the_machines_own_are_asked(server: Server, keys: pathlib.Path) -> None:
    with pytest.raises(errors.HubUnavailable, match="certificate"):
        await hub_api.HubApi(server.url, hub_api.Trust()).enrol(ASK)
    authority = (keys / "ca.crt").read_text()
    server.body = b'{"nonce": "n"}'

    assert await hub_api.HubApi(server.url, hub_api.Trust(authority=authority)).nonce() == "n"


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (403, b'{"detail": "token: unknown"}', errors.HubRefused, "token: unknown (403)"),
        (409, b"not json", errors.HubRefused, "no reason given (409)"),
        (429, b'{"detail": "later"}', errors.HubUnavailable, "later (429)"),
        (503, b"{}", errors.HubUnavailable, "no reason given (503)"),
        (200, b"{}", errors.HubUnavailable, "no understandable answer"),
        (200, b"x" * 70_000, errors.HubUnavailable, "more than"),
        (307, b"", errors.HubRefused, "(307)"),
    ],
)
async def test_an_answer_is_a_refusal_or_a_failure(
    server: Server, keys: pathlib.Path, *, status: int, body: bytes, error: type[Exception], text: str
) -> None:
    server.status, server.body = status, body
    api = hub_api.HubApi(server.url, hub_api.Trust(authority=(keys / "ca.crt").read_text()))

    with pytest.raises(error) as caught:
        await api.enrol(ASK)
    assert text in str(caught.value)
    with pytest.raises(error):
        await api.nonce()


async def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(errors.HubUnavailable):
        await hub_api.HubApi("http://127.0.0.1:1", hub_api.Trust()).enrol(ASK)


@pytest.mark.parametrize("url", ["http://hub.example.com:8420", "http://10.0.0.1", "ftp://127.0.0.1", "127.0.0.1:8420"])
def test_a_token_never_travels_in_the_clear_beyond_this_machine(url: str) -> None:
    with pytest.raises(errors.SetupError):
        hub_api.HubApi(url, hub_api.Trust())


def test_unless_that_is_said_aloud() -> None:
    hub_api.HubApi("http://hub.example.com:8420", hub_api.Trust(is_plain_allowed=True))
    hub_api.HubApi("http://localhost:8420", hub_api.Trust())
