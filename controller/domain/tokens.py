"""Who may ask, and for what: tokens by name, each with a scope and, if it was given one, an end.

- A name has one token at a time, so that the log tells who did something.
- What is over is over: a token that is revoked or past its end lets nobody in, whatever its digest. That it is past its
  end is said in the log once it is so (`expired`): a clock that is set back brings no token back.
- There are never more than TOKENS_MAX; what is past its end makes room by itself.

A restored hub believes the log that it was restored with: a token that was revoked after the backup was made is good
again, and is listed.
"""

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from typing import assert_never

import msgspec

from controller.domain import rejections
from protocol import ids
from protocol.canonical import Digest
from protocol.events import tokens as events

TOKENS_MAX = 200
"""Each is compared at every request; people and programs that need more should share a name."""

TTL_S_MAX = 10 * 365 * 86400.0
"""Ten years: whoever means longer means for ever."""

RESERVED = frozenset({"admin", "hub"})
"""Names that the log gives to others: whoever shows the hub's own token, and the hub itself."""

_RANKS = {scope: rank for rank, scope in enumerate(events.Scope)}


class Token(msgspec.Struct, frozen=True, rename="camel"):
    """One token, as far as the hub knows it."""

    name: str
    scope: events.Scope
    digest: Digest
    expires_at: datetime.datetime | None
    is_expired: bool = False
    """The log says so, whatever the clock says now."""


Tokens = Mapping[str, Token]


def covers(held: events.Scope, needed: events.Scope) -> bool:
    """Is a token of scope `held` good for what needs `needed`?"""
    return _RANKS[held] >= _RANKS[needed]


def digest(secret: str) -> Digest:
    """What the log holds in place of the token itself. Any characters have one, even broken ones."""
    return Digest(hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest())


def find(tokens: Tokens, shown: Digest, at: datetime.datetime) -> Token | None:
    """The token with this digest that is good now. Every token is compared, each in a time that tells nothing."""
    found = None
    for one in tokens.values():
        if hmac.compare_digest(one.digest, shown) and not is_over(one, at):
            found = one
    return found


def find_over(tokens: Tokens, shown: Digest, at: datetime.datetime) -> Token | None:
    """The token with this digest that is past its end, compared as `find` does."""
    found = [one for one in tokens.values() if hmac.compare_digest(one.digest, shown)]
    return found[-1] if found and is_over(found[-1], at) else None


def is_over(token: Token, at: datetime.datetime) -> bool:
    """Is it past its end?"""
    return token.is_expired or (token.expires_at is not None and token.expires_at <= at)


def expired(tokens: Tokens, at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide which tokens are past their ends, once for each."""
    over = [one.name for one in tokens.values() if is_over(one, at) and not one.is_expired]
    return tuple(events.TokenExpired(name=name) for name in over)


def issue(tokens: Tokens, new: Token, at: datetime.datetime) -> tuple[events.Event, ...]:
    """Decide to let the holder of a new token in."""
    ids.dns_label(new.name, "token")
    if new.name in RESERVED:
        raise rejections.Invalid(f"token {new.name!r}: the log means somebody else by that name; choose another")
    over = tuple(name for name, one in tokens.items() if is_over(one, at))
    if new.name in tokens and new.name not in over:
        raise rejections.AlreadyExists(f"token {new.name!r}: there is one; revoke it first")
    if is_over(new, at):
        raise rejections.Invalid(f"token {new.name!r}: it would be over before it is used")
    if len(tokens) - len(over) >= TOKENS_MAX:
        raise rejections.Invalid(f"token {new.name!r}: there are {TOKENS_MAX} already; revoke one first")
    issued = events.TokenIssued(name=new.name, scope=new.scope, digest=new.digest, expires_at=new.expires_at)
    return (*(events.TokenRevoked(name=name, reason="past its end") for name in over), issued)


def revoke(tokens: Tokens, name: str, reason: str) -> tuple[events.Event, ...]:
    """Decide that nobody gets in with it any more; NotFound if there is none of this name."""
    if name not in tokens:
        raise rejections.NotFound(f"token {name!r}: there is none")
    return (events.TokenRevoked(name=name, reason=reason),)


def evolve(tokens: Tokens, event: events.Event) -> Tokens:
    """The tokens after one more fact."""
    match event:
        case events.TokenIssued():
            token = Token(name=event.name, scope=event.scope, digest=event.digest, expires_at=event.expires_at)
            return {**tokens, event.name: token}
        case events.TokenRevoked():
            return {name: one for name, one in tokens.items() if name != event.name}
        case events.TokenExpired():
            return {**tokens, event.name: msgspec.structs.replace(tokens[event.name], is_expired=True)}
        case _:
            assert_never(event)
