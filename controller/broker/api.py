"""JetStream's request API and its answers, as far as the hub needs them."""

import base64
import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from controller import errors
from controller.broker import connection
from controller.store import records

T = TypeVar("T")

MESSAGE_NOT_FOUND = 10037
STREAM_NOT_FOUND = 10059
WRONG_LAST_SEQUENCE = 10071
WRONG_LAST_SEQUENCE_UNNAMED = 10164
"""A fence on a subject that another message in flight writes to; as good as a wrong last sequence."""
BATCH_INCOMPLETE = 10176
"""Messages of a batch were lost on the way, or the server restarted in between: nothing of it is stored."""
BATCH_DUPLICATE = 10201

_UNAVAILABLE = 503
_BUSY = 429


class ApiError(errors.Terminal):
    """JetStream refused a request; `code` is its own error code."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class Fenced(errors.Transient):
    """A message's expected last sequence was not the last one any more."""


class State(msgspec.Struct, frozen=True):
    """What a stream holds."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0


class _Failure(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Failure | None = None


class _Acknowledgement(msgspec.Struct, frozen=True):
    seq: int = 0
    error: _Failure | None = None


class _RawMessage(msgspec.Struct, frozen=True):
    subject: str
    seq: int
    data: str = ""
    hdrs: str = ""
    time: datetime.datetime | None = None


class _Message(msgspec.Struct, frozen=True):
    message: _RawMessage


class _Info(msgspec.Struct, frozen=True):
    config: dict[str, Any]
    state: State
    ts: datetime.datetime | None = None


async def call(link: connection.Connection, subject: str, request: Any = None, *, what: str) -> bytes:
    """One call of the API `$JS.API.<subject>`; raise ApiError if it is refused, Unavailable if nobody answers."""
    body = b"" if request is None else msgspec.json.encode(request)
    answer = await link.request(f"$JS.API.{subject}", body)
    failure = _decode(answer.body, _Answer, what=what).error
    if failure is not None:
        raise _error(failure, what=what)
    return answer.body


async def publish(link: connection.Connection, subject: str, body: bytes, *, headers: Mapping[str, str]) -> int:
    """Store one message and return its sequence; raise Fenced, ApiError or Unavailable."""
    answer = await link.request(subject, body, headers=headers)
    return acknowledged(answer, what=f"message {subject}")


def refused(answer: connection.Message, *, what: str) -> None:
    """Raise ApiError or Unavailable where the answer is one; an empty answer is none."""
    if answer.body:
        failure = _decode(answer.body, _Answer, what=what).error
        if failure is not None:
            raise _error(failure, what=what)


def acknowledged(answer: connection.Message, *, what: str) -> int:
    """The sequence that a publish was answered with."""
    acknowledgement = _decode(answer.body, _Acknowledgement, what=what)
    if acknowledgement.error is not None:
        raise _error(acknowledgement.error, what=what)
    return acknowledgement.seq


async def last(link: connection.Connection, stream: str, subject: str) -> records.Stored | None:
    """The last message of a subject, from the stream's leader (a direct get may come from a replica that lags)."""
    return await _get(link, stream, {"last_by_subj": subject})


async def first_after(
    link: connection.Connection, stream: str, subject: str, *, sequence: int
) -> records.Stored | None:
    """The first message of a subject with a higher sequence than this, from the stream's leader."""
    return await _get(link, stream, {"seq": sequence + 1, "next_by_subj": subject})


async def at_sequence(link: connection.Connection, stream: str, sequence: int) -> records.Stored | None:
    """The message with this sequence, from the stream's leader."""
    return await _get(link, stream, {"seq": sequence})


async def info(link: connection.Connection, stream: str) -> tuple[dict[str, Any], State] | None:
    """A stream's configuration and state; None: there is no such stream."""
    try:
        answer = await call(link, f"STREAM.INFO.{stream}", what=f"stream {stream}")
    except ApiError as error:
        if error.code == STREAM_NOT_FOUND:
            return None
        raise
    found = _decode(answer, _Info, what=f"stream {stream}")
    return found.config, found.state


async def state(link: connection.Connection, stream: str) -> State:
    """A stream's state; raise ApiError if there is no such stream."""
    answer = await call(link, f"STREAM.INFO.{stream}", what=f"stream {stream}")
    return _decode(answer, _Info, what=f"stream {stream}").state


async def state_then(link: connection.Connection, stream: str) -> tuple[State, datetime.datetime]:
    """A stream's state, and when that was by the server's clock."""
    what = f"stream {stream}"
    found = _decode(await call(link, f"STREAM.INFO.{stream}", what=what), _Info, what=what)
    if found.ts is None:
        raise ApiError(f"{what}: the server does not tell its time", code=0)
    return found.state, found.ts


async def _get(link: connection.Connection, stream: str, request: Mapping[str, Any]) -> records.Stored | None:
    what = f"stream {stream}"
    try:
        answer = await call(link, f"STREAM.MSG.GET.{stream}", request, what=what)
    except ApiError as error:
        if error.code == MESSAGE_NOT_FOUND:
            return None
        raise
    raw = _decode(answer, _Message, what=what).message
    return records.Stored(
        sequence=raw.seq,
        subject=raw.subject,
        body=base64.b64decode(raw.data),
        headers=connection.parse_headers(base64.b64decode(raw.hdrs)),
        at=raw.time,
    )


def _decode(data: bytes, kind: type[T], *, what: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise errors.Unavailable(f"{what}: no understandable answer ({error})") from error


def _error(failure: _Failure, *, what: str) -> errors.HubError:
    text = f"{what}: refused by JetStream ({failure.description}, code {failure.err_code})"
    if failure.err_code in (WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_UNNAMED):
        return Fenced(text)
    # An incomplete batch, a server on its way up and one that is overrun have one thing in common: later may help.
    if failure.err_code == BATCH_INCOMPLETE or failure.code in (_UNAVAILABLE, _BUSY):
        return errors.Unavailable(text)
    return ApiError(text, code=failure.err_code)
