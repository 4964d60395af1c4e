"""The JSON web tokens by which nats-server knows its operator, accounts and users (NATS JWT, version 2).

A token is the header, the claims and an Ed25519 signature, each in base64url without padding; the signer is the nkey
that the claims name as issuer: the operator for itself and for accounts, an account for its users.
"""

import base64
import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from protocol import canonical

VERSION = 2
UNLIMITED = -1

Sign = Callable[[bytes], bytes]

_HEADER = canonical.encode({"typ": "JWT", "alg": "ed25519-nkey"})


class Issuer(msgspec.Struct, frozen=True):
    """Who signs: its public nkey, and the signing itself."""

    id: str
    sign: Sign


class Export(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an account offers to others."""

    name: str
    subject: str
    type: str
    response_type: str = ""
    account_token_position: int = 0
    """Which token of the subject must be the importing account's own id, counted from 1; 0: none."""


class Import(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an account takes from another."""

    name: str
    subject: str
    account: str
    type: str


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may use, in the server's words. A limit that a token leaves out means zero: none is left out."""

    subs: int = UNLIMITED
    data: int = UNLIMITED
    payload: int = UNLIMITED
    imports: int = UNLIMITED
    exports: int = UNLIMITED
    wildcards: bool = True
    conn: int = UNLIMITED
    leaf: int = 0
    mem_storage: int = 0
    disk_storage: int = 0
    streams: int = 0
    consumer: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an account's token says beside its id."""

    name: str
    limits: AccountLimits
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    revoked_before: datetime.datetime | None = None
    """Tokens of its users issued up to this second are void."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a user's token says beside its id."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    subscriptions_max: int = UNLIMITED
    payload_bytes_max: int = UNLIMITED
    connection_types: tuple[str, ...] = ("STANDARD", "WEBSOCKET")
    """Never a leaf node: it would carry subscriptions of its own accounts."""
    expires_at: datetime.datetime | None = None
    """The server ends the user's connections then; None: never."""


def operator(issuer: Issuer, *, system_account: str, at: datetime.datetime) -> str:
    """The token of the operator itself."""
    return _encode(
        issuer, subject=issuer.id, name="flotilla", at=at, nats={"type": "operator", "system_account": system_account}
    )


def account(issuer: Issuer, subject: str, *, account: Account, at: datetime.datetime) -> str:
    """The token of the account whose public nkey is `subject`, signed by the operator."""
    nats: dict[str, Any] = {
        "type": "account",
        "limits": account.limits,
        "exports": account.exports,
        "imports": account.imports,
    }
    if account.revoked_before is not None:
        nats["revocations"] = {"*": int(account.revoked_before.timestamp())}
    return _encode(issuer, subject=subject, name=account.name, at=at, nats=nats)


def user(issuer: Issuer, subject: str, *, user: User, at: datetime.datetime) -> str:
    """The token of the user whose public nkey is `subject`, signed by its account."""
    nats = {
        "type": "user",
        "pub": _permission(user.publish),
        "sub": _permission(user.subscribe),
        "subs": user.subscriptions_max,
        "data": UNLIMITED,
        "payload": user.payload_bytes_max,
        "allowed_connection_types": user.connection_types,
    }
    ends = {} if user.expires_at is None else {"exp": int(user.expires_at.timestamp())}
    return _encode(issuer, subject=subject, name=user.name, at=at, nats=nats, **ends)


def deletion(issuer: Issuer, accounts: Sequence[str], *, at: datetime.datetime) -> str:
    """The operator's order to forget these accounts (`$SYS.REQ.CLAIMS.DELETE`)."""
    nats = {"type": "generic", "accounts": tuple(accounts)}
    return _encode(issuer, subject=issuer.id, name="delete", at=at, nats=nats)


class Claims(msgspec.Struct, frozen=True):
    """What an account's token says, as far as the hub reads one again."""

    issuer: str
    subject: str
    name: str
    issued_at: datetime.datetime
    revoked_before: datetime.datetime | None
    signed: bytes
    signature: bytes


def read_account(token: str) -> Claims:
    """What an account's token says; whether its signature is good, the caller finds out. Raise ValueError if it is
    none."""
    try:
        header, body, signature = token.split(".")
        found = msgspec.json.decode(_plain(body), type=_AccountClaims)
        voided = found.nats.revocations.get("*")
        return Claims(
            issuer=found.iss,
            subject=found.sub,
            name=found.name,
            issued_at=datetime.datetime.fromtimestamp(found.iat, datetime.UTC),
            revoked_before=None if voided is None else datetime.datetime.fromtimestamp(voided, datetime.UTC),
            signed=f"{header}.{body}".encode(),
            signature=_plain(signature),
        )
    except (ValueError, OverflowError, OSError) as error:  # the last two: no time of any calendar
        raise ValueError(f"not an account's token ({error})") from error


class _AccountNats(msgspec.Struct, frozen=True):
    revocations: dict[str, int] = {}


class _AccountClaims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    name: str = ""
    iat: int = 0
    nats: _AccountNats = _AccountNats()


def _plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _permission(subjects: Sequence[str]) -> Mapping[str, Any]:
    return {"allow": tuple(subjects)}


def _encode(
    issuer: Issuer, *, subject: str, name: str, at: datetime.datetime, nats: Mapping[str, Any], **more: int
) -> str:
    claims = {
        **more,
        "iss": issuer.id,
        "sub": subject,
        "name": name,
        "iat": int(at.timestamp()),
        "nats": {**nats, "version": VERSION},
    }
    # The id is a digest of the rest, as the Go library makes it: the same claims are the same token.
    claims["jti"] = base64.b32encode(hashlib.sha256(canonical.encode(claims)).digest()).decode().rstrip("=")
    signed = f"{_base64url(_HEADER)}.{_base64url(canonical.encode(claims))}"
    return f"{signed}.{_base64url(issuer.sign(signed.encode()))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
