"""Two clusters that were let in properly, and what an attacker says on its connection."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import nats.aio.client
import nats.aio.msg
import nats.errors
import pytest

from controller.broker import api, doors
from controller.domain import jwts
from controller.reactors import publishing
from controller.store import records
from protocol import credentials, ids, streams, subjects
from tests.fixtures import nats as rigs

QUIET_S = 0.3
"""How long nothing must come: what is refused is refused within a millisecond."""

ANSWER_S = 60
"""How long an answer that must come may take: only as long as the machine is busy, and no disk is quick for ever."""

Client = nats.aio.client.Client


class Pair:
    """Cluster A, which is attacked, and cluster B, which attacks, each with a connection."""

    def __init__(self, hub: doors.Doors, a: credentials.Credentials, b: credentials.Credentials) -> None:
        self.hub = hub
        self.a_id, self.b_id = a.cluster, b.cluster
        self.a_held, self.b_held = a, b
        self.a: Client
        self.b: Client


@pytest.fixture
async def pair(hub: doors.Doors, new_cluster: rigs.NewCluster) -> AsyncIterator[Pair]:
    made = Pair(hub, await new_cluster("a"), await new_cluster("b"))
    async with rigs.connect_agent(made.a_held) as a, rigs.connect_agent(made.b_held) as b:
        made.a, made.b = a, b
        yield made


async def give(hub: doors.Doors, cluster: ids.ClusterId, body: bytes, expected: int = 0) -> int:
    outgoing = publishing.Outgoing(
        cluster=cluster, body=body, headers={records.ID_HEADER: body.decode()}, expected=expected
    )
    [result] = await hub.desired.publish([outgoing])
    assert isinstance(result, int)
    return result


async def ask(
    client: Client, subject: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> nats.aio.msg.Msg:
    """The answer to a request that is allowed."""
    return await client.request(subject, body, timeout=ANSWER_S, headers=headers)


async def is_heard(client: Client, cluster: ids.ClusterId) -> bool:
    """Is a report of the cluster stored?"""
    stored = await ask(client, subjects.report(cluster, "hello"), b"{}")
    return json.loads(stored.data).get("stream") == streams.REPORTS.name


async def answers(client: Client, subject: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
    """Does anybody answer this request at once? For those that are to be refused."""
    try:
        await client.request(subject, body, timeout=QUIET_S, headers=headers)
    except (nats.errors.TimeoutError, nats.errors.NoRespondersError):
        return False
    return True


async def hears(subscription: nats.aio.client.Subscription) -> list[bytes]:
    """All that comes until it is quiet."""
    bodies = []
    with contextlib.suppress(nats.errors.TimeoutError):
        while True:
            bodies.append((await subscription.next_msg(timeout=QUIET_S)).data)
    return bodies


async def states(hub: doors.Doors) -> dict[str, api.State]:
    return {stream.name: await api.state(hub.hub, stream.name) for stream in streams.ALL}


API = (
    ("STREAM.NAMES", {}),
    ("STREAM.INFO.REPORTS", {}),
    ("STREAM.PURGE.REPORTS", {}),
    ("STREAM.DELETE.REPORTS", {}),
    ("STREAM.MSG.GET.DESIRED", {"seq": 1}),
    ("STREAM.MSG.DELETE.REPORTS", {"seq": 1}),
    ("STREAM.CREATE.EVIL", {"name": "EVIL", "subjects": ["evil"]}),
    ("STREAM.UPDATE.REPORTS", {"name": "REPORTS", "subjects": [subjects.REPORTS], "max_msgs": 1}),
    ("CONSUMER.CREATE.REPORTS", {"stream_name": "REPORTS", "config": {"ack_policy": "none"}}),
    ("CONSUMER.NAMES.REPORTS", {}),
    ("INFO", {}),
)


def everything_in(rig: rigs.Rig, cluster: ids.ClusterId) -> credentials.Credentials:
    """Credentials of a user in the cluster's account whom no permission limits: only the account does."""
    account, user = rig.ring.cluster(cluster), rigs.new_user()
    wide = jwts.User(name="wide", publish=(">",), subscribe=(">",))
    token = jwts.user(jwts.Issuer(id=account.id, sign=account.sign), user.id, user=wide, at=rigs.NOW)
    return credentials.Credentials(
        cluster=cluster, name="wide", nats_urls=(rig.url,), user_jwt=token, trusted_keys=(), seed=user.seed
    )


async def closed(client: Client) -> bool:
    """Whether the server drops the connection soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while client.is_connected:  # noqa: ASYNC110 - nats-py's state has no event; the time-out bounds it
                await asyncio.sleep(0.005)
    return not client.is_connected


async def refused(held: credentials.Credentials) -> bool:
    try:
        async with rigs.connect_agent(held, again=False):
            return False
    except nats.errors.Error as error:
        return "Authorization Violation" in str(error)
