"""Sources by ssh, on a real ssh server: the key, the host's key, and what is said when one of them is wrong."""

import asyncio
import os
import pathlib
import shutil
import tempfile
from collections.abc import AsyncIterator

import asyncssh
import msgspec
import pytest

from controller.git import commands, errors, limits, mirrors
from protocol import ids, specs
from tests import requirements
from tests.controller import repositories
from tests.controller.git import ssh_forge
from tests.fixtures import ports

if shutil.which("ssh") is None or shutil.which("git") is None:
    requirements.require("ssh", "there is no ssh or no git command on PATH")

SHOP = ids.SourceName("shop")
PASSPHRASE = "correct horse"

IMPATIENT = limits.Limits(connect_s=60, idle_s=2)
"""For a server that never answers; any other may take its time, as those of a busy machine do."""


@pytest.fixture
async def forge(origin: repositories.Origin) -> AsyncIterator[ssh_forge.Forge]:
    origin.commit({"a.yaml": "first"})
    async with ssh_forge.running(origin.path.parent) as running:
        yield running


class Client(msgspec.Struct, frozen=True):
    """A hub's mirrors, with the environment that it finds keys in."""

    hub: mirrors.Mirrors
    environ: dict[str, str]

    def remote(self, forge: ssh_forge.Forge, key: asyncssh.SSHKey, *, url: str = "", known: str = "") -> mirrors.Remote:
        self.environ["KEY"] = key.export_private_key("openssh").decode()
        credentials = specs.GitCredentials(ssh_key_env="KEY", known_hosts=known or forge.known_hosts())
        return mirrors.Remote(url or forge.url("origin.git"), credentials)


@pytest.fixture
def bounds() -> limits.Limits:
    return limits.Limits()


@pytest.fixture
async def client(tmp_path: pathlib.Path, bounds: limits.Limits) -> AsyncIterator[Client]:
    environ = {"PATH": os.environ["PATH"]}
    hub = mirrors.Mirrors(tmp_path / "state", environ=environ, git=shutil.which("git"), bounds=bounds)
    yield Client(hub, environ)
    await hub.close()


async def test_a_deploy_key_clones_and_follows(
    client: Client, forge: ssh_forge.Forge, origin: repositories.Origin
) -> None:
    mirror = client.hub.mirror(SHOP, client.remote(forge, forge.admit()))

    first = await mirror.poll()
    commit = origin.commit({"a.yaml": "second"})
    second = await mirror.poll()

    assert first.ref == "main"
    assert second.commit == commit
    names = await mirror.read(lambda reader: [entry.name for entry in reader.entries(second.tree)])
    assert names == ["a.yaml"]


async def test_a_tag_and_a_commit_may_be_named(
    client: Client, forge: ssh_forge.Forge, origin: repositories.Origin
) -> None:
    first = origin.commit({"a.yaml": "x"})
    origin.tag("v1", first)
    origin.commit({"a.yaml": "y"})
    remote = client.remote(forge, forge.admit())

    assert (await client.hub.mirror(SHOP, remote).poll("v1")).commit == first
    assert (await client.hub.mirror(ids.SourceName("other"), remote).poll(first)).commit == first


async def test_access_is_tested_without_fetching(client: Client, forge: ssh_forge.Forge) -> None:
    target = await client.hub.test_access(client.remote(forge, forge.admit()))

    assert (target.remote, target.short) == ("refs/heads/main", "main")
    assert not client.hub.directory.exists()


async def test_a_ref_that_the_remote_lacks_has_vanished(client: Client, forge: ssh_forge.Forge) -> None:
    with pytest.raises(errors.RefVanished):
        await client.hub.test_access(client.remote(forge, forge.admit()), "no-such-branch")


async def test_an_empty_repository_says_so(client: Client, forge: ssh_forge.Forge, tmp_path: pathlib.Path) -> None:
    repositories.Origin(tmp_path / "empty.git")

    with pytest.raises(errors.EmptyRepository):
        await client.hub.test_access(client.remote(forge, forge.admit(), url=forge.url("empty.git")))


async def test_a_missing_repository_is_told_in_the_words_of_the_remote(client: Client, forge: ssh_forge.Forge) -> None:
    with pytest.raises(errors.Unreachable, match="Repository not found"):
        await client.hub.test_access(client.remote(forge, forge.admit(), url=forge.url("gone.git")))


async def test_a_key_that_is_not_admitted_is_named_by_its_fingerprint(client: Client, forge: ssh_forge.Forge) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")

    with pytest.raises(errors.AuthenticationFailed, match="deploy key") as caught:
        await client.hub.mirror(SHOP, client.remote(forge, stranger)).poll()

    assert stranger.get_fingerprint() in str(caught.value)


async def test_an_unknown_host_gets_no_key_and_its_fingerprint_is_shown(client: Client, forge: ssh_forge.Forge) -> None:
    other = f"example.com {forge.known_hosts().split(' ', 1)[1]}"

    with pytest.raises(errors.HostUntrusted, match="is not known") as caught:
        await client.hub.mirror(SHOP, client.remote(forge, forge.admit(), known=other)).poll()

    assert forge.host in str(caught.value)
    assert forge.host_key.get_fingerprint() in str(caught.value)
    assert forge.users == []


async def test_a_changed_host_key_is_refused_at_the_next_poll(client: Client, origin: repositories.Origin) -> None:
    origin.commit({"a.yaml": "first"})
    port = ports.free()
    async with ssh_forge.running(origin.path.parent, port=port) as forge:
        mirror = client.hub.mirror(SHOP, client.remote(forge, forge.admit()))
        await mirror.poll()
    origin.commit({"a.yaml": "of the impostor"})

    async with ssh_forge.running(origin.path.parent, port=port) as impostor:
        with pytest.raises(errors.HostUntrusted, match="has changed") as caught:
            await mirror.poll()

    assert impostor.host in str(caught.value)
    assert impostor.host_key.get_fingerprint() in str(caught.value)
    assert impostor.users == []


async def test_a_revoked_host_key_is_refused(client: Client, forge: ssh_forge.Forge) -> None:
    known = forge.known_hosts() + "@revoked " + forge.known_hosts()

    with pytest.raises(errors.HostUntrusted, match="revoked"):
        await client.hub.mirror(SHOP, client.remote(forge, forge.admit(), known=known)).poll()


async def test_the_form_of_scp_is_taken_as_git_takes_it(client: Client, origin: repositories.Origin) -> None:
    origin.commit({"a.yaml": "first"})
    try:
        # The form has no place for another port.
        async with ssh_forge.running(origin.path.parent, port=asyncssh.DEFAULT_PORT) as forge:
            target = await client.hub.test_access(client.remote(forge, forge.admit(), url="git@127.0.0.1:origin.git"))
    except OSError as error:
        requirements.require("port22", f"the port of ssh cannot be had on loopback ({error.strerror})")

    assert target.short == "main"
    assert forge.commands == ["git-upload-pack 'origin.git'"]


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
async def test_a_key_with_a_passphrase_is_read_from_its_file(
    client: Client, forge: ssh_forge.Forge, tmp_path: pathlib.Path, form: str
) -> None:
    file, hosts = tmp_path / "key", tmp_path / "hosts"
    file.write_bytes(forge.admit().export_private_key(form, passphrase=PASSPHRASE))
    hosts.write_text(forge.known_hosts())
    client.environ["PASSPHRASE"] = PASSPHRASE
    spec = specs.GitCredentials(
        ssh_key_file=str(file), ssh_passphrase_env="PASSPHRASE", known_hosts_file=str(hosts), username="git"
    )

    target = await client.hub.test_access(mirrors.Remote(forge.url("origin.git").replace("git@", "", 1), spec))

    assert target.short == "main"
    assert forge.users == ["git"]


@pytest.mark.parametrize("bounds", [IMPATIENT])
async def test_a_silent_server_times_out(client: Client, forge: ssh_forge.Forge) -> None:
    forge.silent = True

    async with asyncio.timeout(60):
        with pytest.raises(errors.Unreachable, match="nothing heard"):
            await client.hub.mirror(SHOP, client.remote(forge, forge.admit())).poll()


async def test_a_cancelled_poll_ends_and_the_next_one_works(client: Client, forge: ssh_forge.Forge) -> None:
    mirror = client.hub.mirror(SHOP, client.remote(forge, forge.admit()))
    forge.silent = True
    poll = asyncio.create_task(mirror.poll())
    await forge.asked.wait()

    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    forge.silent = False

    assert (await mirror.poll()).ref == "main"


async def test_without_the_git_command_ssh_says_what_it_takes(
    client: Client, forge: ssh_forge.Forge, tmp_path: pathlib.Path
) -> None:
    remote = client.remote(forge, forge.admit())
    hub = mirrors.Mirrors(tmp_path / "bare", environ=client.environ)

    with pytest.raises(errors.CommandMissing, match="git"):
        await hub.test_access(remote)

    await hub.close()


async def test_what_a_killed_hub_left_is_removed(client: Client, forge: ssh_forge.Forge) -> None:
    old, young = (pathlib.Path(tempfile.mkdtemp(prefix=commands.ROOM, dir=commands.rooms())) for _ in range(2))
    (old / "identity").write_text("a key")
    os.utime(old, (0, 0))

    await client.hub.test_access(client.remote(forge, forge.admit()))

    assert (old.exists(), young.exists()) == (False, True)
    young.rmdir()


async def test_nothing_secret_is_said_or_left_behind(
    client: Client, forge: ssh_forge.Forge, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    remote = client.remote(forge, stranger)
    secret = client.environ["KEY"].splitlines()[2]

    with pytest.raises(errors.GitError) as caught:
        await client.hub.mirror(SHOP, remote).poll()

    seen: BaseException | None = caught.value
    while seen is not None:
        assert secret not in repr(seen)
        seen = seen.__cause__ or seen.__context__
    assert secret not in caplog.text
    left = [path for path in client.hub.directory.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert left == []
