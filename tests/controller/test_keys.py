"""The key ring: made once, loaded after, private, and silent about its seeds."""

import os
import pathlib

import pytest

from controller import keys
from protocol import ids

OPEN = (0o640, 0o604, 0o660, 0o644)


def seeds(directory: pathlib.Path) -> list[str]:
    return [path.read_text().strip() for path in directory.rglob("*") if path.is_file()]


def test_a_second_start_loads_what_the_first_made(tmp_path: pathlib.Path) -> None:
    first = keys.KeyRing(tmp_path / "keys")
    cluster = first.new_cluster()

    second = keys.KeyRing(tmp_path / "keys")

    assert repr(second) == repr(first)
    assert second.signer.public_key == first.signer.public_key
    assert second.clusters() == [cluster.id]
    assert second.cluster(ids.ClusterId(cluster.id)).id == cluster.id
    assert second.system.id == first.system.id


def test_every_key_is_of_its_kind_and_no_two_are_the_same(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    found = [ring.operator.id, ring.system.id, ring.hub.id, ring.system_user.id, ring.hub_user.id]

    assert [key[0] for key in found] == ["O", "A", "A", "U", "U"]
    assert len(set(found)) == len(found)
    assert ids.cluster_id(ring.new_cluster().id)


def test_only_the_owner_can_read_anything(tmp_path: pathlib.Path) -> None:
    keys.KeyRing(tmp_path / "keys").new_cluster()

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("keys", "keys/clusters")} == {0o700}


def test_the_umask_of_the_process_opens_nothing(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        keys.KeyRing(tmp_path / "keys")
    finally:
        os.umask(before)

    assert keys.KeyRing(tmp_path / "keys").operator.id


@pytest.mark.parametrize("mode", OPEN)
def test_a_file_that_others_can_read_is_refused(tmp_path: pathlib.Path, mode: int) -> None:
    keys.KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "hub.nk").chmod(mode)

    with pytest.raises(keys.KeysError, match=r"hub\.nk: open to others"):
        keys.KeyRing(tmp_path / "keys")


def test_a_directory_that_others_can_read_is_refused(tmp_path: pathlib.Path) -> None:
    keys.KeyRing(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o750)

    with pytest.raises(keys.KeysError, match="open to others"):
        keys.KeyRing(tmp_path / "keys")


@pytest.mark.parametrize("name", ["operator.nk", "signing.key"])
@pytest.mark.parametrize("content", [b"", b"SOAAAA", b"not a key at all", b"\xff\xfe", b"0" * 64 + b"zz"])
def test_a_file_that_holds_no_key_is_named_and_its_content_is_not(
    tmp_path: pathlib.Path, name: str, content: bytes
) -> None:
    keys.KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / name).write_bytes(content)

    with pytest.raises(keys.KeysError) as caught:
        keys.KeyRing(tmp_path / "keys")

    assert name in str(caught.value)
    assert caught.value.__cause__ is None
    if content:
        assert content.decode(errors="replace") not in str(caught.value)


def test_the_seed_of_another_kind_of_key_is_refused(tmp_path: pathlib.Path) -> None:
    keys.KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "hub.nk").write_bytes((tmp_path / "keys" / "hub-user.nk").read_bytes())

    with pytest.raises(keys.KeysError, match="of another kind"):
        keys.KeyRing(tmp_path / "keys")


def test_a_cluster_without_a_key_and_one_with_anothers_are_refused(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    one, other = ids.ClusterId(ring.new_cluster().id), ids.ClusterId(ring.new_cluster().id)
    (tmp_path / "keys" / "clusters" / f"{one}.nk").unlink()

    with pytest.raises(keys.KeysError, match="cannot be read"):
        ring.cluster(one)

    (tmp_path / "keys" / "clusters" / f"{other}.nk").rename(tmp_path / "keys" / "clusters" / f"{one}.nk")
    with pytest.raises(keys.KeysError, match="another account"):
        ring.cluster(one)


def test_a_name_that_is_no_account_reaches_no_file(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")

    with pytest.raises(ids.InvalidNameError):
        ring.cluster(ids.ClusterId("../operator"))


def test_a_directory_that_cannot_be_made_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(keys.KeysError, match="cannot be made"):
        keys.KeyRing(tmp_path / "file" / "keys")


def test_no_seed_is_ever_shown(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    shown = repr((ring, ring.hub, ring.new_cluster(), ring.signer, vars(ring)))

    assert not [seed for seed in seeds(tmp_path) if seed in shown]


def test_a_key_that_another_process_made_first_counts(tmp_path: pathlib.Path) -> None:
    """Two starts at once: the second to write finds the first one's key, and takes it."""
    other: list[keys.KeyRing] = []

    def randomness(count: int) -> bytes:
        if not other:
            other.append(keys.KeyRing(tmp_path / "keys"))
        return os.urandom(count)

    ring = keys.KeyRing(tmp_path / "keys", randomness=randomness)

    assert ring.operator.id == other[0].operator.id


def test_nothing_half_written_is_left(tmp_path: pathlib.Path) -> None:
    keys.KeyRing(tmp_path / "keys").new_cluster()

    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_a_signature_is_of_the_key_that_made_it(tmp_path: pathlib.Path) -> None:
    ring = keys.KeyRing(tmp_path / "keys")
    signature = ring.hub_user.sign(b"data")
    user = ring.hub_user.id

    assert keys.verify(user, b"data", signature)
    assert not keys.verify(user, b"other", signature)
    assert not keys.verify(ring.system_user.id, b"data", signature)
    # Not always the same letter: a key may well end in the one that is put there.
    altered = user[:-1] + ("B" if user.endswith("A") else "A")
    assert [keys.verify(one, b"data", signature) for one in ("", "U", altered, "\u00fc")] == [False] * 4
