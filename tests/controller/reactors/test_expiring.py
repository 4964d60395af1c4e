"""What is past its end stays so, whatever the clock says afterwards."""

import datetime

from controller.domain import tokens
from controller.reactors import expiring
from controller.store import memory
from protocol.events import clusters as events
from protocol.events import tokens as token_events
from protocol.events.tokens import Scope
from tests.fixtures import hub as hubs

HOUR = datetime.timedelta(hours=1)


async def begun(count: int = 1) -> hubs.Hub:
    """A hub with tokens and an offer that are good for an hour, and a token that is good for ever."""
    hub = hubs.Hub()
    await hub.begin()
    cluster = await hub.add_cluster("edge-1")
    await hub.write(events.EnrolmentOffered(cluster=cluster, token="digest", expires_at=hub.now + HOUR))
    await hub.write(token_events.TokenIssued(name="ever", scope=Scope.READ, digest=tokens.digest("ever")))
    for number in range(count):
        name = f"ci-{number}"
        issued = token_events.TokenIssued(
            name=name, scope=Scope.READ, digest=tokens.digest(name), expires_at=hub.now + HOUR
        )
        await hub.write(issued)
    return hub


async def kinds(store: memory.MemoryStore, after: int) -> list[str]:
    return [one.headers["ce-type"].rpartition(".")[2] async for one in store.read(after)]


async def test_what_ended_is_said_once_and_stays_so_when_the_clock_is_set_back() -> None:
    hub = await begun()
    looking = expiring.Expiring(hub.transactor, clock=hub.clock)
    before = hub.world.log_head.sequence
    await looking.look()
    assert await kinds(hub.store, before) == []

    hub.now += HOUR
    await looking.look()
    await looking.look()
    hub.now -= 2 * HOUR

    assert await kinds(hub.store, before) == ["TokenExpired", "EnrolmentExpired"]
    assert tokens.find(hub.world.tokens, tokens.digest("ci-0"), hub.now) is None
    assert tokens.find(hub.world.tokens, tokens.digest("ever"), hub.now) is not None
    [cluster] = hub.world.clusters.values()
    assert cluster.entry.offer is not None
    assert cluster.entry.offer.is_expired


async def test_many_that_end_at_once_are_said_a_part_at_a_time() -> None:
    hub = await begun(expiring.EVENTS_MAX)
    looking = expiring.Expiring(hub.transactor, clock=hub.clock)
    before = hub.world.log_head.sequence
    hub.now += HOUR

    await looking.look()
    first = len(await kinds(hub.store, before))
    await looking.look()

    assert (first, len(await kinds(hub.store, before))) == (expiring.EVENTS_MAX, expiring.EVENTS_MAX + 1)
