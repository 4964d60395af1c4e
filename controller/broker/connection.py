"""One connection to NATS: requests, subscriptions, and what happens when it breaks.

It reconnects for ever. nats-py is used with care, each line for a reason that was read in its source (2.16):

- `pending_size=0`. With a buffer it would send, after a reconnect, what its caller has long given up; and waiting for
  the buffer to empty swallows a task's cancellation.
- Never `flush()` or `rtt()`: a PONG that arrives after they were given up ends the read loop.
- Messages come through a callback: `next_msg` starts two tasks for each.
"""

import asyncio
import base64
import contextlib
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

Receive = Callable[["Message"], None]

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


class Connection:
    """A connection as one user of one account."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._client = nats.aio.client.Client()
        self._up = asyncio.Event()
        self._closed = asyncio.Event()
        self._last_error = "no reason was given"
        self._reconnected: list[Callable[[], None]] = []

    async def open(self, urls: Sequence[str]) -> None:
        """Connect; raise ConnectionLost if no server takes us within the bound."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._connect(urls)
        except TimeoutError as error:
            await self._client.close()
            raise ConnectionLost(f"NATS connection {self._user.name}: not made ({self._last_error})") from error
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
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
            answer = await self._client.request(subject, body, timeout=timeout_s, headers=dict(headers or {}) or None)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise errors.Unavailable(f"request {subject}: no answer ({_reason(error)})") from error
        return _message(answer)

    async def send(
        self, subject: str, body: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send and hear nothing of it: for what another answer covers. Raise Unavailable if it cannot be sent."""
        try:
            await self._client.publish(subject, body, reply=reply, headers=dict(headers or {}) or None)
        except (nats.errors.Error, OSError) as error:
            raise errors.Unavailable(f"message {subject}: not sent ({_reason(error)})") from error

    async def subscribe(self, subject: str, receive: Receive, *, pending_max: int) -> Subscription:
        """Call `receive` for each message; it must not block. Beyond `pending_max` waiting ones, new ones are lost."""

        async def callback(message: nats.aio.msg.Msg) -> None:
            receive(_message(message))

        try:
            inner = await self._client.subscribe(subject, cb=callback, pending_msgs_limit=pending_max)
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
        raise ConnectionLost(f"NATS connection {self._user.name}: closed ({self._last_error})")

    async def close(self) -> None:
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
        )

    async def _on_error(self, error: Exception) -> None:
        self._last_error = _reason(error)
        _log.warning("nats error", connection=self._user.name, error=self._last_error)

    async def _on_down(self) -> None:
        self._up.clear()
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
async def connected(urls: Sequence[str], user: User) -> AsyncIterator[Connection]:
    """A connection for the time of the block."""
    connection = Connection(user)
    await connection.open(urls)
    try:
        yield connection
    finally:
        await connection.close()


def _message(message: nats.aio.msg.Msg) -> Message:
    return Message(subject=message.subject, body=message.data, headers=message.headers or {}, reply=message.reply)


def _reason(error: Exception) -> str:
    """nats-py's errors tell themselves in different ways, some of them not at all."""
    return (str(error) or type(error).__name__).strip()[:200]
