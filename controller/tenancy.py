"""Tenants at run time: their tokens minted with the key ring, and made known to the server or taken back.

A cluster's id is its account's public key. The agent makes its own user key: the hub signs the public half and never
sees the seed.
"""

import asyncio
import datetime
from collections.abc import Collection, Sequence
from typing import TypeVar

import msgspec

from controller import errors, keys
from controller.broker import connection
from controller.domain import jwts, readmission, tenants
from protocol import ids

_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
_DELETE = "$SYS.REQ.CLAIMS.DELETE"
_LIST = "$SYS.REQ.CLAIMS.LIST"

LOOKED_AT_AT_ONCE = 64
"""Accounts that the server is asked for side by side."""


class TenancyError(errors.Transient):
    """The server did not take a token."""


class Minter:
    """Signs tokens with the ring's keys."""

    def __init__(self, ring: keys.KeyRing) -> None:
        self._ring = ring
        self._operator = jwts.Issuer(id=ring.operator.id, sign=ring.operator.sign)

    def operator(self, *, at: datetime.datetime) -> str:
        return jwts.operator(self._operator, system_account=self._ring.system.id, at=at)

    def system_account(self, *, at: datetime.datetime) -> str:
        return jwts.account(self._operator, self._ring.system.id, account=tenants.system_account(), at=at)

    def hub_account(self, *, at: datetime.datetime) -> str:
        return jwts.account(self._operator, self._ring.hub.id, account=tenants.hub_account(), at=at)

    def hub_user(self, *, at: datetime.datetime) -> str:
        return self._user(self._ring.hub, self._ring.hub_user.id, user=tenants.hub_user("hub"), at=at)

    def system_user(self, *, at: datetime.datetime) -> str:
        return self._user(self._ring.system, self._ring.system_user.id, user=tenants.hub_user("system"), at=at)

    def cluster_account(
        self, cluster: ids.ClusterId, *, name: str, at: datetime.datetime, revoked_before: datetime.datetime | None
    ) -> str:
        account = tenants.cluster_account(cluster, name=name, hub=self._ring.hub.id)
        account = msgspec.structs.replace(account, revoked_before=revoked_before)
        return jwts.account(self._operator, cluster, account=account, at=at)

    def agent_user(
        self,
        cluster: ids.ClusterId,
        public_key: str,
        *,
        name: str,
        at: datetime.datetime,
        expires_at: datetime.datetime | None = None,
    ) -> str:
        """The token that lets the holder of the user key `U…` in as this cluster's agent."""
        user = tenants.agent_user(cluster, name=name, expires_at=expires_at)
        return self._user(self._ring.cluster(cluster), public_key, user=user, at=at)

    def deletion(self, clusters: Sequence[ids.ClusterId], *, at: datetime.datetime) -> str:
        return jwts.deletion(self._operator, clusters, at=at)

    def _user(self, account: keys.Identity, public_key: str, *, user: jwts.User, at: datetime.datetime) -> str:
        return jwts.user(jwts.Issuer(id=account.id, sign=account.sign), public_key, user=user, at=at)


class Tenancy:
    """The clusters that the server knows."""

    def __init__(self, ring: keys.KeyRing, system: connection.Connection) -> None:
        self._ring = ring
        self._minter = Minter(ring)
        self._system = system

    async def add(self, name: str, *, at: datetime.datetime) -> ids.ClusterId:
        """A new cluster: its account is made, stored in the ring, and known to the server when this returns."""
        cluster = ids.ClusterId(self._ring.new_cluster().id)
        await self.announce(cluster, name=name, at=at)
        return cluster

    async def announce(
        self,
        cluster: ids.ClusterId,
        *,
        name: str,
        at: datetime.datetime,
        revoked_before: datetime.datetime | None = None,
    ) -> None:
        """Make the server know a cluster of the ring as it is now; the same again changes nothing.

        `revoked_before` ends every user token issued up to then and drops the connections that were made with one.
        The server forgets an older revocation with each announcement: the caller states the last one every time.
        """
        token = self._minter.cluster_account(cluster, name=name, at=at, revoked_before=revoked_before)
        await self._send(_UPDATE, token, what=f"cluster {cluster}: account")

    def admit(
        self,
        cluster: ids.ClusterId,
        public_key: str,
        *,
        name: str,
        at: datetime.datetime,
        expires_at: datetime.datetime | None = None,
    ) -> str:
        """The user token for an agent's own key; nothing has to be sent to the server."""
        return self._minter.agent_user(cluster, public_key, name=name, at=at, expires_at=expires_at)

    async def remove(self, cluster: ids.ClusterId, *, at: datetime.datetime) -> None:
        """End a cluster's account: live connections drop, none comes back. Its key stays in the ring."""
        await self._send(_DELETE, self._minter.deletion([cluster], at=at), what=f"cluster {cluster}: removal")

    async def standing(self, clusters: Collection[ids.ClusterId]) -> list[readmission.Account]:
        """Those of these accounts that the server knows, as this hub's operator once told it."""
        answer = await self._system.request(_LIST, b"")
        listed = set(_read(answer.body, _Accounts, what="accounts").data)
        slots = asyncio.Semaphore(LOOKED_AT_AT_ONCE)

        async def look_in_turn(cluster: ids.ClusterId) -> readmission.Account:
            async with slots:
                return await self._account(cluster)

        try:
            async with asyncio.TaskGroup() as group:
                looks = [group.create_task(look_in_turn(cluster)) for cluster in clusters if cluster in listed]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [one.result() for one in looks]

    async def _account(self, cluster: ids.ClusterId) -> readmission.Account:
        what = f"cluster {cluster}: account"
        answer = await self._system.request(f"$SYS.REQ.ACCOUNT.{cluster}.CLAIMS.LOOKUP", b"")
        try:
            claims = jwts.read_account(answer.body.decode())
        except ValueError as error:
            raise TenancyError(f"{what}: no understandable answer of nats-server ({error})") from error
        operator = self._ring.operator.id
        if (claims.issuer, claims.subject) != (operator, cluster) or not keys.verify(
            operator, claims.signed, claims.signature
        ):
            raise TenancyError(f"{what}: the server's token of it is not signed by this hub's operator")
        return readmission.Account(cluster, claims.name, claims.revoked_before, claims.issued_at)

    async def _send(self, subject: str, token: str, *, what: str) -> None:
        answer = await self._system.request(subject, token.encode())
        _read(answer.body, _Response, what=what)


class _Failure(msgspec.Struct, frozen=True):
    description: str = ""


class _Response(msgspec.Struct, frozen=True):
    error: _Failure | None = None


class _Accounts(msgspec.Struct, frozen=True):
    data: tuple[str, ...] = ()
    error: _Failure | None = None


R = TypeVar("R", _Response, _Accounts)


def _read(body: bytes, kind: type[R], *, what: str) -> R:
    try:
        response = msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise TenancyError(f"{what}: no understandable answer of nats-server ({error})") from error
    if response.error is not None:
        raise TenancyError(f"{what}: refused by nats-server ({response.error.description})")
    return response
