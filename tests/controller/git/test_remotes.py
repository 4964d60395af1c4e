"""Talking to a forge over HTTP: credentials, faults, redirects; by libgit2 and by the `git` command."""

import asyncio
import os
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest

from controller.git import errors, limits, mirrors
from protocol import ids, specs
from tests.controller import repositories
from tests.controller.git import forge as forges

pytestmark = pytest.mark.skipif(forges.GIT is None, reason="there is no git command, which the test's server runs")

SECRET = "s3cr3t-token"
TOKEN = specs.GitCredentials(password_env="TOKEN")
SHOP = ids.SourceName("shop")

IMPATIENT = limits.Limits(connect_s=2, idle_s=1)
"""For a server that never answers; any other may take its time, as those of a busy machine do."""


@pytest.fixture
def bounds() -> limits.Limits:
    return limits.Limits()


@pytest.fixture
def forge(tmp_path: pathlib.Path, origin: repositories.Origin) -> Iterator[forges.Forge]:
    origin.commit({"a.yaml": "first"})
    origin.commit({"a.yaml": "second"})
    with forges.running(origin.path.parent) as running:
        yield running


@pytest.fixture(params=["libgit2", "git"])
async def hub(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, bounds: limits.Limits
) -> AsyncIterator[mirrors.Mirrors]:
    git = forges.GIT if request.param == "git" else None
    opened = mirrors.Mirrors(
        tmp_path / "state",
        environ={"TOKEN": SECRET, "OTHER": "wrong", "PATH": os.environ["PATH"]},
        git=git,
        bounds=bounds,
    )
    yield opened
    await opened.close()


def remote(forge: forges.Forge, credentials: specs.GitCredentials | None = None) -> mirrors.Remote:
    return mirrors.Remote(forge.url("origin.git"), credentials)


async def test_a_token_opens_a_private_repository(
    hub: mirrors.Mirrors, forge: forges.Forge, origin: repositories.Origin
) -> None:
    forge.password = SECRET
    mirror = hub.mirror(SHOP, remote(forge, TOKEN))

    first = await mirror.poll()
    commit = origin.commit({"a.yaml": "third"})

    assert first.ref == "main"
    assert (await mirror.poll()).commit == commit


async def test_a_refused_token_is_sent_once(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    forge.password = SECRET
    wrong = specs.GitCredentials(password_env="OTHER")

    with pytest.raises(errors.AuthenticationFailed, match="refused"):
        await hub.mirror(SHOP, remote(forge, wrong)).poll()

    assert len([sent for _, sent in forge.requests if sent]) == 1


async def test_a_private_repository_asks_for_credentials(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    forge.password = SECRET

    with pytest.raises(errors.AuthenticationFailed, match="wants credentials"):
        await hub.mirror(SHOP, remote(forge)).poll()


async def test_a_redirect_does_not_carry_credentials_to_another_server(
    hub: mirrors.Mirrors, forge: forges.Forge, tmp_path: pathlib.Path
) -> None:
    with forges.running(tmp_path) as thief:
        thief.password = "whatever"
        forge.redirect = thief.url("").removesuffix("/")

        with pytest.raises(errors.AuthenticationFailed, match="redirects to another server"):
            await hub.mirror(SHOP, remote(forge, TOKEN)).poll()

        assert [sent for _, sent in thief.requests if sent] == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, errors.Unreachable),
        (503, errors.Unreachable),
        (404, errors.Unreachable),
        (403, errors.AuthenticationFailed),
        (401, errors.AuthenticationFailed),
    ],
)
async def test_a_failing_server_is_an_error_of_its_kind(
    hub: mirrors.Mirrors, forge: forges.Forge, status: int, kind: type[errors.GitError]
) -> None:
    forge.status = status

    with pytest.raises(kind):
        await hub.mirror(SHOP, remote(forge)).poll()


@pytest.mark.parametrize("body", [b"", b"hello", b"0000", b"001e# service=git-upload-pack\n0000", b"\xff" * 5000])
async def test_an_answer_that_is_not_git_never_looks_like_a_state(
    hub: mirrors.Mirrors, forge: forges.Forge, body: bytes
) -> None:
    mirror = hub.mirror(SHOP, remote(forge))
    await mirror.poll()
    forge.body = body

    with pytest.raises((errors.Unreachable, errors.EmptyRepository)):
        await mirror.poll()


@pytest.mark.parametrize("bounds", [IMPATIENT])
async def test_a_silent_server_times_out(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    forge.silent = True

    async with asyncio.timeout(60):
        with pytest.raises(errors.Unreachable):
            await hub.mirror(SHOP, remote(forge)).poll()


async def test_a_cancelled_poll_ends_and_the_next_one_works(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    mirror = hub.mirror(SHOP, remote(forge))
    forge.silent = True
    poll = asyncio.create_task(mirror.poll())
    assert await asyncio.to_thread(forge.stalled.wait, forges.ANSWER_S_MAX)

    poll.cancel()
    forge.released.set()  # libgit2 hears nothing of it while it reads
    with pytest.raises(asyncio.CancelledError):
        await poll
    forge.silent = False

    assert (await mirror.poll()).ref == "main"


async def test_a_commit_of_a_branch_may_be_named_though_the_server_gives_out_only_refs(
    hub: mirrors.Mirrors, forge: forges.Forge, origin: repositories.Origin
) -> None:
    first = origin.commit({"a.yaml": "x"})
    origin.commit({"a.yaml": "y"})

    assert (await hub.mirror(SHOP, remote(forge)).poll(first)).commit == first


async def test_a_commit_that_no_ref_holds_has_vanished(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    with pytest.raises(errors.RefVanished):
        await hub.mirror(SHOP, remote(forge)).poll("0" * 39 + "7")


async def test_access_is_tested_without_fetching(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    forge.password = SECRET

    target = await hub.test_access(remote(forge, TOKEN))

    assert (target.remote, target.short) == ("refs/heads/main", "main")
    assert not hub.directory.exists()
    with pytest.raises(errors.RefVanished):
        await hub.test_access(remote(forge, TOKEN), "no-such-branch")


async def test_no_error_holds_the_secret(hub: mirrors.Mirrors, forge: forges.Forge) -> None:
    forge.status, forge.body = 500, SECRET.encode()
    with pytest.raises(errors.GitError) as caught:
        await hub.mirror(SHOP, remote(forge, TOKEN)).poll()

    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in repr(seen)
        seen = seen.__cause__ or seen.__context__


async def test_a_fetch_beyond_the_bound_is_stopped(forge: forges.Forge, tmp_path: pathlib.Path) -> None:
    bounds = limits.Limits(pack_bytes_max=10)
    for git in (None, forges.GIT):
        hub = mirrors.Mirrors(tmp_path / "small", environ={"PATH": os.environ["PATH"]}, git=git, bounds=bounds)
        with pytest.raises(errors.TooLarge):
            await hub.mirror(SHOP, remote(forge)).poll()
        await hub.close()


async def test_a_fetch_beyond_its_time_is_stopped(forge: forges.Forge, tmp_path: pathlib.Path) -> None:
    ticks = iter(range(0, 10**9, 1000))
    hub = mirrors.Mirrors(tmp_path / "slow", environ={}, clock=lambda: float(next(ticks)))
    with pytest.raises(errors.Unreachable, match="longer than"):
        await hub.mirror(SHOP, remote(forge)).poll()
    await hub.close()
