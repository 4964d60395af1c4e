"""Server-sent events as a browser reads them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import aiohttp

TIME_S = 60.0
"""For all messages: they come from this process."""


class Message(NamedTuple):
    """One message of a stream; a comment has no kind."""

    kind: str
    id: str
    data: Any


async def messages(answer: aiohttp.ClientResponse, *, time_s: float = TIME_S) -> AsyncGenerator[Message, None]:
    """The messages of a stream, comments and the one that only says a place left out."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(time_s):
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            name, colon, value = line.partition(": ")
            if colon and name:
                fields[name] = value
            if not line:
                if "data" in fields:
                    yield Message(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))
                fields = {}
