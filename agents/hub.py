"""The hub as the agent sees it: one outbound NATS connection. The only module that imports nats and nkeys.

The connection is never left to reconnect by itself: every connect is a fresh start with its own jittered backoff, after
which the last desired state is asked for again. So a lost connection, a lost message and a first start are one case.
"""

import asyncio
import base64
import contextlib
import random
import ssl
from collections.abc import Callable, Mapping

import msgspec
import nats
import nats.aio.client
import nats.aio.msg
import nats.errors
import nkeys
import structlog

from agents import errors, signals
from agents.domain import retry

CONNECT_TIMEOUT_S = 10
"""TCP, TLS and authentication over a slow line."""

RECONNECT_BASE_S = 1.0
RECONNECT_CEILING_S = 30.0
"""How long a hub that came back may wait for its agents; 10,000 of them then come at some 700 a
second."""

PING_INTERVAL_S = 20
PINGS_OUTSTANDING_MAX = 2
"""A dead connection is noticed within a minute."""

LIVE_PENDING_MAX = 16
"""Live messages waiting to be looked at; each holds a whole state, so the newest would do."""

SERVER_TROUBLE = 500
"""JetStream's codes are those of HTTP: from here on it is not the message's fault."""

_NOT_FOUND = "404"


class Message(msgspec.Struct, frozen=True):
    """What came from the hub."""

    data: bytes
    headers: Mapping[str, str]


class Identity(msgspec.Struct, frozen=True):
    """Who the agent is to the hub's NATS. The seed is a secret and is never printed."""

    name: str
    urls: tuple[str, ...]
    user_jwt: str
    seed: bytes
    authority: str = ""
    """Certificates of the CAs that sign for the hub's NATS, PEM; empty: those of the machine, where TLS is spoken."""

    def __repr__(self) -> str:
        return f"Identity({self.name})"

    @property
    def public_key(self) -> str:
        """The public half of the seed (`U…`)."""
        return str(nkeys.from_seed(bytearray(self.seed)).public_key.decode())

    def sign(self, nonce: str) -> bytes:
        """The server's challenge, signed."""
        pair = nkeys.from_seed(bytearray(self.seed))
        try:
            return base64.b64encode(pair.sign(nonce.encode()))
        finally:
            pair.wipe()


class PubAck(msgspec.Struct, frozen=True):
    """JetStream's answer to a publish."""

    stream: str = ""
    seq: int = 0
    error: dict[str, object] | None = None


Receive = Callable[[Message], None]

_ack_decoder = msgspec.json.Decoder(PubAck)


class Hub:
    """Keeps one connection and sends over it; raises HubUnavailable while there is none."""

    def __init__(self, identity: Identity, *, timeout_s: float, chance: random.Random) -> None:
        self._identity = identity
        self._timeout_s = timeout_s
        self._chance = chance
        self._connection: nats.aio.client.Client | None = None
        self._closed: asyncio.Event | None = None
        self._is_renewed = False
        self.renewal = signals.Signal()
        """Raised when a renewal of the token may be due: the server does not take it, or the hub says so."""
        self._log = structlog.get_logger().bind(cluster=identity.name)

    @property
    def name(self) -> str:
        """The cluster's human name."""
        return self._identity.name

    @property
    def public_key(self) -> str:
        """Of the agent, as it connects now."""
        return self._identity.public_key

    def use(self, identity: Identity) -> None:
        """Be this from now on: a connection that stands is made anew."""
        self._identity = identity
        self._is_renewed = True
        if self._closed is not None:
            self._closed.set()

    @property
    def connected(self) -> bool:
        return self._connection is not None and bool(self._connection.is_connected)

    async def run(self, live: str, *, receive: Receive, arrived: Callable[[], None]) -> None:
        """Stay connected, for ever: hand every message on the subject `live` to `receive`, and call `arrived` after
        each connect, once the subscription stands."""
        attempt = 0
        while True:
            try:
                attempt = await self._once(live, receive=receive, arrived=arrived, attempt=attempt)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                self._log.info("hub not reached", reason=str(error) or type(error).__name__, attempt=attempt)
                if _is_refusal(error):
                    self.renewal.raise_()
            if self._is_renewed:
                self._is_renewed, attempt = False, 0
                continue
            delay = retry.backoff(
                attempt, base_s=RECONNECT_BASE_S, ceiling_s=RECONNECT_CEILING_S, chance=self._chance.random()
            )
            attempt += 1
            await asyncio.sleep(delay)

    async def _once(self, live: str, *, receive: Receive, arrived: Callable[[], None], attempt: int) -> int:
        """One connection from start to end; the number of the next attempt."""
        closed = self._closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            # A slow consumer or a refused subject. Whatever it cost, the last state is asked for again.
            self._log.warning("hub connection", reason=str(error) or type(error).__name__)
            if _is_refusal(error):
                self.renewal.raise_()
            if self.connected:
                arrived()

        async def on_message(message: nats.aio.msg.Msg) -> None:
            receive(Message(message.data, dict(message.headers or {})))

        connection, trust = nats.aio.client.Client(), _trust(self._identity)
        try:
            await connection.connect(
                servers=list(self._identity.urls),
                name=f"flotilla-agent {self._identity.name}",
                user_jwt_cb=lambda: bytearray(self._identity.user_jwt.encode()),
                signature_cb=self._identity.sign,
                allow_reconnect=False,
                connect_timeout=CONNECT_TIMEOUT_S,
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=PINGS_OUTSTANDING_MAX,
                error_cb=on_error,
                closed_cb=on_closed,
                tls=trust,
                # Else whoever stands between could leave the word out by which the server asks for TLS.
                tls_handshake_first=trust is not None,
            )
            await connection.subscribe(live, cb=on_message, pending_msgs_limit=LIVE_PENDING_MAX)
            await connection.flush(timeout=CONNECT_TIMEOUT_S)
            _honour_cancellation()
            self._connection = connection
            self._log.info("hub connected")
            arrived()
            await closed.wait()
            self._log.info("hub connection lost", attempt=attempt)
            return 0
        finally:
            self._connection = self._closed = None
            if not connection.is_closed:
                # A socket that broke meanwhile must not take the place of a cancellation.
                with contextlib.suppress(OSError):
                    await connection.close()

    async def last(self, subject: str) -> Message | None:
        """Direct get: the last message stored, as one replica knows it; None if that replica has none."""
        answer = await self._request(subject, b"", None)
        headers = dict(answer.headers or {})
        status = headers.get("Status", "")
        if status == _NOT_FOUND:
            return None
        if status:
            raise errors.HubUnavailable(f"{subject}: {headers.get('Description', 'no description')} ({status})")
        return Message(answer.data, headers)

    async def ask(self, subject: str, payload: bytes) -> bytes:
        """The hub's own answer to a request."""
        return bytes((await self._request(subject, payload, None)).data)

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Publish into a stream and wait for its acknowledgement: the sequence under which it is stored."""
        answer = await self._request(subject, payload, headers)
        try:
            ack = _ack_decoder.decode(answer.data)
        except msgspec.MsgspecError as error:
            raise errors.HubUnavailable(f"{subject}: the answer is no acknowledgement") from error
        if ack.error is not None:
            raise refusal(subject, ack.error)
        return ack.seq

    async def send(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        """Publish on core NATS: nobody need hear it."""
        connection = self._connected()
        try:
            await connection.publish(subject, payload, headers=dict(headers))
        except nats.errors.Error as error:
            raise errors.HubUnavailable(f"{subject}: not sent ({error})") from error

    def _connected(self) -> nats.aio.client.Client:
        if self._connection is None or not self._connection.is_connected:
            raise errors.HubUnavailable("hub: not connected")
        return self._connection

    async def _request(self, subject: str, payload: bytes, headers: Mapping[str, str] | None) -> nats.aio.msg.Msg:
        connection = self._connected()
        try:
            answer = await connection.request(
                subject, payload, timeout=self._timeout_s, headers=None if headers is None else dict(headers)
            )
        except nats.errors.NoRespondersError as error:
            raise errors.HubUnavailable(f"{subject}: nobody answers") from error
        except nats.errors.MaxPayloadError as error:
            raise errors.HubRefused(f"{subject}: {len(payload)} bytes are more than the hub takes") from error
        except (nats.errors.Error, OSError) as error:
            raise errors.HubUnavailable(f"{subject}: {error or type(error).__name__}") from error
        _honour_cancellation()
        return answer


def refusal(subject: str, error: Mapping[str, object]) -> errors.AgentError:
    """What an error of JetStream means for a message: with a code of 500 and more (no room, no leader) the server is in
    trouble, and takes the message later; below it never will."""
    code, told = error.get("code"), f"{subject}: {error.get('description', error)}"
    return errors.HubUnavailable(told) if isinstance(code, int) and code >= SERVER_TROUBLE else errors.HubRefused(told)


def _trust(identity: Identity) -> ssl.SSLContext | None:
    """What the server's certificate is held against; None: it speaks plain text."""
    if not any(url.startswith("tls:") for url in identity.urls):
        return None
    return ssl.create_default_context(cadata=identity.authority or None)


def _is_refusal(error: Exception) -> bool:
    """Does the server not take the token? It says so in a sentence only."""
    text = str(error).lower()
    return "authorization violation" in text or "authentication expired" in text or "authentication revoked" in text


def _honour_cancellation() -> None:
    """Before Python 3.12 `asyncio.wait_for`, which nats uses, loses a cancellation that comes together with its result
    (python/cpython#86296); without this an agent that is told to stop could go on for ever."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
