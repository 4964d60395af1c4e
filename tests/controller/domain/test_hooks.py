"""What proves that a webhook is a forge's own."""

import base64
import datetime
import hashlib
import hmac

import hypothesis
import pytest
from hypothesis import strategies as st

from controller.domain import hooks

SECRET = hooks.new_secret(b"k" * hooks.SECRET_BYTES)
BODY = b'{"ref": "refs/heads/main"}'
AT = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)


def hexed(key: bytes, body: bytes = BODY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def standard(*, at: str = str(int(AT.timestamp())), delivery: str = "msg_1", more: str = "") -> dict[str, str]:
    """A request by the Standard Webhooks specification."""
    signed = hmac.new(b"k" * hooks.SECRET_BYTES, f"{delivery}.{at}.".encode() + BODY, hashlib.sha256).digest()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": at,
        "webhook-signature": f"{more}v1,{base64.b64encode(signed).decode()}",
    }


def proves(headers: dict[str, str], body: bytes = BODY) -> bool:
    shown = hooks.claim(headers)
    if shown is None or not hooks.is_timely(shown, AT):
        return False
    hashed = hooks.hasher(shown, SECRET)
    hashed.update(body)
    return hooks.is_proof(shown, SECRET, hashed.digest())


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": f"sha256={hexed(SECRET.encode())}"},
        {"X-Hub-Signature": f"sha256={hexed(SECRET.encode())}"},
        {"X-Gitea-Signature": hexed(SECRET.encode())},
        {"X-Forgejo-Signature": hexed(SECRET.encode())},
        {"X-Gitlab-Token": SECRET},
        standard(),
        standard(more="v1,AAAA v1,!! v2,whatever "),
        {**standard(), "X-Gitlab-Token": "another one"},
    ],
)
def test_what_a_forge_shows_is_a_proof(headers: dict[str, str]) -> None:
    assert proves(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": f"sha256={hexed(b'another secret')}"},
        {"X-Hub-Signature-256": "sha256=no"},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature": "sha1=" + "ab" * 20},
        {"X-Gitea-Signature": hexed(b"another secret")},
        {"X-Gitlab-Token": "another secret"},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": SECRET + " " * hooks.HEADER_CHARACTERS_MAX},
        {**standard(), "webhook-id": "msg_2"},
        {**standard(), "webhook-id": ""},
        {**standard(), "webhook-timestamp": "soon"},
        {**standard(), "webhook-timestamp": "9" * 13},
        {**standard(), "webhook-signature": "v1,!!", "X-Gitlab-Token": SECRET},
        standard(more="v1,AAAA " * hooks.PROOFS_MAX),
        standard(at=str(int(AT.timestamp()) - 301)),
        standard(at=str(int(AT.timestamp()) + 301)),
    ],
)
def test_what_anybody_can_show_is_none(headers: dict[str, str]) -> None:
    assert not proves(headers)


def test_a_proof_is_of_one_body() -> None:
    assert not proves(standard(), BODY + b" ")
    assert not proves({"X-Hub-Signature-256": f"sha256={hexed(SECRET.encode())}"}, BODY + b" ")


def test_what_tells_a_delivery_from_others_cannot_be_changed_without_the_secret() -> None:
    signature = hexed(SECRET.encode())
    spaced = " ".join([signature.upper()[:2], signature[2:]])
    github = hooks.claim({"X-Hub-Signature-256": f"sha256={spaced}", "X-GitHub-Delivery": "made up"})

    assert github is not None
    assert github.delivery == signature


@hypothesis.given(
    name=st.sampled_from(["X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token", "webhook-signature"]),
    value=st.text(max_size=80),
)
def test_whatever_is_shown_is_judged(name: str, value: str) -> None:
    assert not proves({"webhook-id": "a", "webhook-timestamp": "1793880000", name: value})
