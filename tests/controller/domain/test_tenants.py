"""Tokens and tenants: what each may do, exactly, and that the same input gives the same token."""

import base64
import datetime
import json
from typing import Any

import msgspec
import pytest

from controller.domain import jwts, tenants
from protocol import ids

AT = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
CLUSTER = ids.ClusterId("A" + "C" * 55)
HUB = "A" + "H" * 55
OPERATOR = jwts.Issuer(id="O" + "O" * 55, sign=lambda data: b"signature of " + data[:0])


def claims(token: str) -> dict[str, Any]:
    _, body, _ = token.split(".")
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_token_is_header_claims_and_signature() -> None:
    signed: list[bytes] = []
    issuer = jwts.Issuer(id=OPERATOR.id, sign=lambda data: signed.append(data) or b"sig")  # type: ignore[func-returns-value]

    token = jwts.operator(issuer, system_account=HUB, at=AT)

    header, body, signature = token.split(".")
    assert signed == [f"{header}.{body}".encode()]
    assert base64.urlsafe_b64decode(signature) == b"sig"
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "ed25519-nkey", "typ": "JWT"}
    assert {name: claims(token)[name] for name in ("iss", "sub", "iat")} == {
        "iss": OPERATOR.id,
        "sub": OPERATOR.id,
        "iat": int(AT.timestamp()),
    }
    assert claims(token)["nats"] == {"type": "operator", "version": 2, "system_account": HUB}


def test_the_same_claims_are_the_same_token() -> None:
    first, second = (
        jwts.account(OPERATOR, CLUSTER, account=tenants.cluster_account(CLUSTER, name="a", hub=HUB), at=AT)
        for _ in range(2)
    )

    assert first == second
    assert claims(first)["jti"]


def test_a_cluster_imports_its_own_id_and_exports_nothing() -> None:
    account = tenants.cluster_account(CLUSTER, name="a", hub=HUB)

    assert [(one.type, one.subject) for one in account.imports] == [
        ("stream", f"flotilla.v1.live.{CLUSTER}"),
        ("service", f"$JS.API.DIRECT.GET.DESIRED.flotilla.v1.desired.{CLUSTER}"),
        ("service", "$JS.API.DIRECT.GET.BLOBS.flotilla.v1.blob.*"),
        ("service", f"flotilla.v1.report.{CLUSTER}.>"),
        ("service", f"flotilla.v1.beat.{CLUSTER}"),
        ("service", f"flotilla.v1.renew.{CLUSTER}"),
    ]
    assert {one.account for one in account.imports} == {HUB}
    assert account.exports == ()
    limits = account.limits
    assert (limits.exports, limits.disk_storage, limits.mem_storage, limits.streams, limits.leaf) == (0, 0, 0, 0, 0)


def test_every_export_but_the_blobs_names_the_place_of_the_importers_id() -> None:
    for export in tenants.hub_account().exports:
        tokens = export.subject.split(".")
        position = export.account_token_position
        if export.name == "blobs":
            assert position == 0
        else:
            assert tokens[position - 1] == "*"
            assert tokens.index("*") == position - 1


def test_an_agent_may_publish_and_subscribe_to_these_and_nothing_else() -> None:
    user = tenants.agent_user(CLUSTER, name="a")

    assert user.publish == (
        f"flotilla.v1.report.{CLUSTER}.>",
        f"flotilla.v1.beat.{CLUSTER}",
        f"flotilla.v1.renew.{CLUSTER}",
        f"$JS.API.DIRECT.GET.DESIRED.flotilla.v1.desired.{CLUSTER}",
        "$JS.API.DIRECT.GET.BLOBS.flotilla.v1.blob.*",
    )
    assert user.subscribe == ("_INBOX.>", f"flotilla.v1.live.{CLUSTER}")
    assert user.connection_types == ("STANDARD", "WEBSOCKET")


def test_a_revocation_is_for_every_user_of_the_account() -> None:
    account = jwts.Account(name="a", limits=jwts.AccountLimits(), revoked_before=AT)

    token = jwts.account(OPERATOR, CLUSTER, account=account, at=AT)

    assert claims(token)["nats"]["revocations"] == {"*": int(AT.timestamp())}
    without = jwts.account(OPERATOR, CLUSTER, account=jwts.Account(name="a", limits=jwts.AccountLimits()), at=AT)
    assert "revocations" not in claims(without)["nats"]


def test_a_users_token_ends_where_it_is_said_to() -> None:
    ends = AT + datetime.timedelta(hours=1)
    tokens = [
        jwts.user(OPERATOR, "U" * 56, user=tenants.agent_user(CLUSTER, name="a", expires_at=one), at=AT)
        for one in (ends, None)
    ]

    assert [claims(token).get("exp") for token in tokens] == [int(ends.timestamp()), None]


def test_a_deletion_names_the_accounts() -> None:
    token = jwts.deletion(OPERATOR, [CLUSTER], at=AT)

    assert claims(token)["nats"] == {"type": "generic", "version": 2, "accounts": [CLUSTER]}


def test_the_hub_and_the_system_may_do_all_within_their_accounts() -> None:
    user = tenants.hub_user("hub")

    assert (user.publish, user.subscribe) == ((">",), (">",))
    token = jwts.user(OPERATOR, "U" * 56, user=user, at=AT)
    assert claims(token)["nats"]["pub"] == {"allow": [">"]}
    assert tenants.system_account().limits.disk_storage == 0


def test_what_an_account_s_token_says_is_read_again() -> None:
    account = tenants.cluster_account(CLUSTER, name="edge", hub=HUB)
    revoked = msgspec.structs.replace(account, revoked_before=AT)

    found = jwts.read_account(jwts.account(OPERATOR, CLUSTER, account=revoked, at=AT))
    open_ = jwts.read_account(jwts.account(OPERATOR, CLUSTER, account=account, at=AT))

    assert (found.issuer, found.subject, found.name, found.revoked_before) == (OPERATOR.id, CLUSTER, "edge", AT)
    assert (found.signature, open_.revoked_before) == (b"signature of ", None)


@pytest.mark.parametrize("token", ["", "a.b", "a.e30.c", "a.!.c", "a.bm8.c"])
def test_what_is_no_token_is_not_read(token: str) -> None:
    with pytest.raises(ValueError, match="not an account's token"):
        jwts.read_account(token)
