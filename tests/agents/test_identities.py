"""Where an agent keeps who it is: whole or not at all, for its owner alone, and never shown."""

import datetime
import pathlib
import stat

import pytest

from agents import errors, identities
from protocol import credentials, ids

HELD = credentials.Credentials(
    cluster=ids.ClusterId("A" * 56),
    name="edge-1",
    nats_urls=("nats://127.0.0.1:4222",),
    user_jwt="jwt",
    trusted_keys=(),
)


def stored() -> identities.Stored:
    at = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    return identities.Stored(seed=identities.new_seed(), token="digest", credentials=HELD, received_at=at)


async def test_an_identity_is_kept_in_a_private_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / identities.FILE_NAME
    keeper = identities.FileKeeper(path)
    assert await keeper.load() is None

    first, second = stored(), stored()
    await keeper.save(first)
    await keeper.save(second)

    assert await keeper.load() == second
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == [identities.FILE_NAME]


@pytest.mark.parametrize("text", [b"", b"{}", b'{"seed": 1}', b'{"seed": "SUABC"}', b'{"seed": "secret"}', b"\xff"])
async def test_what_is_no_identity_is_an_error_that_shows_nothing_of_it(tmp_path: pathlib.Path, text: bytes) -> None:
    path = tmp_path / identities.FILE_NAME
    path.write_bytes(text)

    with pytest.raises(errors.SetupError) as caught:
        await identities.FileKeeper(path).load()
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_place_that_cannot_be_used_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.DiskFailed):
        await identities.FileKeeper(tmp_path / "file" / identities.FILE_NAME).save(stored())
    with pytest.raises(errors.SetupError):
        await identities.FileKeeper(tmp_path).load()


def test_an_identity_is_shown_by_its_public_key_alone() -> None:
    one = stored()

    assert one.seed not in repr(one)
    assert one.public_key in repr(one)
