"""Which hub a command asks, and what it shows to it."""

import asyncio
import getpass
import pathlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import test_utils, web

from controller.cli import session

HUB = "https://hub.example:8420"


@pytest.fixture
def environ(tmp_path: pathlib.Path) -> dict[str, str]:
    """With a context that was kept."""
    found = {"XDG_CONFIG_HOME": str(tmp_path)}
    session.save(session.Context(url=HUB, token="kept", authority="PEM"), environ=found)
    return found


@pytest.mark.parametrize("url", ["", HUB, f"{HUB}/"])
def test_the_token_that_was_kept_is_shown_to_the_hub_that_was_kept(environ: dict[str, str], url: str) -> None:
    assert session.find(url, "", environ=environ) == session.Context(url=HUB, token="kept", authority="PEM")


@pytest.mark.parametrize("by_flag", [True, False])
def test_another_hub_is_shown_nothing_that_was_kept(environ: dict[str, str], by_flag: bool) -> None:
    other = "https://other.example"
    flag, variable = (other, {}) if by_flag else ("", {"FLOTILLA_URL": other})
    with pytest.raises(session.CommandError, match=f"no token for {other}") as refused:
        session.find(flag, "", environ={**environ, **variable})

    assert refused.value.code == session.UNAUTHORIZED
    assert session.find(other, "said", environ=environ) == session.Context(url=other, token="said")


@pytest.mark.parametrize("url", ["http://hub.example:8420", "http://10.0.0.1:8420", "http://[2001:db8::1]:8420"])
def test_no_token_leaves_the_machine_unencrypted_unsaid(url: str) -> None:
    with pytest.raises(session.CommandError, match="http would send the token unencrypted") as refused:
        session.Hub(session.find(url, "said", environ={"XDG_CONFIG_HOME": "/nowhere"}))

    assert refused.value.code == session.USAGE
    session.Hub(session.find(url, "said", environ={"XDG_CONFIG_HOME": "/nowhere", session.PLAIN: "1"}))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8420", "http://localhost:8420", "http://[::1]:8420", HUB])
def test_on_the_machine_and_by_tls_a_token_goes_as_it_is(url: str) -> None:
    session.check(url, plain=False)


@pytest.mark.parametrize("url", ["hub.example", "ftp://hub.example", "https://", "http://[::1", "//hub.example"])
def test_what_is_no_url_of_a_hub_is_refused(url: str) -> None:
    with pytest.raises(session.CommandError, match="not a URL"):
        session.check(url, plain=True)


def test_that_a_token_may_go_in_the_clear_is_kept_for_this_hub_alone(environ: dict[str, str]) -> None:
    plain = "http://hub.example:8420"
    session.save(session.Context(url=plain, token="kept", plain=True), environ=environ)

    assert session.find("", "", environ=environ).plain
    assert not session.find("http://another.example", "said", environ=environ).plain


@pytest.mark.parametrize("pin", ["", "sha256:abc", "SHA256:" + "a" * 64, "a" * 64])
def test_a_pin_that_is_none_is_told_before_anybody_is_asked(pin: str) -> None:
    with pytest.raises(session.CommandError, match="64 hexadecimal digits"):
        session.fetch_authority("https://nowhere.invalid", pin)


@pytest.fixture
async def elsewhere() -> AsyncIterator[test_utils.TestServer]:
    """Something that is no hub, and sends whoever comes to another place."""

    async def send_on(request: web.Request) -> web.Response:
        if request.path == "/there":
            raise AssertionError("it went there, with its token")
        raise web.HTTPFound("/there")

    made = web.Application()
    made.router.add_route("*", "/{path:.*}", send_on)
    async with test_utils.TestServer(made) as server:
        yield server


async def test_nobody_is_followed_elsewhere_with_a_token(elsewhere: test_utils.TestServer) -> None:
    url = str(elsewhere.make_url("")).rstrip("/")
    hub = session.Hub(session.Context(url=url, token="secret"))

    with pytest.raises(session.CommandError, match="sent us on to /there"):
        await asyncio.to_thread(hub.get, "status")
    with pytest.raises(session.CommandError, match="sent us on to /there"):
        await asyncio.to_thread(session.fetch_authority, url, f"sha256:{'a' * 64}")


def test_a_user_without_a_name_can_still_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000770000")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert session._user() == ""
