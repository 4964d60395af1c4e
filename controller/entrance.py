"""Letting agents in: tokens offered and used, credentials minted, renewed and revoked.

What is decided stands in the log first; then the server is told. A hub that stops in between tells it at its next
start (`announce_all`), for the log says since when older tokens of each cluster are void.
"""

import asyncio
import datetime
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec
import structlog

from controller import errors, keys, transact
from controller.domain import clusters, documents, enrolment, entries, readmission, rejections, tenants
from controller.domain.world import World
from protocol import codec, credentials, ids, messages
from protocol import enrolment as wire
from protocol.events import log

SECRET_BYTES = 32
"""Of a token: beyond guessing."""

POLL_S = 5.0
"""How soon an agent that waits for a person asks again; it backs off from there."""

ANNOUNCED_AT_ONCE = 64
"""Accounts told to the server side by side at the start: its answers take a millisecond, the way there as long."""

logger = structlog.get_logger(__name__)


class Tenancy(Protocol):
    """The clusters that the server knows."""

    async def announce(
        self, cluster: ids.ClusterId, *, name: str, at: datetime.datetime, revoked_before: datetime.datetime | None
    ) -> None:
        """Make the server know a cluster as it is now."""

    async def remove(self, cluster: ids.ClusterId, *, at: datetime.datetime) -> None:
        """End a cluster's account."""

    def admit(
        self,
        cluster: ids.ClusterId,
        public_key: str,
        *,
        name: str,
        at: datetime.datetime,
        expires_at: datetime.datetime | None = None,
    ) -> str:
        """The user token for an agent's own key."""


class Live(Protocol):
    """What agents hear at once."""

    async def send(self, cluster: ids.ClusterId, body: bytes) -> None:
        """Say it to the cluster's agent; nobody need be there to hear it."""


class Address(msgspec.Struct, frozen=True):
    """How agents reach the hub, and by what they know it."""

    nats_urls: tuple[str, ...]
    trusted_keys: tuple[str, ...]
    hub_url: str = ""
    authority: str = ""
    """PEM."""
    pin: str = ""
    """`sha256:…` of the authority's public key; empty: there is none of our own."""


class Offered(msgspec.Struct, frozen=True, rename="camel"):
    """A token, told this once, and what the agent needs beside it."""

    cluster: str
    token: str
    expires_at: datetime.datetime
    hub_url: str
    ca_pin: str


class Entrance:
    """Who is let in."""

    def __init__(
        self,
        transactor: transact.Transactor,
        tenancy: Tenancy,
        live: Live,
        address: Address,
        *,
        clock: Callable[[], datetime.datetime],
        lifetime: datetime.timedelta = tenants.TOKEN_LIFETIME,
    ) -> None:
        """`lifetime`: of the tokens of agents that can renew them."""
        self.address = address
        self._transactor = transactor
        self._tenancy = tenancy
        self._live = live
        self._clock = clock
        self._lifetime = lifetime
        self.voided: Mapping[ids.ClusterId, datetime.datetime] = {}
        """Up to when the server held tokens for void when this hub started. A log that is lost, or older than that as
        after a restore, does not know of it: it is never taken back."""
        self.announced: dict[ids.ClusterId, datetime.datetime] = {}
        """The time of each account's newest token. One that says more bears a later time, whatever the clock says: of
        two tokens a server that was away believes the later."""

    def heed(self, accounts: Collection[readmission.Account]) -> None:
        """Take nothing back that the server knows of these accounts."""
        self.voided = {one.id: one.revoked_before for one in accounts if one.revoked_before is not None}
        self.announced = {one.id: one.issued_at for one in accounts if one.issued_at is not None}

    async def offer(self, name: str, *, ttl: datetime.timedelta, manual: bool, by: str) -> Offered:
        """Make a token by which one agent of this cluster can be let in."""
        cluster = clusters.by_name(self._world.clusters, name)
        token = wire.new_token(cluster.id, secrets.token_urlsafe(SECRET_BYTES))
        digest, at = wire.token_digest(token), self._clock()

        def decide(world: World) -> tuple[log.Event, ...]:
            fresh = clusters.by_name(world.clusters, cluster.id)
            return enrolment.offer(fresh, digest, ttl=ttl, manual=manual, at=at)

        await self._transactor.run(decide, by=by, cause="cluster token")
        return Offered(
            cluster=cluster.name,
            token=token,
            expires_at=at + ttl,
            hub_url=self.address.hub_url,
            ca_pin=self.address.pin,
        )

    async def enrol(self, asked: wire.EnrolRequest) -> wire.EnrolAnswer:
        """Let an agent in, or tell it to wait; raise a Rejection if it is not let in. The same agent again gets the
        same answer."""
        documents.agent_key(asked.agent_key, "enrolment")
        account = wire.cluster_of(asked.token)
        if account is None or account not in self._world.clusters or not asked.agent_key:
            raise rejections.Forbidden(enrolment.UNKNOWN_TOKEN)
        attempt = enrolment.Attempt(
            token=wire.token_digest(asked.token),
            key=asked.agent_key,
            uid=asked.cluster_uid,
            epoch=asked.epoch,
            generation=asked.generation,
        )
        at = self._clock()
        written = await self._transactor.run(
            lambda world: enrolment.enrol(world.clusters[account], attempt, fleet_epoch=world.fleet.epoch, at=at),
            by=f"agent of {self._world.clusters[account].name}",
            cause="enrol",
        )
        cluster = self._world.clusters[account]
        verdict = enrolment.verdict(cluster, attempt)
        if written:
            logger.info("agent asks to be let in", cluster=cluster.name, uid=attempt.uid, verdict=verdict.value)
        match verdict:
            case enrolment.Verdict.WAITING:
                return wire.EnrolmentWaiting(retry_after_s=POLL_S)
            case enrolment.Verdict.FOREIGN:
                raise rejections.Changed(
                    f"cluster {cluster.name!r}: is bound to UID {cluster.uid}, and this one has {attempt.uid} "
                    f"(if it was rebuilt: flotilla cluster replace {cluster.name})"
                )
            case enrolment.Verdict.GRANTED:
                return self.grant(cluster)

    async def renew(self, signed: wire.SignedRenewal, asked: wire.RenewRequest) -> wire.Renewed:
        """Fresh credentials for the cluster's agent; raise a Rejection for anybody else, and errors.Transient where the
        log does not know the cluster."""
        self._check(signed, asked)
        at = self._clock()
        written = await self._transactor.run(
            lambda world: enrolment.renew(
                world.clusters[asked.cluster],
                asked.agent_key,
                new_key=asked.new_key,
                at=at,
                voided=self.voided.get(asked.cluster),
            ),
            by=f"agent of {self._world.clusters[asked.cluster].name}",
            cause="renew",
        )
        cluster = self._world.clusters[asked.cluster]
        if written:
            logger.info("agent has another key", cluster=cluster.name)
        return wire.Renewed(credentials=self.grant(cluster), rotate=cluster.entry.is_rotation_asked)

    def grant(self, cluster: clusters.Cluster) -> credentials.Credentials:
        """Credentials, for a while, for the cluster's agent; without a seed."""
        return self._credentials(cluster, cluster.entry.key, self._clock() + self._lifetime)

    async def issue(self, cluster: ids.ClusterId, key: str, *, by: str) -> credentials.Credentials:
        """Credentials, for good, for the holder of this key: what a file holds nobody renews."""
        await self._transactor.run(lambda world: enrolment.issue(world.clusters[cluster], key), by=by, cause="issue")
        known = self._world.clusters[cluster]
        return self._credentials(known, key, None)

    async def accept(self, name: str, *, by: str) -> None:
        """Let the agent in that waits."""
        await self._change(name, enrolment.accept, by=by, cause="cluster accept")

    async def revoke(self, name: str, *, by: str) -> None:
        """End everything that lets an agent of the cluster in, and its connections."""
        at = self._clock()
        cluster = await self._change(
            name, lambda one: enrolment.revoke(one, at, self.voided.get(one.id)), by=by, cause="cluster revoke"
        )
        await self.announce(cluster)

    async def rotate(self, name: str, *, by: str) -> None:
        """Have the cluster's agent make itself another key; one that is away hears of it when it renews."""
        cluster = await self._change(name, enrolment.ask_rotation, by=by, cause="cluster rotate")
        await self._live.send(cluster, messages.RENEW_NOW.encode(wire.RenewNow()))

    async def announce(self, cluster: ids.ClusterId) -> None:
        """Tell the server what the log says of a cluster; what is revoked drops."""
        known = self._world.clusters[cluster]
        if known.removed:
            await self._tenancy.remove(cluster, at=self._clock())
        else:
            await self.open(known)

    async def open(self, known: clusters.Cluster) -> None:
        """Make the server know a cluster's account, with all that was ever revoked."""
        voided = [one for one in (known.entry.revoked_before, self.voided.get(known.id)) if one is not None]
        last = self.announced.get(known.id)
        at = self._clock() if last is None else max(self._clock(), last + entries.ISSUE_STEP)
        self.announced[known.id] = at
        await self._tenancy.announce(known.id, name=known.name, at=at, revoked_before=max(voided, default=None))

    async def announce_all(self) -> None:
        """Tell the server of every cluster what the log says: once, at the start."""
        slots = asyncio.Semaphore(ANNOUNCED_AT_ONCE)

        async def tell_in_turn(cluster: ids.ClusterId) -> None:
            async with slots:
                await self.tell(cluster)

        async with asyncio.TaskGroup() as group:
            for cluster in tuple(self._world.clusters):
                group.create_task(tell_in_turn(cluster))

    async def tell(self, cluster: ids.ClusterId) -> None:
        """Announce until it went well: a cluster whose revocation the server does not know is open."""
        again = transact.Signal()
        while True:
            try:
                await self.announce(cluster)
            except errors.Transient as error:
                logger.warning("account not announced", cluster=cluster, reason=str(error))
                await again.wait(POLL_S)
            else:
                return

    @property
    def _world(self) -> World:
        return self._transactor.world

    async def _change(
        self, name: str, decide: Callable[[clusters.Cluster], tuple[log.Event, ...]], *, by: str, cause: str
    ) -> ids.ClusterId:
        cluster = clusters.by_name(self._world.clusters, name).id
        await self._transactor.run(lambda world: decide(world.clusters[cluster]), by=by, cause=cause)
        return cluster

    def _check(self, signed: wire.SignedRenewal, asked: wire.RenewRequest) -> None:
        """Is it signed by the keys that it names? Raise errors.Transient for a cluster that the log does not know:
        where the log was lost, an operator may take it back at any moment, and an agent that was refused waits long."""
        data = wire.SIGNED_PREFIX + signed.payload
        pairs = [(asked.agent_key, signed.signature)]
        if asked.new_key:
            pairs.append((asked.new_key, signed.new_signature))
        if not all(keys.verify(key, data, sign) for key, sign in pairs):
            raise rejections.Forbidden("renewal: not signed by the key of a cluster's agent")
        if asked.cluster not in self._world.clusters:
            raise errors.Transient("renewal: the hub's log does not know this cluster")

    def _credentials(
        self, cluster: clusters.Cluster, key: str, expires_at: datetime.datetime | None
    ) -> credentials.Credentials:
        at = entries.issued_at(cluster.entry, self.voided.get(cluster.id))
        token = self._tenancy.admit(cluster.id, key, name=cluster.name, at=at, expires_at=expires_at)
        return credentials.Credentials(
            cluster=cluster.id,
            name=cluster.name,
            nats_urls=self.address.nats_urls,
            user_jwt=token,
            trusted_keys=self.address.trusted_keys,
            expires_at=expires_at,
            life_s=self._lifetime.total_seconds() if expires_at is not None else None,
            hub_url=self.address.hub_url,
            authority=self.address.authority,
        )


def read_renewal(body: bytes) -> tuple[wire.SignedRenewal, wire.RenewRequest]:
    """A signed renewal and what it asks; raise rejections.Invalid if it is none."""
    try:
        signed = messages.SIGNED_RENEWAL.decode(body)
        return signed, messages.RENEW_REQUEST.decode(signed.payload)
    except codec.DecodeError as error:
        raise rejections.Invalid(f"renewal: cannot be read ({error})") from error
