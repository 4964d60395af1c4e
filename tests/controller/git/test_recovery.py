"""A mirror that was damaged, or left half done by a killed process: replaced, and nothing is ever read as absent."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import sys

import pytest

from controller.git import errors, mirrors, trees
from protocol import ids
from tests.controller import repositories
from tests.controller.git import forge as forges

SHOP = ids.SourceName("shop")


def generations(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    return sorted((tmp_path / "state" / "shop").iterdir())


def empty(mirror: pathlib.Path) -> None:
    """Lose all objects, as a disk might."""
    shutil.rmtree(mirror / "objects" / "pack")
    (mirror / "objects" / "pack").mkdir()


def everything(reader: trees.Reader, tree: str) -> list[bytes | None]:
    return [reader.blob(entry.oid, bytes_max=100) for entry in reader.entries(tree)]


@pytest.fixture
def followed(hub: mirrors.Mirrors, origin: repositories.Origin) -> mirrors.Mirror:
    origin.commit({"a.yaml": "a", "b.yaml": "b"})
    return hub.mirror(SHOP, mirrors.Remote(origin.url))


async def test_a_missing_object_is_an_error_and_the_next_poll_brings_it_back(
    followed: mirrors.Mirror, tmp_path: pathlib.Path
) -> None:
    revision = await followed.poll()
    (before,) = generations(tmp_path)
    empty(before)

    with pytest.raises(errors.Corrupt):
        await followed.read(lambda reader: everything(reader, revision.tree))
    assert await followed.poll() == revision

    assert await followed.read(lambda reader: everything(reader, revision.tree)) == [b"a", b"b"]
    assert generations(tmp_path)[-1].name.endswith(".000002.git")


async def test_a_poll_that_misses_its_own_commit_clones_at_once(
    followed: mirrors.Mirror, origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    await followed.poll()
    empty(generations(tmp_path)[0])
    commit = origin.commit({"a.yaml": "c"})

    assert (await followed.poll()).commit == commit


async def test_a_mirror_that_cannot_be_opened_is_replaced(followed: mirrors.Mirror, tmp_path: pathlib.Path) -> None:
    revision = await followed.poll()
    (generations(tmp_path)[0] / "HEAD").unlink()

    assert await followed.poll() == revision


async def test_a_mirror_whose_packs_are_damaged_is_replaced(followed: mirrors.Mirror, tmp_path: pathlib.Path) -> None:
    revision = await followed.poll()
    for pack in generations(tmp_path)[0].glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])

    with pytest.raises(errors.Corrupt):
        await followed.read(lambda reader: everything(reader, revision.tree))
    assert await followed.poll() == revision


async def test_a_remote_that_itself_lacks_objects_is_not_cloned_at_every_poll(
    origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    now = [0.0]
    hub = mirrors.Mirrors(tmp_path / "state", environ={}, clock=lambda: now[0])
    origin.commit({"a.yaml": "a"})
    followed = hub.mirror(SHOP, mirrors.Remote(origin.url))
    revision = await followed.poll()
    for _ in range(3):
        empty(generations(tmp_path)[-1])
        with pytest.raises(errors.Corrupt):
            await followed.read(lambda reader: everything(reader, revision.tree))
        with contextlib.suppress(errors.Corrupt):
            await followed.poll()
    assert generations(tmp_path)[-1].name.endswith(".000002.git")

    now[0] += hub.bounds.reclone_interval_s
    await followed.poll()
    assert generations(tmp_path)[-1].name.endswith(".000003.git")
    await hub.close()


async def test_what_a_killed_process_left_is_cleaned_away(
    followed: mirrors.Mirror, origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    await followed.poll()
    (mirror,) = generations(tmp_path)
    (mirror.parent / "incoming" / "objects").mkdir(parents=True)
    (mirror / "config.lock").touch()
    (mirror / "objects" / "pack" / "pack_git2_abc").write_bytes(b"half a pack")
    (reference,) = (mirror / "refs" / "flotilla").iterdir()
    reference.with_name(reference.name + ".lock").touch()

    commit = origin.commit({"a.yaml": "c"})
    restarted = mirrors.Mirrors(tmp_path / "state", environ={})
    again = restarted.mirror(SHOP, mirrors.Remote(origin.url))

    assert (await again.poll()).commit == commit
    assert generations(tmp_path) == [mirror]
    assert list(mirror.rglob("*.lock")) == []
    assert not (mirror / "objects" / "pack" / "pack_git2_abc").exists()
    await restarted.close()


async def test_a_restarted_hub_reads_the_mirror_that_it_had(
    followed: mirrors.Mirror, origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    revision = await followed.poll()
    origin.path.rename(tmp_path / "gone.git")
    restarted = mirrors.Mirrors(tmp_path / "state", environ={})
    again = restarted.mirror(SHOP, mirrors.Remote(origin.url))

    assert await again.read(lambda reader: everything(reader, revision.tree)) == [b"a", b"b"]
    await restarted.close()


async def test_another_url_under_the_same_name_starts_anew(
    hub: mirrors.Mirrors, origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    origin.commit({"a.yaml": "a"})
    await hub.mirror(SHOP, mirrors.Remote(origin.url)).poll()
    other = repositories.Origin(tmp_path / "other.git")
    commit = other.commit({"b.yaml": "b"})

    assert (await hub.mirror(SHOP, mirrors.Remote(other.url)).poll()).commit == commit
    assert len(generations(tmp_path)) == 1


async def test_many_packs_are_replaced_by_a_fresh_clone(
    followed: mirrors.Mirror, origin: repositories.Origin, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.git.limits.PACKS_MAX", 3)
    for number in range(6):
        origin.commit({"a.yaml": str(number)})
        await followed.poll()

    assert len(list(generations(tmp_path)[-1].glob("objects/pack/*.idx"))) <= 4


async def test_a_directory_that_cannot_be_written_is_an_error_of_ours(
    origin: repositories.Origin, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()
    hub = mirrors.Mirrors(tmp_path / "file", environ={})

    with pytest.raises(errors.Unstorable):
        await hub.mirror(SHOP, mirrors.Remote(origin.url)).poll()
    await hub.close()


async def test_a_forgotten_source_leaves_nothing(
    hub: mirrors.Mirrors, followed: mirrors.Mirror, tmp_path: pathlib.Path
) -> None:
    await followed.poll()
    await hub.forget(SHOP)

    assert list((tmp_path / "state").iterdir()) == []


_POLL = """
import asyncio, pathlib, sys
from controller.git import mirrors
async def main():
    hub = mirrors.Mirrors(pathlib.Path(sys.argv[1]), environ={})
    await hub.mirror("shop", mirrors.Remote(sys.argv[2])).poll()
asyncio.run(main())
"""


@pytest.mark.skipif(forges.GIT is None, reason="there is no git command, which the test's server runs")
@pytest.mark.parametrize("polled_before", [False, True])
async def test_a_process_killed_in_the_middle_of_a_fetch_leaves_a_mirror_that_works(
    origin: repositories.Origin, tmp_path: pathlib.Path, polled_before: bool
) -> None:
    origin.commit({"a.yaml": "a"})
    with forges.running(tmp_path) as forge:
        state, url = tmp_path / "state", forge.url("origin.git")
        if polled_before:
            first = mirrors.Mirrors(state, environ={})
            await first.mirror(SHOP, mirrors.Remote(url)).poll()
            await first.close()
        commit = origin.commit({"a.yaml": "b" * 100_000})
        forge.half_packs = True
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", _POLL, str(state), url)
        assert await asyncio.to_thread(forge.stalled.wait, forges.ANSWER_S_MAX)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        forge.half_packs = False

        hub = mirrors.Mirrors(state, environ={})
        mirror = hub.mirror(SHOP, mirrors.Remote(url))
        revision = await mirror.poll()

        assert revision.commit == commit
        assert await mirror.read(lambda reader: everything(reader, revision.tree)) == [None]
        await hub.close()
