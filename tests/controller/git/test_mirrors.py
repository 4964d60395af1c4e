"""Following a ref of a real repository: what it resolves to, and what became of it between two polls."""

import pytest

from controller.domain import catalogs
from controller.git import errors, mirrors
from protocol import ids
from protocol.events import sources
from tests.controller import repositories

SHOP = ids.SourceName("shop")


def mirror(hub: mirrors.Mirrors, origin: repositories.Origin) -> mirrors.Mirror:
    return hub.mirror(SHOP, mirrors.Remote(origin.url))


async def test_no_ref_means_the_branch_that_head_points_to(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    commit = origin.commit({"a.yaml": "a"})

    revision = await mirror(hub, origin).poll()

    assert (revision.ref, revision.commit) == ("main", commit)
    assert revision.tree == str(origin.repository[commit].tree_id)


async def test_a_poll_sees_what_was_pushed_since(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    origin.commit({"a.yaml": "a"})
    followed = mirror(hub, origin)
    await followed.poll()
    commit = origin.commit({"a.yaml": "b"})

    assert (await followed.poll()).commit == commit


@pytest.mark.parametrize("ref", ["v1", "refs/tags/v1"])
async def test_an_annotated_tag_is_peeled(hub: mirrors.Mirrors, origin: repositories.Origin, ref: str) -> None:
    commit = origin.commit({"a.yaml": "a"})
    origin.tag("v1", commit)

    assert await mirror(hub, origin).poll(ref) == sources.Revision(
        ref="v1", commit=commit, tree=str(origin.repository[commit].tree_id)
    )


async def test_a_commit_may_be_named_in_full(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    first = origin.commit({"a.yaml": "a"})
    origin.commit({"a.yaml": "b"})

    assert (await mirror(hub, origin).poll(first)).commit == first


async def test_a_branch_that_goes_has_vanished(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    commit = origin.commit({"a.yaml": "a"})
    origin.point("refs/heads/stage", commit)
    followed = mirror(hub, origin)
    await followed.poll("stage")
    origin.repository.references.delete("refs/heads/stage")

    with pytest.raises(errors.RefVanished, match="stage"):
        await followed.poll("stage")


async def test_a_repository_without_a_commit_is_empty(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    with pytest.raises(errors.EmptyRepository):
        await mirror(hub, origin).poll()


async def test_a_repository_that_is_gone_is_unreachable(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    origin.commit({"a.yaml": "a"})
    followed = mirror(hub, origin)
    await followed.poll()
    origin.path.rename(origin.path.with_name("elsewhere.git"))

    with pytest.raises(errors.Unreachable):
        await followed.poll()


async def test_moves_tell_a_rollback_from_another_history(hub: mirrors.Mirrors, origin: repositories.Origin) -> None:
    first = origin.commit({"a.yaml": "a"})
    second = origin.commit({"a.yaml": "b"})
    other = origin.commit({"a.yaml": "c"}, parents=[])
    amended = origin.commit({"a.yaml": "d"}, parents=[first])
    followed = mirror(hub, origin)
    for commit in (first, second, other, amended):
        origin.point(repositories.MAIN, commit)
        await followed.poll()

    assert await followed.moved(first, first) is catalogs.Move.SAME
    assert await followed.moved(first, second) is catalogs.Move.FORWARD
    assert await followed.moved(second, first) is catalogs.Move.BACKWARD
    assert await followed.moved(second, amended) is catalogs.Move.REWRITTEN
    assert await followed.moved(second, other) is catalogs.Move.UNRELATED
    assert await followed.moved("0" * 39 + "1", other) is catalogs.Move.UNRELATED
