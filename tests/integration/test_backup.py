"""The drill: a hub is backed up, works on, is lost, and comes back from the older backup; or from nothing at all.

Every step is a command that a person would type. What is in Git and in the clusters is never lost, and nothing is
deleted on the way.
"""

import asyncio
import contextlib
import io
import json
import pathlib
import shutil
import ssl
import stat
import sys
import tarfile

import msgspec
import pytest

from controller import archives, backups, bootstrap, errors, keys, locks, nats_server, tls
from controller.cli import hub as hub_command
from protocol import credentials
from tests.fixtures import content, nats, processes
from tests.integration import test_kill as story
from tests.integration import test_restore as restoring

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

PROMOTION = {"promotion": story.LEAVING["promotion"]}
EVERYTHING = {**story.STAYING, **story.LEAVING}


async def flotilla(*words: str, code: int = 0) -> str:
    """Run `flotilla WORDS…`; what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "protocol.dispatch", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == code, said.decode()
    return said.decode()


async def test_the_drill_a_hub_comes_back_from_an_older_backup(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await restoring._begin(realm)
        said = await flotilla(
            "hub", "backup", str(tmp_path), "--state-dir", str(realm.hub_directory), "--nats-url", realm.nats_url
        )
        (backup,) = _backups(tmp_path)
        assert (str(backup) in said, stat.S_IMODE(backup.stat().st_mode)) == (True, 0o600)

        # More commits, with a deletion that was carried out: the backup knows nothing of it.
        await realm.rolled_out(await realm.merge(content.second(), "second"))
        await realm.rolled_out(await realm.merge(content.third(), "third"))
        await realm.rolled_out(await realm.merge(content.second(), "the promotion is back"))
        before = await realm.uids(EVERYTHING)

        await realm.hub.pause()
        await realm.nats.pause()
        shutil.rmtree(realm.hub_directory)
        said = await flotilla("hub", "restore", str(backup), "--state-dir", str(realm.hub_directory))
        assert "2 clusters" in said
        await realm.nats.resume()
        await realm.hub.resume()

        told = await _told(realm)
        assert "nothing is published" in told
        assert "`flotilla hub recover` ends it" in told
        last = await realm.merge(restoring._without_settings(), "after the loss")
        await restoring._resolved(realm, last)
        assert await realm.uids(EVERYTHING) == before

        await flotilla("hub", "recover", "--reason", "the disk was lost", *_hub(realm))
        await realm.rolled_out(last)
        after = await realm.uids(EVERYTHING)
        assert {name: after.get(name) for name in before} == before
        folded = await realm.fold()
        assert (folded.fleet.epoch, folded.fleet.recovering, folded.ledger.debts) == (2, "", {})
        orphans = [one["orphans"] for one in await realm.ask(lambda: realm.api.items("clusters"))]
        assert all(orphans), "what is not in Git any more is listed, and stands"


async def test_a_backup_whose_fleet_did_not_move_comes_back_as_it_was(tmp_path: pathlib.Path) -> None:
    """The hub of another machine, its broker embedded: stopped while it is backed up."""
    async with processes.realm(tmp_path) as realm:
        await restoring._begin(realm)
        await realm.hub.pause()
        await realm.nats.pause()
        first = await realm_state(realm)
        path = await backups.back_up(realm.hub_directory, tmp_path / "b.tar", nats_url="", at=bootstrap.utc_now())
        shutil.rmtree(realm.hub_directory)
        found = await backups.restore(path, realm.hub_directory, at=bootstrap.utc_now())
        await realm.nats.resume()
        await realm.hub.resume()
        assert (found.clusters, await realm_state(realm)) == (2, first)
        await realm.ask(lambda: realm.api.post("hub/recover", {"reason": "moved"}))
        await realm.rolled_out(await realm.merge(content.second(), "second"))


async def test_the_drill_nothing_is_left_but_git_and_the_agents(tmp_path: pathlib.Path) -> None:
    """A new hub, without keys or log: clusters are added anew, and agents get new credentials; what they keep in their
    clusters says how far they were."""
    async with processes.realm(tmp_path) as realm:
        await restoring._begin(realm)
        await realm.rolled_out(await realm.merge(content.second(), "second"))
        before = await realm.uids(EVERYTHING)
        for agent in realm.agents.values():
            await agent.pause()
        await realm.hub.pause()
        await realm.nats.pause()
        shutil.rmtree(realm.hub_directory)
        await realm.nats.resume()
        await realm.hub.resume()

        token = pathlib.Path(realm.hub.said["tokenFile"])
        async with processes.clients.hub_client(realm.hub.said["url"], token) as api:
            realm.api = api
            for name in realm.agents:
                await _add_again(realm, name)
            last = realm.repository.merge(restoring._without_settings(), "after the loss", at=bootstrap.utc_now())
            spec = {**story.SPEC, "url": realm.repository.url}
            await realm.ask(lambda: api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
            for agent in realm.agents.values():
                await agent.resume()
            assert "nothing is published" in await _told(realm)
            assert await realm.uids(EVERYTHING) == before
            await flotilla("hub", "recover", "--reason", "all was lost", *_hub(realm))
            await realm.rolled_out(last)

            after = await realm.uids(EVERYTHING)
            assert {name: after.get(name) for name in before} == before
            clusters = await realm.ask(lambda: api.items("clusters"))
            assert all(one["orphans"] and one["epoch"] == 2 for one in clusters)


async def test_a_damaged_backup_is_refused_before_anything_is_written(tmp_path: pathlib.Path, rig: nats.Rig) -> None:
    async with backups.linked(rig.url, rig.ring, nats.NOW) as link:
        await backups.doors.streams.ensure(link)
    path = await backups.back_up(rig.state_dir, tmp_path / "b.tar", nats_url="", at=nats.NOW)
    whole = path.read_bytes()
    empty = tmp_path / "empty"
    at = whole.index(b"LOG.snapshot") + 600
    for spoiled in (whole[: len(whole) // 2], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], b"no tar"):
        path.write_bytes(spoiled)
        with pytest.raises(archives.ArchiveError):
            await backups.restore(path, empty, at=nats.NOW)
        assert not empty.exists()


async def test_a_backup_keeps_off_what_is_there_and_leaves_no_half_file(tmp_path: pathlib.Path, rig: nats.Rig) -> None:
    async with backups.linked(rig.url, rig.ring, nats.NOW) as link:
        await backups.doors.streams.ensure(link)
    path = await backups.back_up(rig.state_dir, tmp_path / "b.tar", nats_url="", at=nats.NOW)
    with pytest.raises(archives.ArchiveError, match="already such a file"):
        await backups.back_up(rig.state_dir, path, nats_url="", at=nats.NOW)
    with pytest.raises(backups.BackupError, match="in the state directory"):
        await backups.back_up(rig.state_dir, rig.state_dir / "b.tar", nats_url="", at=nats.NOW)
    with pytest.raises(backups.BackupError, match="holds no keys"):
        await backups.back_up(tmp_path / "nowhere", tmp_path / "c.tar", nats_url="", at=nats.NOW)
    with pytest.raises(backups.BackupError, match="is not empty"):
        await backups.restore(path, rig.state_dir, at=nats.NOW)

    await rig.server.kill()
    store = rig.state_dir / "nats" / "store"
    shutil.rmtree(store)
    with pytest.raises(errors.HubError, match="stream not found"):
        await backups.back_up(rig.state_dir, tmp_path / "c.tar", nats_url="", at=nats.NOW)
    assert [one.name for one in _backups(tmp_path)] == ["b.tar"]
    await rig.start()


async def test_a_backup_over_tls_holds_the_server_against_the_hub_s_own_authority(tmp_path: pathlib.Path) -> None:
    state, strange = tmp_path / "hub", tmp_path / "strange"
    ring, now = keys.KeyRing(state / keys.DIRECTORY), bootstrap.utc_now()
    certificates = tls.Certificates(tls.Choice("on"), state, (), clock=bootstrap.utc_now)
    files = nats_server.Tls(certificates.files.certificate, certificates.files.key)
    settings = nats_server.Settings(state_dir=state, port=0, tls=files)
    async with nats_server.running(settings, ring, at=now) as server:
        async with backups.linked(server.url, ring, now) as link:
            await backups.doors.streams.ensure(link)
        path = await backups.back_up(state, tmp_path / "b.tar", nats_url="", at=now)
        assert (server.url.partition("://")[0], set(archives.check(path).streams)) == (
            "tls",
            {one.name for one in backups.ORDER},
        )

        shutil.copytree(state / keys.DIRECTORY, strange / keys.DIRECTORY)
        for own in ("ca.crt", "ca.key"):
            (strange / keys.DIRECTORY / own).unlink()
        tls.Certificates(tls.Choice("on"), strange, (), clock=bootstrap.utc_now)
        with pytest.raises((errors.HubError, ssl.SSLError), match=r"(?i)certificate"):
            await backups.back_up(strange, tmp_path / "c.tar", nats_url=server.url, at=now)
    assert [one.name for one in _backups(tmp_path)] == ["b.tar"]

    restored = await backups.restore(path, tmp_path / "again", at=now)
    assert restored.events == 1


async def test_no_hub_starts_where_a_backup_runs_a_server_of_its_own(tmp_path: pathlib.Path, rig: nats.Rig) -> None:
    async with backups.linked(rig.url, rig.ring, nats.NOW) as link:
        await backups.doors.streams.ensure(link)
    await rig.server.stop()
    words = ["--state-dir", str(rig.state_dir), "--port", "0"]
    async with backups._server(rig.state_dir, rig.ring, "", nats.NOW):
        said = await flotilla("hub", *words, "--nats-port", "-1", code=1)
        assert "a backup or a restore works on it" in said
        assert "a backup or a restore works on it" in await flotilla("nats", *words, code=1)
    with locks.shared(rig.state_dir), pytest.raises(locks.LockedError, match="a hub, its nats-server"):
        await backups.back_up(rig.state_dir, tmp_path / "b.tar", nats_url="", at=nats.NOW)
    await rig.start()


@pytest.mark.parametrize("name", ["state/../../escaped", "state//etc/escaped", "/escaped", "state", "", "state/./x"])
def test_an_archive_with_a_way_out_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / "b.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))

    with pytest.raises(archives.ArchiveError, match="holds what no backup does"):
        archives.check(path)


def test_a_hub_does_not_start_on_half_a_restore(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / backups.MARKER).touch()

    assert hub_command.main(["--state-dir", str(tmp_path), "--port", "0", "--nats-port", "-1"]) == 1
    assert "a restore into it has not ended" in capsys.readouterr().err


def _backups(directory: pathlib.Path) -> list[pathlib.Path]:
    """Whole and half ones."""
    return [one for one in directory.iterdir() if ".tar" in one.name]


async def realm_state(realm: processes.Realm) -> dict[str, bytes]:
    """All keys, and which accounts there are: the hub's own are signed anew at each start."""
    found = {}
    for path in sorted(realm.hub_directory.rglob("*.nk")):
        found[str(path.relative_to(realm.hub_directory))] = path.read_bytes()
    for path in sorted((realm.hub_directory / "nats" / "accounts").rglob("*.jwt")):
        found[path.name] = b""
    return found


async def _told(realm: processes.Realm) -> str:
    """What `flotilla status` says once the hub is in recovery."""
    await restoring._recovery(realm)
    return await flotilla("status", *_hub(realm))


def _hub(realm: processes.Realm) -> list[str]:
    token = pathlib.Path(realm.hub.said["tokenFile"]).read_text().strip()
    return ["--url", realm.hub.said["url"], "--token", token]


async def _add_again(realm: processes.Realm, name: str) -> None:
    """What `flotilla cluster add` does: new credentials for the agent, in the place of the old ones."""
    seed, public_key = keys.new_user()
    body = {"name": name, "labels": {"env": "prod"}, "agentKey": public_key}
    answer = await realm.ask(lambda: realm.api.post("clusters", body))
    issued = msgspec.json.decode(json.dumps(answer["credentials"]), type=credentials.Credentials)
    file = realm.directory / f"{name}.json"
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(issued, seed=seed)))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(realm.directory / f"agent-{name}")
