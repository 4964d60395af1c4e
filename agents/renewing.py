"""Keeping the agent's token fresh: over its connection while there is one, over HTTP once the token has ended.

A token is renewed when about two thirds of its life are over. The hub gives one only to the key that its log knows;
when it wants another key, the agent makes one, keeps it, and asks with both. An answer that is lost costs nothing: the
hub took the new key or did not, and whichever of the two it knows is tried.
"""

import asyncio
import random
from typing import assert_never

import msgspec
import structlog

from agents import clock, errors, hub, hub_api, identities
from agents.domain import retry
from agents.kube import errors as kube_errors
from protocol import codec, credentials, enrolment, ids, messages, subjects

RENEW_FROM, RENEW_TO = 0.55, 0.75
"""Parts of a token's life between which it is renewed, spread so that a fleet that came together does not ask together.
A quarter is left for a hub that is away."""

RETRY_BASE_S = 1.0
RETRY_CEILING_S = 60.0
"""While the hub is away: one question a minute of each agent."""

NEVER_S = 30 * 24 * 3600.0
"""Longest wait: a clock that jumped is noticed after a month at the latest."""

REFUSED_S = 300.0
"""After a refusal: only an operator changes that."""


class Renewal(msgspec.Struct, frozen=True):
    """What an agent needs to renew its token."""

    stored: identities.Stored
    keeper: identities.Keeper
    api: hub_api.HubApi


class Renewer:
    """Renews one agent's token."""

    def __init__(self, renewal: Renewal, link: hub.Hub, *, clocks: clock.Clock, chance: random.Random) -> None:
        self._stored = renewal.stored
        self._keeper = renewal.keeper
        self._api = renewal.api
        self._link = link
        self._clocks = clocks
        self._chance = chance
        self._log = structlog.get_logger().bind(cluster=link.name)

    async def run(self) -> None:
        """Renew in time, for ever."""
        attempt, wait_s = 0, self._due_s()
        while True:
            await self._link.renewal.wait(max(wait_s, 0.0))
            try:
                await self._renew()
            except (errors.HubUnavailable, errors.DiskFailed, kube_errors.KubeError) as error:
                self._log.warning("token not renewed", reason=str(error), attempt=attempt)
                chance = self._chance.random()
                wait_s = retry.backoff(attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=chance)
                attempt += 1
            except errors.HubRefused as error:
                self._log.error("token refused", reason=str(error))
                await asyncio.sleep(retry.jittered(REFUSED_S, self._chance.random()))
            else:
                attempt, wait_s = 0, self._due_s()

    def _due_s(self) -> float:
        """Until the token wants to be renewed, counted on our own clock from when it came."""
        held = self._stored.credentials
        assert held is not None, "renewed before it was enrolled"
        if held.expires_at is None or self._stored.received_at is None:
            return NEVER_S
        life_s = held.life_s or (held.expires_at - self._stored.received_at).total_seconds()
        part = RENEW_FROM + (RENEW_TO - RENEW_FROM) * self._chance.random()
        gone_s = (self._clocks.now() - self._stored.received_at).total_seconds()
        return min(life_s * part - gone_s, NEVER_S)

    async def _renew(self) -> None:
        """One renewal, and the change of the key where the hub wants one."""
        try:
            renewed = await self._ask(self._stored.seed, "")
        except errors.HubRefused:
            if not self._stored.next_seed:
                raise
            # The answer to an earlier change of the key was lost: the hub may know us by the other one already.
            renewed = await self._ask(self._stored.next_seed, "")
            await self._take(renewed, self._stored.next_seed)
            return
        if renewed.rotate:
            if not self._stored.next_seed:
                await self._keep(msgspec.structs.replace(self._stored, next_seed=identities.new_seed()))
            await self._take(await self._ask(self._stored.seed, self._stored.next_seed), self._stored.next_seed)
        else:
            await self._take(renewed, self._stored.seed)

    async def _ask(self, seed: str, next_seed: str) -> enrolment.Renewed:
        """Over the connection; where there is none, or nobody answers there, over HTTP."""
        if self._link.connected:
            payload = self._payload(seed, next_seed, "")
            answer = await self._link.ask(subjects.renew(self._cluster), payload)
            try:
                return _renewed(messages.RENEW_ANSWER.decode(answer))
            except codec.DecodeError as error:
                raise errors.HubUnavailable(f"renewal: no understandable answer ({error})") from error
        return _renewed(await self._api.renew(self._signed(seed, next_seed, await self._api.nonce())))

    def _payload(self, seed: str, next_seed: str, nonce: str) -> bytes:
        return messages.SIGNED_RENEWAL.encode(self._signed(seed, next_seed, nonce))

    def _signed(self, seed: str, next_seed: str, nonce: str) -> enrolment.SignedRenewal:
        request = enrolment.RenewRequest(
            cluster=self._cluster,
            agent_key=identities.public_key(seed),
            new_key=identities.public_key(next_seed) if next_seed else "",
            nonce=nonce,
        )
        payload = messages.RENEW_REQUEST.encode(request)
        data = enrolment.SIGNED_PREFIX + payload
        second = identities.sign(next_seed, data) if next_seed else b""
        return enrolment.SignedRenewal(payload, identities.sign(seed, data), second)

    async def _take(self, renewed: enrolment.Renewed, seed: str) -> None:
        """Keep the credentials, then connect with them."""
        stored = identities.Stored(
            seed=seed, token=self._stored.token, credentials=renewed.credentials, received_at=self._clocks.now()
        )
        await self._keep(stored)
        self._link.use(identity_of(renewed.credentials, seed.encode()))
        self._log.info("token renewed", expires_at=str(renewed.credentials.expires_at))

    async def _keep(self, stored: identities.Stored) -> None:
        await self._keeper.save(stored)
        self._stored = stored

    @property
    def _cluster(self) -> ids.ClusterId:
        assert self._stored.credentials is not None, "renewed before it was enrolled"
        return self._stored.credentials.cluster


def identity_of(held: credentials.Credentials, seed: bytes) -> hub.Identity:
    """Who the holder of these credentials is to the hub's NATS."""
    return hub.Identity(held.name, held.nats_urls, held.user_jwt, seed, held.authority)


def _renewed(answer: enrolment.RenewAnswer) -> enrolment.Renewed:
    match answer:
        case enrolment.Renewed():
            return answer
        case enrolment.NotRenewed():
            raise errors.HubRefused(answer.message) if answer.refused else errors.HubUnavailable(answer.message)
        case _:
            assert_never(answer)
