"""One connection to NATS: requests, subscriptions, and what happens when it breaks.

It reconnects for ever. nats-py is used with care, each line for a reason that was read in its source (2.16):

- `pending_size=0`. With a buffer it would send, after a reconnect, what its caller has long given up; and waiting for
  the buffer to empty swallows a task's cancellation.
- Never `flush()` or `rtt()`: a PONG that arrives after they were given up ends the read loop.
- Messages come through a callback: `next_msg` starts two tasks for each.
- Requests are matched to their answers here: nats-py lets one wait for its whole time-out though the connection broke.
"""

import asyncio
import base64
import collections
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

import msgspec
import nats.aio.client
import nats.aio.msg
import nats.aio.subscription
import nats.errors
import structlog

from controller import errors, keys

CONNECT_TIMEOUT_S = 10.0
"""A server on the way up takes a second; longer is a wrong address or refused credentials, which a person must hear."""

REQUEST_TIMEOUT_S = 5.0
"""JetStream answers in milliseconds; five seconds cover a fsync on a busy disk and a quick restart."""

RECONNECT_WAIT_S = 0.25
"""Between attempts: a hub is one client, so it may knock often."""

PING_INTERVAL_S = 20
"""With two pings unanswered a dead peer is noticed within a minute."""

UNHANDLED_MAX = 65_536
"""Messages of one subscription that are read off the socket and not yet handed over. Receivers do not block, so that
only what one read brings ever waits here; what is to wait longer, a receiver bounds itself."""

ERRORS_KEPT = 3
"""Reasons that are told when a connection is given up: the last one alone is often a consequence of the first."""

Receive = Callable[["Message"], None]

_NO_RESPONDERS = "503"

_log = structlog.get_logger()


class ConnectionLost(errors.Terminal):
    """A connection that could not be made, or that the server closed for good."""


class Message(msgspec.Struct, frozen=True):
    """What came: a request's answer, or a message of a subscription."""

    subject: str
    body: bytes
    headers: dict[str, str]
    reply: str = ""

    @property
    def status(self) -> str:
        """The server's inline status (`404`, `503`); empty for an ordinary message."""
        return self.headers.get("Status", "")


class User(msgspec.Struct, frozen=True):
    """As whom to connect."""

    name: str
    """How the server lists the connection."""
    identity: keys.Identity
    token: str
    """The user's JWT."""


class Subscription:
    """A subscription, until `end`."""

    def __init__(self, inner: nats.aio.subscription.Subscription) -> None:
        self._inner = inner

    async def end(self) -> None:
        with contextlib.suppress(nats.errors.Error):  # the connection is closed, and the subscription with it
            await self._inner.unsubscribe()


class _Client(nats.aio.client.Client):
    """nats-py's client, reading headers three times as fast (it looks at every character of every name), and closing to
    the end."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        return parse_headers(raw)

    async def close(self) -> None:
        """It flushes first: if the socket is broken that raises, and subscriptions and transport would stay."""
        try:
            await super().close()
        except OSError:
            for subscription in self._subs.values():
                subscription._stop_processing()
            self._subs.clear()
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]  # nats-py annotates it not
            raise


class Connection:
    """A connection as one user of one account."""

    def __init__(self, user: User, trust: ssl.SSLContext | None = None) -> None:
        """`trust`: what the server's certificate is held against; None: it speaks plain text."""
        self._user = user
        self._trust = trust
        self._client = _Client()
        self._up = asyncio.Event()
        self._closed = asyncio.Event()
        self._errors: collections.deque[str] = collections.deque(maxlen=ERRORS_KEPT)
        self._reconnected: list[Callable[[], None]] = []
        self._inbox = ""
        self._requests = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Message | None]] = {}
        self.timed: Callable[[float], None] = lambda _seconds: None
        """Called with the time that each answer took."""

    @property
    def is_up(self) -> bool:
        """Is the server there, as far as is known?"""
        return self._up.is_set()

    async def open(self, urls: Sequence[str]) -> None:
        """Connect; raise ConnectionLost if no server takes us within the bound."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._connect(urls)
        except TimeoutError as error:
            await self._client.close()
            raise ConnectionLost(f"NATS connection {self._user.name}: not made ({self._reasons()})") from error
        self._inbox = self.new_inbox()
        await self.subscribe(f"{self._inbox}.*", self._answer)
        self._up.set()

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Message:
        """Send and wait for the one answer; raise Unavailable if there is none (it may have been received)."""
        token = str(next(self._requests))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message | None] = loop.create_future()
        began = loop.time()
        self._answers[token] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
                await self.send(subject, body, reply=f"{self._inbox}.{token}", headers=headers)
                message = await answer
        except TimeoutError as error:
            raise errors.Unavailable(f"request {subject}: no answer (none within {timeout_s:.0f} s)") from error
        finally:
            del self._answers[token]
        if message is None:
            raise errors.Unavailable(f"request {subject}: no answer (the connection broke)")
        self.timed(loop.time() - began)
        if message.status == _NO_RESPONDERS:
            raise errors.Unavailable(f"request {subject}: no answer (nobody is there to give one)")
        return message

    async def send(
        self, subject: str, body: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send and hear nothing of it: for what another answer covers. Raise Unavailable if it cannot be sent."""
        try:
            await self._client.publish(subject, body, reply=reply, headers=dict(headers or {}) or None)
        except (nats.errors.Error, OSError) as error:
            raise errors.Unavailable(f"message {subject}: not sent ({_reason(error)})") from error

    async def subscribe(self, subject: str, receive: Receive) -> Subscription:
        """Call `receive` for each message; it must not block."""

        async def callback(message: nats.aio.msg.Msg) -> None:
            receive(_message(message))

        try:
            inner = await self._client.subscribe(subject, cb=callback, pending_msgs_limit=UNHANDLED_MAX)
        except nats.errors.Error as error:
            raise errors.Unavailable(f"subscription {subject}: not made ({_reason(error)})") from error
        return Subscription(inner)

    def new_inbox(self) -> str:
        """A subject for answers, unique and unknown to others; its last token also serves as an id."""
        return str(self._client.new_inbox())

    def on_every_reconnect(self, call: Callable[[], None]) -> None:
        """Call after each reconnect, for as long as the connection lives."""
        self._reconnected.append(call)

    @contextlib.contextmanager
    def on_reconnect(self, call: Callable[[], None]) -> Iterator[None]:
        """Within the block, call after each reconnect: what the server kept for the old connection is gone."""
        self._reconnected.append(call)
        try:
            yield
        finally:
            self._reconnected.remove(call)

    async def lost(self) -> None:
        """Wait for ever, unless the server closes the connection for good: then raise ConnectionLost."""
        await self._closed.wait()
        raise ConnectionLost(f"NATS connection {self._user.name}: closed ({self._reasons()})")

    async def close(self) -> None:
        # It may be in the midst of connecting anew: what the broken socket says then is no news to anybody.
        with contextlib.suppress(OSError):
            await self._client.close()

    async def _connect(self, urls: Sequence[str]) -> None:
        await self._client.connect(
            servers=list(urls),
            name=self._user.name,
            user_jwt_cb=self._user.token.encode,
            signature_cb=lambda nonce: base64.b64encode(self._user.identity.sign(nonce.encode())),
            error_cb=self._on_error,
            disconnected_cb=self._on_down,
            reconnected_cb=self._on_up,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # seconds, and any number of them
            ping_interval=PING_INTERVAL_S,
            pending_size=0,
            # Else whoever stands between could leave the word out by which the server asks for TLS.
            tls=self._trust,
            tls_handshake_first=self._trust is not None,
        )

    def _answer(self, message: Message) -> None:
        waiting = self._answers.get(message.subject.rpartition(".")[2])
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def _on_error(self, error: Exception) -> None:
        reason = _reason(error)
        if reason not in self._errors:
            self._errors.append(reason)
        _log.warning("nats error", connection=self._user.name, error=reason)

    def _reasons(self) -> str:
        return "; ".join(self._errors) or "no reason was given"

    async def _on_down(self) -> None:
        self._up.clear()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result(None)
        if not self._client.is_closed:
            _log.warning("nats disconnected", connection=self._user.name)

    async def _on_up(self) -> None:
        self._up.set()
        _log.info("nats reconnected", connection=self._user.name)
        for call in tuple(self._reconnected):
            call()

    async def _on_closed(self) -> None:
        self._closed.set()


@contextlib.asynccontextmanager
async def connected(
    urls: Sequence[str], user: User, *, trust: ssl.SSLContext | None = None
) -> AsyncIterator[Connection]:
    """A connection for the time of the block."""
    connection = Connection(user, trust)
    await connection.open(urls)
    try:
        yield connection
    finally:
        await connection.close()


def parse_headers(raw: bytes) -> dict[str, str]:
    """The headers of a message, lines of `name: value`; what is not one is left out."""
    lines = (line.partition(":") for line in raw.decode(errors="replace").split("\r\n"))
    return {name: value.strip() for name, colon, value in lines if colon}


def _message(message: nats.aio.msg.Msg) -> Message:
    return Message(subject=message.subject, body=message.data, headers=message.headers or {}, reply=message.reply)


def _reason(error: Exception) -> str:
    """nats-py's errors tell themselves in different ways, some of them not at all."""
    return (str(error) or type(error).__name__).strip()[:200]
