"""When to look for a desired state: whenever one is published, after every connect, and at an interval.

There is no consumer on the server. What is heard live is only what was stored; what was missed while nobody listened is
asked for after each connect; and the interval bounds how long anything else that is lost can stay unknown.
"""

import random

import structlog

from agents import acceptor, errors, hub, signals
from agents.domain import acceptance, retry
from protocol import ids, streams, subjects

ATTEMPTS_MAX = 5
"""Tries at a direct get that answers with nothing or something older: a replica lags for milliseconds. Then the
interval."""

RETRY_BASE_S = 0.2
RETRY_CEILING_S = 5.0


class Inbox:
    """Asks for the desired states of one cluster and hands them on."""

    def __init__(
        self,
        cluster: ids.ClusterId,
        connection: hub.Hub,
        accepting: acceptor.Acceptor,
        *,
        interval_s: float,
        chance: random.Random,
    ) -> None:
        self._subject = subjects.direct_get(streams.DESIRED.name, subjects.desired(cluster))
        self._hub = connection
        self._acceptor = accepting
        self._interval_s = interval_s
        self._chance = chance
        self._log = structlog.get_logger().bind(cluster=cluster)
        self.arrived = signals.Signal()
        """Raised after each connect, and when messages may have been lost."""

    def receive(self, message: hub.Message) -> None:
        """A live message."""
        self._acceptor.offer(message, live=True)

    async def run(self) -> None:
        """Ask, for ever."""
        while True:
            await self._ask()
            await self.arrived.wait(retry.jittered(self._interval_s, self._chance.random()))

    async def _ask(self) -> None:
        for attempt in range(ATTEMPTS_MAX):
            try:
                message = await self._hub.last(self._subject)
            except errors.HubUnavailable as error:
                self._log.debug("last desired state", reason=str(error))
                message = None
            if message is not None and self._acceptor.offer(message, live=False) is not acceptance.Verdict.STALE:
                return
            delay = retry.backoff(attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=self._chance.random())
            await self.arrived.wait(delay)
