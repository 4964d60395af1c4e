"""What is past its end is said in the log: a clock that is set back later does not bring it back."""

import datetime
from collections.abc import Callable

import structlog

from controller import errors, transact
from controller.domain import enrolment, tokens
from controller.domain.world import World
from protocol.events import log

BY = "hub"

INTERVAL_S = 5.0
"""Between two looks: so long a token that just ended is a matter of the clock alone."""

EVENTS_MAX = 100
"""Of one look; the rest follows with the next."""

logger = structlog.get_logger(__name__)


class Expiring:
    """Looks what is past its end."""

    def __init__(self, transactor: transact.Transactor, *, clock: Callable[[], datetime.datetime]) -> None:
        self._transactor = transactor
        self._clock = clock

    async def run(self) -> None:
        """Look, for ever."""
        never = transact.Signal()
        while True:
            try:
                await self.look()
            except (errors.Transient, transact.ContendedError) as error:
                logger.warning("what is past its end is not in the log yet", reason=str(error))
            await never.wait(INTERVAL_S)

    async def look(self) -> None:
        """Say of tokens, and of offers to clusters, that they are past their ends."""
        at = self._clock()

        def decide(world: World) -> tuple[log.Event, ...]:
            ended: list[log.Event] = list(tokens.expired(world.tokens, at))
            for cluster in world.clusters.values():
                ended += enrolment.expired(cluster, at)
            return tuple(ended[:EVENTS_MAX])

        await self._transactor.run(decide, by=BY, cause="expiry")
