"""Tokens: who may ask, for what, and until when. Nothing here lets anybody in."""

import datetime

import msgspec

from controller.domain import tokens
from controller.domain.views import sight
from protocol.events import tokens as events


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One token in a list."""

    name: str
    scope: events.Scope
    expires_at: datetime.datetime | None
    """None: not before it is revoked."""
    expired: bool
    as_of: datetime.datetime
    event: int
    """The event that issued it: the log says when, and by whom."""


def every(looking: sight.Sight) -> list[tokens.Token]:
    """All tokens, in the order of names."""
    return sorted(looking.world.tokens.values(), key=lambda one: one.name)


def row(looking: sight.Sight, token: tokens.Token) -> Row:
    """One token."""
    return Row(
        name=token.name,
        scope=token.scope,
        expires_at=token.expires_at,
        expired=tokens.is_over(token, looking.at),
        as_of=looking.at,
        event=looking.head("token", token.name),
    )
