"""All of the hub's doors to NATS, opened together."""

import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence

import msgspec

from controller import keys, tenancy
from controller.broker import beats, blobs, connection, desired, live, renewals, reports, streams
from controller.store import jetstream


class Doors(msgspec.Struct, frozen=True):
    """What the rest of the hub knows of NATS."""

    hub: connection.Connection
    """The connection in HUB; who supervises the hub waits for `lost`."""
    system: connection.Connection
    """The connection in the server's system account."""
    tenancy: tenancy.Tenancy
    log: jetstream.JetStreamStore
    desired: desired.Desired
    blobs: blobs.Blobs
    reports: reports.Reports
    beats: beats.Beats
    live: live.Live
    renewals: renewals.Renewals


@contextlib.asynccontextmanager
async def opened(
    urls: Sequence[str],
    ring: keys.KeyRing,
    *,
    at: datetime.datetime,
    replicas: int = 1,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Doors]:
    """Connect, check the streams, and hand out the doors for the time of the block. `trust`: None for plain text."""
    minter = tenancy.Minter(ring)
    hub = connection.User(name="flotilla-hub", identity=ring.hub_user, token=minter.hub_user(at=at))
    system = connection.User(name="flotilla-system", identity=ring.system_user, token=minter.system_user(at=at))
    async with (
        connection.connected(urls, hub, trust=trust) as link,
        connection.connected(urls, system, trust=trust) as system_link,
    ):
        await streams.ensure(link, replicas=replicas)
        yield Doors(
            hub=link,
            system=system_link,
            tenancy=tenancy.Tenancy(ring, system_link),
            log=jetstream.JetStreamStore(link),
            desired=desired.Desired(link),
            blobs=blobs.Blobs(link),
            reports=reports.Reports(link),
            beats=beats.Beats(link),
            live=live.Live(link),
            renewals=renewals.Renewals(link),
        )
