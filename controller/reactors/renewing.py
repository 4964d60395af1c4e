"""Fresh tokens for agents that ask over their connection.

The server vouches for the account, the signature for the key; only the key that the log knows gets an answer that is of
use. A key that took another's place ends the connections of the other one, once the answer is on its way.
"""

import contextlib

import structlog

from controller import entrance, errors, transact
from controller.broker import renewals
from controller.domain import rejections
from controller.store import records
from protocol import enrolment as wire
from protocol import messages

logger = structlog.get_logger(__name__)


class Renewing:
    """Answers."""

    def __init__(self, door: entrance.Entrance) -> None:
        self._entrance = door

    async def run(self, source: renewals.Renewals) -> None:
        """Answer every question, for ever."""
        async with contextlib.aclosing(source.read()) as questions:
            async for question in questions:
                try:
                    await self._one(source, question)
                except errors.Transient as error:
                    logger.warning("renewal not answered", cluster=question.cluster, reason=str(error))

    async def _one(self, source: renewals.Renewals, question: renewals.Question) -> None:
        rotated = False
        answer: wire.RenewAnswer
        try:
            signed, asked = entrance.read_renewal(question.body)
            if asked.cluster != question.cluster:
                raise rejections.Forbidden("renewal: of another cluster than the one that asks")
            answer = await self._entrance.renew(signed, asked)
            rotated = bool(asked.new_key)
        except rejections.Rejection as error:
            answer = wire.NotRenewed(message=str(error), refused=True)
        except (errors.Transient, transact.ContendedError, records.StoreError) as error:
            answer = wire.NotRenewed(message=str(error), refused=False)
        await source.answer(question, messages.RENEW_ANSWER.encode(answer))
        if rotated:
            await self._entrance.tell(question.cluster)
