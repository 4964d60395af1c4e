"""The streams at start: made where missing, and checked, setting by setting, where they are.

A stream that lets messages expire, be rolled up or be changed would break promises that everything else is built on,
and an operator's tool can switch such a thing on at any time: the hub refuses to start on one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from controller import errors
from controller.broker import api, connection
from protocol import streams

START_TIMEOUT_S = 60.0
"""A server reads a million messages back in seconds; a minute is a disk that does not answer."""

START_WAIT_S = 0.25
"""Between two looks."""

_NOT_OURS = frozenset({"metadata", "compression", "placement", "description", "consumer_limits"})
"""Settings that change nothing of what we rely on: an operator's own affair."""

_OFF: tuple[Any, ...] = (None, False, 0, -1, "", "default", [], {})
"""How the server says that a setting is not used."""


class StreamMismatch(errors.Terminal):
    """A stream that is not set as it must be."""


async def ensure(link: connection.Connection, *, replicas: int = 1) -> None:
    """Make the streams that are missing and check all; raise StreamMismatch with every setting that differs."""
    await _answering(link)
    for wanted in streams.ALL:
        await _ensure(link, msgspec.structs.replace(wanted, num_replicas=replicas))


async def _answering(link: connection.Connection) -> None:
    """Wait until JetStream answers: a starting one first reads what it has stored. Raise Unavailable if it does not."""
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while True:
        try:
            await api.info(link, streams.LOG.name)
        except errors.Unavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(START_WAIT_S)
        else:
            return


async def _ensure(link: connection.Connection, wanted: streams.Stream) -> None:
    found = await api.info(link, wanted.name)
    if found is None:
        await api.call(link, f"STREAM.CREATE.{wanted.name}", wanted, what=f"stream {wanted.name}")
        found = await api.info(link, wanted.name)
    differences = differing(wanted, found[0] if found else {})
    if differences:
        raise StreamMismatch(f"stream {wanted.name}: not set as it must be ({'; '.join(differences)})")


def differing(wanted: streams.Stream, found: Mapping[str, Any]) -> list[str]:
    """Every setting that is not as wanted, and every one that nobody wanted and that is on."""
    expected: dict[str, Any] = msgspec.to_builtins(wanted)
    names = sorted(expected.keys() | (found.keys() - _NOT_OURS))
    return [
        f"{name}: expected {expected.get(name, 'off')}, found {found.get(name, 'off')}"
        for name in names
        if not _same(expected.get(name), found.get(name))
    ]


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, tuple):
        expected = list(expected)
    return expected == found or (expected in _OFF and found in _OFF)
