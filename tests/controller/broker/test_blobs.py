"""Blobs are stored once by content, and refused where no message can hold them."""

import os

import pytest

from controller.broker import api, blobs, doors
from protocol import sealing, streams

pytestmark = pytest.mark.nats


async def test_a_blob_is_read_as_it_was_put(hub: doors.Doors) -> None:
    sealed = [sealing.seal("manifest", f"plain {number}".encode()) for number in range(100)]

    await hub.blobs.put(sealed)

    for blob in (sealed[0], sealed[99]):
        data = await hub.blobs.get(blob.name)
        assert data is not None
        assert sealing.open_blob(blob.id, "manifest", data) == sealing.open_blob(blob.id, "manifest", blob.data)


async def test_what_is_not_stored_is_none(hub: doors.Doors) -> None:
    assert await hub.blobs.get(sealing.seal("manifest", b"never put").name) is None


async def test_a_blob_that_is_known_to_be_stored_is_not_sent_again(hub: doors.Doors) -> None:
    blob = sealing.seal("manifest", b"plain")
    await hub.blobs.put([blob])
    await hub.blobs.put([blob])

    assert (await api.state(hub.hub, streams.BLOBS.name)).last_seq == 1

    hub.blobs.forget()
    await hub.blobs.put([blob])
    assert (await api.state(hub.hub, streams.BLOBS.name)).last_seq == 2


async def test_a_blob_that_was_stored_long_ago_is_sent_again(hub: doors.Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "KNOWN_S", 0.0)
    blob = sealing.seal("manifest", b"plain")

    await hub.blobs.put([blob])
    await hub.blobs.put([blob])

    assert (await api.state(hub.hub, streams.BLOBS.name)).last_seq == 2


async def test_a_blob_too_large_for_a_message_is_refused_by_name(hub: doors.Doors) -> None:
    blob = sealing.seal("manifest", os.urandom(streams.MESSAGE_BYTES_MAX))

    with pytest.raises(blobs.BlobTooLarge, match=blob.id[:16]):
        await hub.blobs.put([blob])


async def test_the_largest_blob_fits(hub: doors.Doors) -> None:
    small = sealing.seal("manifest", b"")
    blob = sealing.Sealed(id=small.id, name=small.name, data=bytes(blobs.DATA_BYTES_MAX))

    await hub.blobs.put([blob])

    assert await hub.blobs.get(blob.name) == blob.data
