"""Who is signed in: sessions, and the codes of sign-in links, each worth a token for a while.

They are kept in memory, by the digests of their secrets: a dump of the hub's memory signs nobody in, and a hub that
starts anew asks everybody once more. A session never outlives its token, for it only points at it. It ends by the
clock, and by seconds that are counted beside it: a clock that is set back makes nothing longer.
"""

import base64
import datetime
import hashlib
import time
from collections.abc import Callable

import msgspec

from protocol.canonical import Digest

LIFETIME = datetime.timedelta(hours=12)
"""A working day: a browser that was left open somewhere is of no use the morning after."""

SESSIONS_MAX = 1000
"""At some 500 bytes each. Only who shows a token gets one; beyond it the oldest ends."""

CODE_LIFETIME = datetime.timedelta(minutes=2)
"""From the command that prints the link to the browser that opens it."""

CODES_MAX = 100
"""Links that nobody opened yet; beyond it the oldest ends."""

SECRET_BYTES = 32

Clock = Callable[[], datetime.datetime]
Ticks = Callable[[], float]
"""Seconds that only grow."""
Randomness = Callable[[int], bytes]


class _End(msgspec.Struct, frozen=True):
    """When something is over: as soon as one of the two says so."""

    at: datetime.datetime
    ticks: float


class Session(msgspec.Struct, frozen=True):
    """One browser's."""

    token: Digest
    """Of the token that it stands for."""
    csrf: str
    """What a request that changes something must repeat: another site can have the cookie sent, not read this."""
    end: _End

    @property
    def expires_at(self) -> datetime.datetime:
        """By the clock."""
        return self.end.at


class _Code(msgspec.Struct, frozen=True):
    token: Digest
    end: _End


class Sessions:
    """All of them."""

    def __init__(self, *, clock: Clock, randomness: Randomness, ticks: Ticks = time.monotonic) -> None:
        self._clock = clock
        self._ticks = ticks
        self._randomness = randomness
        self._sessions: dict[Digest, Session] = {}
        self._codes: dict[Digest, _Code] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, token: Digest) -> tuple[str, Session]:
        """A new session and its secret, for whoever showed the token with this digest."""
        secret = self._secret()
        self._sessions = {key: one for key, one in self._sessions.items() if not self._is_over(one.end)}
        if len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        session = Session(token=token, csrf=self._secret(), end=self._after(LIFETIME))
        self._sessions[_digest(secret)] = session
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The session with this secret; None: there is none, or it is over."""
        found = self._sessions.get(_digest(secret))
        return found if found is not None and not self._is_over(found.end) else None

    def end(self, secret: str) -> None:
        """End it; one that is not there is over already."""
        self._sessions.pop(_digest(secret), None)

    def issue_code(self, token: Digest) -> str:
        """A secret that can be exchanged for a session, once and soon."""
        code = self._secret()
        if len(self._codes) >= CODES_MAX:
            del self._codes[next(iter(self._codes))]
        self._codes[_digest(code)] = _Code(token=token, end=self._after(CODE_LIFETIME))
        return code

    def redeem(self, code: str) -> Digest | None:
        """The digest of the token that the code stands for; None: it is none, was used, or came too late."""
        found = self._codes.pop(_digest(code), None)
        return found.token if found is not None and not self._is_over(found.end) else None

    def _after(self, lifetime: datetime.timedelta) -> _End:
        return _End(at=self._clock() + lifetime, ticks=self._ticks() + lifetime.total_seconds())

    def _is_over(self, end: _End) -> bool:
        return end.at <= self._clock() or end.ticks <= self._ticks()

    def _secret(self) -> str:
        return base64.urlsafe_b64encode(self._randomness(SECRET_BYTES)).decode().rstrip("=")


def _digest(secret: str) -> Digest:
    return Digest(hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest())
