"""Atomic batches: all messages stored next to each other, or none (nats-server's ADR-50).

The headers `Nats-Batch-*` make a batch; nats-py has no helper for it. Messages before the last are only staged, so the
answer to the last one covers all: they are sent without one, save for a few on the way that keep us from running ahead
of the server.
"""

from collections.abc import Sequence

import msgspec

from controller.broker import api, connection

MESSAGES_MAX = 1000
"""nats-server's limit."""

STRIDE = 250
"""Messages sent before one is waited for: a few round trips a batch, and no more than this in buffers."""

STRIDE_BYTES = 4 * 1024 * 1024
"""The same in bytes."""

COMMIT_TIMEOUT_S = 15.0
"""The commit writes and syncs the whole batch; a full one takes 40 ms on an idle disk."""


class Outgoing(msgspec.Struct, frozen=True):
    """One message of a batch, its fences among its headers."""

    subject: str
    body: bytes
    headers: dict[str, str]


async def publish(link: connection.Connection, messages: Sequence[Outgoing]) -> int:
    """Store all messages and return the last one's sequence; raise Fenced, ApiError or Unavailable."""
    assert 0 < len(messages) <= MESSAGES_MAX, f"a batch of {len(messages)}"
    identity = link.new_inbox().rpartition(".")[2]
    ahead_bytes = 0
    for number, message in enumerate(messages[:-1], start=1):
        headers = _headers(message, identity, number=number)
        ahead_bytes += len(message.body)
        if number % STRIDE and ahead_bytes < STRIDE_BYTES:
            await link.send(message.subject, message.body, headers=headers)
            continue
        ahead_bytes = 0
        staged = await link.request(message.subject, message.body, headers=headers)
        if staged.body:  # an empty answer says that it is staged; anything else is an error
            return api.acknowledged(staged, what="batch")
    headers = _headers(messages[-1], identity, number=len(messages)) | {"Nats-Batch-Commit": "1"}
    answer = await link.request(messages[-1].subject, messages[-1].body, headers=headers, timeout_s=COMMIT_TIMEOUT_S)
    return api.acknowledged(answer, what=f"batch of {len(messages)}")


def _headers(message: Outgoing, identity: str, *, number: int) -> dict[str, str]:
    return {**message.headers, "Nats-Batch-Id": identity, "Nats-Batch-Sequence": str(number)}
