"""A hub that listens to one cluster, and what that says."""

from collections.abc import Mapping, Sequence

from controller.store import memory, records
from protocol import canonical, desired, reports
from protocol.events import fleet as fleet_events
from tests.controller.reactors import rig
from tests.controller.reactors.rig import Agent, Hub, Streams

BEFORE = {"apps/web": ["a", "b"]}
AFTER = {"apps/web": ["a"]}


async def begin(of: Streams) -> tuple[Hub, Agent]:
    """A hub with one cluster that holds BEFORE."""
    hub = await rig.started(of)
    agent = Agent(hub, await hub.add_cluster("edge"))
    await hub.declare()
    await hub.resolve(BEFORE)
    await hub.settle(agent)
    return hub, agent


def hello(origin: reports.Origin, *, uid: str = "uid-edge") -> reports.Hello:
    return reports.Hello(
        origin=origin, cluster_uid=uid, agent_version="1", kubernetes_version="1", root=canonical.NO_DIGEST, inventory=0
    )


async def recoveries(of: Streams) -> list[str]:
    return [one.reason for one in await of.events() if isinstance(one, fleet_events.RecoveryEntered)]


class Away(memory.MemoryStore):
    """A log whose server does not answer `away` times."""

    away = 0

    async def append(self, batch: Sequence[records.Pending], *, reads: Mapping[str, int] = {}) -> int:
        if self.away:
            self.away -= 1
            raise records.Unavailable("append: outcome unknown (no answer)")
        return await super().append(batch, reads=reads)


async def state_of(agent: Agent) -> desired.DesiredState:
    state = await agent.state()
    assert state is not None
    return state
