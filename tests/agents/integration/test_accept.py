"""Which desired states an agent takes, and what it holds on to when hub, disk or both are away."""

import shutil

import msgspec
import pytest

from protocol import bundles, canonical, desired, ids, messages, reports, sealing, signing
from protocol.reports import Refusal
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher, bundle, config_map, content
from tests.fixtures.nats import Rig

pytestmark = pytest.mark.nats


async def colour(place: Place) -> str | None:
    found = await place.config_map("settings")
    return None if found is None else found["data"]["colour"]


async def prepared(place: Place, hub: Publisher, shade: str) -> canonical.Digest:
    """A root whose blobs are stored, and which nobody has signed yet."""
    made = content([bundle("web", config_map("settings", place.namespace, colour=shade))])
    await hub.hub.blobs.put(made.blobs)
    return made.root


async def test_a_forged_state_is_refused(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Signed by a key that nobody trusts: reported, not applied; the last good state stays."""
    async with station.running():
        first = await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        root = await prepared(place, hub_of_test, "red")
        forged = msgspec.structs.replace(first, generation=2, root=root)
        stranger = signing.Signer(signing.new_seed())
        none = messages.DELETIONS.encode(desired.NO_DELETIONS)
        await hub_of_test.send(hub_of_test.signed(forged, none, stranger))
        refused = await hub_of_test.hear(reports.Refused)

    assert (refused.refusal, refused.count) == (Refusal.FORGED, 1)
    assert refused.origin.generation == 1
    assert await colour(place) == "blue"


async def test_a_tampered_state_is_refused(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The trusted key's signature, but over other bytes."""
    async with station.running():
        first = await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        none = messages.DELETIONS.encode(desired.NO_DELETIONS)
        signed = messages.SIGNED.decode(hub_of_test.signed(first, none))
        other = messages.STATE.encode(msgspec.structs.replace(first, generation=2))
        await hub_of_test.send(messages.SIGNED.encode(msgspec.structs.replace(signed, payload=other)))
        refused = await hub_of_test.hear(reports.Refused)

    assert refused.refusal is Refusal.FORGED


@pytest.mark.parametrize("change", ["cluster", "cluster_uid"])
async def test_a_state_for_another_cluster_is_refused(
    place: Place, station: Station, hub_of_test: Publisher, *, change: str
) -> None:
    """Another account, or the same account moved to another cluster."""
    async with station.running():
        root = await prepared(place, hub_of_test, "red")
        await hub_of_test.publish_root(root, **{change: "A" * 56})
        refused = await hub_of_test.hear(reports.Refused)

    assert refused.refusal is Refusal.FOREIGN
    assert await colour(place) is None


async def test_an_older_state_is_refused_also_without_a_disk(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """The mark is in the cluster: an agent that lost its disk does not go back either, and comes forward again."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")), generation=7)
        await hub_of_test.applied()
    shutil.rmtree(station.directory)
    await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")), generation=3)
    heard = len(hub_of_test.heard)
    async with station.running():
        hello = await hub_of_test.hear(reports.Hello, after=heard)
        assert (hello.origin.generation, hello.origin.log_head.sequence) == (7, 1)
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")), generation=4)
        refused = await hub_of_test.hear(reports.Refused)
        assert (refused.refusal, refused.seen_generation) == (Refusal.STALE, 4)
        assert await colour(place) == "blue"
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")), generation=8)
        await hub_of_test.applied()

    assert await colour(place) == "red"


async def test_a_new_epoch_comes_after_every_generation_of_the_old(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """A recovered hub starts a new epoch: its first generation is newer."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")), generation=7)
        await hub_of_test.applied()
        await hub_of_test.publish(
            bundle("web", config_map("settings", place.namespace, colour="red")), generation=1, epoch=2
        )
        await hub_of_test.applied()

    assert await colour(place) == "red"


async def test_a_fork_is_raised(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The same generation with another content: one of two hubs lies, and a person must know which."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")), generation=1)
        refused = await hub_of_test.hear(reports.Refused)

    assert refused.refusal is Refusal.FORK
    assert await colour(place) == "blue"


async def test_a_repeated_state_changes_nothing(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The hub republishes after a crash: nothing is refused, nothing is applied again."""
    part = bundle("web", config_map("settings", place.namespace, colour="blue"))
    async with station.running():
        await hub_of_test.publish(part)
        await hub_of_test.applied()
        before = await place.config_map("settings")
        await hub_of_test.publish(part, generation=1)
        await hub_of_test.publish(part, generation=2)
        await hub_of_test.applied()

    assert hub_of_test.of(reports.Refused) == []
    assert await place.config_map("settings") == before


async def test_garbage_is_refused(station: Station, hub_of_test: Publisher) -> None:
    """Bytes that are no message."""
    async with station.running():
        await hub_of_test.send(b"\xff not a message")
        refused = await hub_of_test.hear(reports.Refused)

    assert refused.refusal is Refusal.UNREADABLE


async def test_a_state_whose_blobs_come_late_is_taken_when_they_are_there(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    """Nothing of it is applied before all of it is here, and no deletion of the state before is carried out either."""
    made = content([bundle("web", config_map("settings", place.namespace, colour="blue"))])
    async with station.running():
        await hub_of_test.hub.blobs.put(made.blobs[1:])
        await hub_of_test.publish_root(made.root)
        await hub_of_test.hear(reports.Refused, lambda report: report.refusal is Refusal.UNREADABLE)
        assert await colour(place) is None
        await hub_of_test.hub.blobs.put(made.blobs[:1])
        await hub_of_test.applied()

    assert await colour(place) == "blue"


async def test_a_delta_saves_the_fetches(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """The blobs of a step travel in the message itself; the stream never had them."""
    await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
    parts = [bundle("web", config_map("settings", place.namespace, colour="red"))]
    made = content(parts)
    async with station.running():
        await hub_of_test.applied()
        tags = [bundles.MANIFEST_TAG, bundles.INDEX_TAG, bundles.ROOT_TAG]
        plain = [
            desired.tagged(tag, sealing.open_blob(blob.id, tag, blob.data))
            for tag, blob in zip(tags, made.blobs, strict=True)
        ]
        hub_of_test.delta = tuple(plain)
        await hub_of_test.publish_root(made.root)
        await hub_of_test.applied()

    assert await colour(place) == "red"


async def test_many_deletions_come_as_a_blob(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Above 4 KB they are not in the message."""
    web = bundle("web", config_map("settings", place.namespace, colour="blue"))
    named = desired.Deletions(
        tuple(desired.Deletion(ids.DebtId(f"d{number:03}"), web_object(number), web.id) for number in range(60))
    )
    blob = sealing.seal(bundles.DELETIONS_TAG, messages.DELETIONS.encode(named))
    await hub_of_test.hub.blobs.put([blob])
    async with station.running():
        await hub_of_test.publish(web, deletions=named.items, inline=False)
        deleted = await hub_of_test.hear(reports.Deleted)

    assert len(deleted.confirmations) == 60
    assert {item.outcome for item in deleted.confirmations} == {reports.Outcome.RELEASED}


def web_object(number: int) -> ids.ObjectId:
    return ids.object_id(config_map(f"gone-{number}", "elsewhere"))


async def test_a_restart_without_a_hub_goes_on(
    place: Place, station: Station, hub_of_test: Publisher, rig: Rig
) -> None:
    """The state and its blobs are on the disk: drift is put right while the hub is away, and reported later."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    await place.api.merge(path, {"data": {"colour": "red"}})
    heard = len(hub_of_test.heard)
    await rig.server.kill()
    async with station.running():
        await place.until(path, lambda live: live["data"]["colour"] == "blue")
        await rig.start()
        applied = await hub_of_test.hear(reports.Applied, after=heard)

    assert [item.bundle for item in applied.bundles] == ["test/web"]


async def test_a_message_lost_while_away_is_asked_for(
    place: Place, station: Station, hub_of_test: Publisher, rig: Rig
) -> None:
    """Published while the agent's connection was down: the direct get after the connect finds it."""
    async with station.running():
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="blue")))
        await hub_of_test.applied()
        await rig.crash()
        await hub_of_test.publish(bundle("web", config_map("settings", place.namespace, colour="red")))
        await hub_of_test.applied()

    assert await colour(place) == "red"


async def test_a_lost_inventory_deletes_nothing(place: Place, station: Station, hub_of_test: Publisher) -> None:
    """Somebody removed our ConfigMaps: what is wanted is ours again, as adopted; what is named is released."""
    one, two = config_map("one", place.namespace), config_map("two", place.namespace)
    web = bundle("web", one, two)
    async with station.running():
        await hub_of_test.publish(web)
        await hub_of_test.applied()
    await place.lose_inventory()
    await hub_of_test.publish(
        bundle("web", one), deletions=[desired.Deletion(ids.DebtId("d1"), ids.object_id(two), web.id)]
    )
    async with station.running():
        deleted = await hub_of_test.hear(reports.Deleted)

    assert [item.outcome for item in deleted.confirmations] == [reports.Outcome.RELEASED]
    assert await place.config_map("two") is not None
    (entry,) = await place.inventory()
    assert entry.adopted
