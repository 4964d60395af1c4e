"""A token's life (aggregate `token`): who may ask the hub's API, and for what.

The log holds a token's digest and never the token. A token is 256 bits of chance, so that its plain SHA-256 tells
nobody anything: there is nothing to guess that a slow hash would have to slow down.
"""

import datetime
import enum

import msgspec

from protocol.canonical import Digest


class Scope(enum.StrEnum):
    """What a token is good for; each scope holds those before it."""

    READ = "read"
    """See everything that the hub shows, and change nothing."""
    OPERATE = "operate"
    """Steer what is declared: sync, suspend, resume, accept, approve, pause, abort."""
    ADMIN = "admin"
    """Declare: sources, clusters, labels, documents, tokens; and take a hub back into service."""


class TokenIssued(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="TokenIssued"):
    """From now on whoever shows a token with this digest may do what its scope says."""

    name: str
    """Who did what, as the log tells it from now on."""
    scope: Scope
    digest: Digest
    """SHA-256 of the token's characters."""
    expires_at: datetime.datetime | None = None
    """None: not before it is revoked."""


class TokenRevoked(msgspec.Struct, frozen=True, rename="camel", tag="TokenRevoked"):
    """Nobody gets in with it any more."""

    name: str
    reason: str


class TokenExpired(msgspec.Struct, frozen=True, rename="camel", tag="TokenExpired"):
    """It is past its end: nobody gets in with it any more, even if the clock is set back."""

    name: str


Event = TokenIssued | TokenRevoked | TokenExpired
