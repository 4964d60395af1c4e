"""Sources by https from servers whose certificates an own CA signed."""

import asyncio
import os
import pathlib
from collections.abc import AsyncIterator

import pytest

from controller.git import errors, mirrors
from protocol import ids, specs
from tests.controller import repositories
from tests.controller.git import certificates
from tests.controller.git import forge as forges

pytestmark = pytest.mark.skipif(forges.GIT is None, reason="there is no git command, which the test's server runs")

SECRET = "s3cr3t-token"
SHOP = ids.SourceName("shop")


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> certificates.Authority:
    return certificates.Authority(tmp_path, "own-ca")


@pytest.fixture
async def hub(tmp_path: pathlib.Path) -> AsyncIterator[mirrors.Mirrors]:
    environ = {"TOKEN": SECRET, "OTHER": "wrong", "PATH": os.environ["PATH"]}
    opened = mirrors.Mirrors(tmp_path / "state", environ=environ, git=forges.GIT)
    yield opened
    await opened.close()


def trusting(authority: certificates.Authority, **more: str) -> specs.GitCredentials:
    return specs.GitCredentials(ca_file=str(authority.file), **more)


async def test_a_server_of_the_own_ca_is_cloned_and_followed_with_a_token_user(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin
) -> None:
    origin.commit({"a.yaml": "first"})
    with forges.running(origin.path.parent, certificate=authority.server()) as forge:
        forge.user, forge.password = "oauth2", SECRET
        credentials = trusting(authority, username="oauth2", password_env="TOKEN")
        mirror = hub.mirror(SHOP, mirrors.Remote(forge.url("origin.git"), credentials))

        first = await mirror.poll()
        commit = origin.commit({"a.yaml": "second"})

        assert first.ref == "main"
        assert (await mirror.poll()).commit == commit


@pytest.mark.parametrize("named", [True, False])
async def test_a_server_of_another_ca_gets_no_token_and_the_error_says_what_to_do(
    hub: mirrors.Mirrors,
    authority: certificates.Authority,
    origin: repositories.Origin,
    tmp_path: pathlib.Path,
    named: bool,
) -> None:
    origin.commit({"a.yaml": "first"})
    other = certificates.Authority(tmp_path, "other-ca")
    with forges.running(origin.path.parent, certificate=other.server()) as forge:
        forge.password = SECRET
        credentials = specs.GitCredentials(password_env="TOKEN", ca_file=str(authority.file) if named else "")

        with pytest.raises(errors.HostUntrusted, match="caFile"):
            await hub.mirror(SHOP, mirrors.Remote(forge.url("origin.git"), credentials)).poll()

        assert forge.requests == []


async def test_a_certificate_of_another_name_is_refused(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin
) -> None:
    origin.commit({"a.yaml": "first"})
    with (
        forges.running(origin.path.parent, certificate=authority.server("127.0.0.9")) as forge,
        pytest.raises(errors.HostUntrusted),
    ):
        await hub.test_access(mirrors.Remote(forge.url("origin.git"), trusting(authority)))


async def test_a_certificate_that_has_expired_is_refused(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin
) -> None:
    origin.commit({"a.yaml": "first"})
    with (
        forges.running(origin.path.parent, certificate=authority.server(until=-certificates.DAY)) as forge,
        pytest.raises(errors.HostUntrusted),
    ):
        await hub.test_access(mirrors.Remote(forge.url("origin.git"), trusting(authority)))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, errors.Unreachable), (404, errors.Unreachable), (403, errors.AuthenticationFailed)],
)
async def test_a_failing_server_is_an_error_of_its_kind_without_the_secret(
    hub: mirrors.Mirrors,
    authority: certificates.Authority,
    origin: repositories.Origin,
    status: int,
    kind: type[errors.GitError],
) -> None:
    with forges.running(origin.path.parent, certificate=authority.server()) as forge:
        forge.status, forge.body = status, SECRET.encode()
        remote = mirrors.Remote(forge.url("origin.git"), trusting(authority, password_env="TOKEN"))

        with pytest.raises(kind) as caught:
            await hub.mirror(SHOP, remote).poll()

    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in repr(seen)
        seen = seen.__cause__ or seen.__context__


async def test_credentials_that_are_wrong_or_missing_are_told_apart(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin
) -> None:
    origin.commit({"a.yaml": "first"})
    with forges.running(origin.path.parent, certificate=authority.server()) as forge:
        forge.password = SECRET

        wrong = trusting(authority, password_env="OTHER")
        with pytest.raises(errors.AuthenticationFailed, match="refused"):
            await hub.test_access(mirrors.Remote(forge.url("origin.git"), wrong))
        with pytest.raises(errors.AuthenticationFailed, match="wants credentials"):
            await hub.test_access(mirrors.Remote(forge.url("origin.git"), trusting(authority)))


async def test_a_redirect_is_not_followed_with_the_token(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    with (
        forges.running(origin.path.parent, certificate=authority.server()) as forge,
        forges.running(tmp_path, certificate=authority.server()) as thief,
    ):
        forge.redirect = thief.url("").removesuffix("/")

        remote = mirrors.Remote(forge.url("origin.git"), trusting(authority, password_env="TOKEN"))
        with pytest.raises(errors.Unreachable, match="redirects"):
            await hub.mirror(SHOP, remote).poll()

        assert thief.requests == []


async def test_no_command_line_shows_the_token(
    hub: mirrors.Mirrors, authority: certificates.Authority, origin: repositories.Origin
) -> None:
    origin.commit({"a.yaml": "first"})
    with forges.running(origin.path.parent, certificate=authority.server()) as forge:
        forge.silent = True
        remote = mirrors.Remote(forge.url("origin.git"), trusting(authority, password_env="TOKEN"))
        poll = asyncio.create_task(hub.mirror(SHOP, remote).poll())
        assert await asyncio.to_thread(forge.stalled.wait, forges.ANSWER_S_MAX)

        lines = [line for line in command_lines() if forge.url("origin.git") in line]

        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
    assert lines != []
    assert [line for line in lines if SECRET in line] == []


def command_lines() -> list[str]:
    """Of every process of the machine that can be seen."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace").replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.parametrize(
    ("url", "content", "reason"),
    [
        ("https://example.com/a.git", None, "No such file"),
        ("https://example.com/a.git", "no certificate", "no PEM certificate"),
        ("http://127.0.0.1/a.git", "no certificate", "https only"),
    ],
)
async def test_a_bundle_that_cannot_be_used_is_named(
    hub: mirrors.Mirrors, tmp_path: pathlib.Path, url: str, content: str | None, reason: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(errors.InvalidCredentials, match=reason):
        await hub.test_access(mirrors.Remote(url, specs.GitCredentials(ca_file=str(file))))
