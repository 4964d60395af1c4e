"""Being the one agent that acts for a cluster: take the Lease, keep it, give it up; or wait for it.

acquire ─▶ the writes' gate is open ─▶ keep (renews) ─▶ lost: the gate is closed, then LeaseLost
                                                     ─▶ stopped: the gate is closed, writes end, the Lease is released
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from agents import clock, errors, lease_store
from agents.domain import leases, retry
from agents.kube import errors as kube_errors
from agents.kube import gates

RELEASE_TIMEOUT_S = 10.0
"""For giving the Lease up when the agent is stopped: a third of the time that Kubernetes and systemd give it. An API
server that does not answer must not hold that up, for the Lease runs out by itself."""

Boot = Callable[[int], Awaitable[int]]
"""The number of the next boot, above the given one."""


class Leading:
    """One agent's part in one cluster's Lease."""

    def __init__(
        self,
        store: lease_store.LeaseStore,
        me: str,
        *,
        terms: leases.Terms,
        clocks: clock.Clock,
        chance: random.Random,
    ) -> None:
        self._store = store
        self._me = me
        self._terms = terms
        self._clock = clocks
        self._chance = chance
        self._sight: leases.Sight | None = None
        self._held: leases.Record | None = None
        self._renewed_at = 0.0
        """By the own clock, when the last renewal that went well was begun."""
        self._log = structlog.get_logger().bind(agent=me)
        self.gate = gates.Gate(lambda: self.is_valid)
        """Every write to the cluster goes through it."""
        self.holder = ""
        """Who acts, as far as it was seen."""
        self.reason = "has not asked for the lease yet"
        """Why this one does not act."""

    @property
    def is_valid(self) -> bool:
        """Does this agent surely hold the Lease now?"""
        return self._held is not None and leases.is_valid(self._renewed_at, self._terms, self._clock.monotonic())

    async def acquire(self, boot: Boot) -> int:
        """Wait until the Lease is ours; the boot under which we act from now on."""
        while True:
            try:
                taken = await self._take(boot)
            except (kube_errors.KubeError, errors.Transient) as error:
                self._wait_for("", f"lease: {error}")
            else:
                if taken is not None:
                    self.holder = self._me
                    self._log.info("lease acquired", boot=taken.boot, transitions=taken.transitions)
                    return taken.boot
            await asyncio.sleep(retry.jittered(self._terms.retry_s, self._chance.random()))

    async def keep(self) -> None:
        """Renew the Lease for ever; raise LeaseLost once it is lost, or may be."""
        while True:
            left_s = self._renewed_at + self._terms.deadline_s - self._clock.monotonic()
            await asyncio.sleep(min(max(left_s, 0.0), retry.jittered(self._terms.retry_s, self._chance.random())))
            if not self.is_valid:
                raise errors.LeaseLost("lease: not renewed in time")
            try:
                await self._renew()
            except TimeoutError:
                self._log.warning("lease not renewed", reason="no answer in time")
            except (kube_errors.KubeError, errors.Superseded) as error:
                self._log.warning("lease not renewed", reason=str(error))
                await self._look_again()

    async def release(self) -> None:
        """Close the gate, let what is under way end, and give the Lease up if it is still ours."""
        held, was_valid = self._held, self.is_valid
        # Whoever was held up (a stopped process, a busy machine) may have less time left, or none.
        left_s = leases.grace_s(self._renewed_at, self._terms, self._clock.monotonic())
        self._held = None
        self.holder, self.reason = "", "is between two leases"
        drained = await self.gate.drained(left_s)
        if held is None or not was_valid or not drained:
            return  # it runs out by itself
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await self._give_up(held)
        except (kube_errors.KubeError, errors.Transient, TimeoutError) as error:
            self._log.warning("lease not released", reason=str(error) or type(error).__name__)
        else:
            self._log.info("lease released")

    async def _give_up(self, held: leases.Record) -> None:
        """A renewal that was cut off by the stop may have been stored all the same: then what is held is another."""
        try:
            await self._store.write(leases.released(held, at=self._time_of_day()))
        except errors.Superseded:
            found = await self._store.read()
            if found.holder != self._me:
                raise
            await self._store.write(leases.released(found, at=self._time_of_day()))

    async def _take(self, boot: Boot) -> leases.Record | None:
        """The record, if it is ours now."""
        found = await self._store.read()
        self._sight = leases.look(self._sight, found, self._clock.monotonic())
        if not leases.is_free(self._sight, self._me, self._clock.monotonic()):
            self._wait_for(found.holder, f"{found.holder} acts for this cluster")
            return None
        number = await boot(found.boot)
        begun = self._clock.monotonic()
        record = leases.taken(found, self._me, self._terms, at=self._time_of_day(), boot=number)
        await self._store.write(record)
        self._held, self._renewed_at = record, begun
        return record

    async def _renew(self) -> None:
        assert self._held is not None, "only what is held is renewed"
        begun = self._clock.monotonic()
        record = leases.renewed(self._held, at=self._time_of_day())
        async with asyncio.timeout(self._renewed_at + self._terms.deadline_s - begun):
            await self._store.write(record)
        self._held, self._renewed_at = record, begun

    async def _look_again(self) -> None:
        """A renewal failed: was it taken from us? (Its answer may also have been lost, or somebody annotated it.)"""
        try:
            async with asyncio.timeout(max(0.0, self._renewed_at + self._terms.deadline_s - self._clock.monotonic())):
                found = await self._store.read()
        except (kube_errors.KubeError, TimeoutError):
            return  # the next renewal tells, or the deadline
        if found.holder != self._me:
            self._held = None
            raise errors.LeaseLost(f"lease: {f'{found.holder} has it' if found.holder else 'somebody released it'}")

    def _wait_for(self, holder: str, reason: str) -> None:
        if reason != self.reason:
            self._log.info("waits for the lease", reason=reason)
        self.holder, self.reason = holder, reason

    def _time_of_day(self) -> str:
        """As Kubernetes writes a MicroTime."""
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
