"""Webhooks as the forges really send them: their headers, their events, their ways to sign and to encode a body."""

import base64
import hashlib
import hmac
import json
import urllib.parse
from typing import Any, NamedTuple

import aiohttp
import pytest

from protocol import ids
from tests.fixtures import hub as hubs

SHOP = ids.SourceName("shop")
AFTER = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
BEFORE = "95790bf891e76fee5e1747ab589903a6a1f80f22"
REPOSITORY = {"id": 15, "name": "shop", "full_name": "mike/shop", "clone_url": "https://git.example.com/mike/shop.git"}

PUSH = {
    "ref": "refs/heads/main",
    "before": BEFORE,
    "after": AFTER,
    "repository": REPOSITORY,
    "commits": [{"id": AFTER}],
}
TAG = {"ref": "refs/tags/v1.0.0", "before": "0" * 40, "after": AFTER, "repository": REPOSITORY, "commits": []}
DELETED = {"ref": "refs/heads/gone", "before": BEFORE, "after": "0" * 40, "deleted": True, "repository": REPOSITORY}
PING = {"zen": "Design for failure. \N{GREEK SMALL LETTER ALPHA}", "hook_id": 109948940, "repository": REPOSITORY}

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Sent(NamedTuple):
    """One request of a forge."""

    headers: dict[str, str]
    body: bytes


def signed(secret: str, body: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def github(secret: str, event: str, payload: dict[str, Any], kind: str = JSON) -> Sent:
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    body = (text if kind == JSON else urllib.parse.urlencode({"payload": text})).encode()
    headers = {
        "Content-Type": kind,
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-ID": "79929171",
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature": f"sha1={signed(secret, body, 'sha1')}",
        "X-Hub-Signature-256": f"sha256={signed(secret, body)}",
    }
    return Sent(headers, body)


def gitea(secret: str, event: str, payload: dict[str, Any], name: str = "Gitea") -> Sent:
    """Gitea, and Forgejo, which adds headers of its own; both indent what they send."""
    body = json.dumps(payload, indent=2).encode()
    signature, delivery = signed(secret, body), "f6266f16-1bf3-46a5-9ea4-602e06ead473"
    names = {"GitHub", "Gogs", "Gitea", name}
    headers = {
        "Content-Type": JSON,
        **{f"X-{one}-{what}": value for one in names for what, value in (("Delivery", delivery), ("Event", event))},
        **{f"X-{one}-Signature": signature for one in names - {"GitHub"}},
        "X-Hub-Signature": f"sha1={signed(secret, body, 'sha1')}",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return Sent(headers, body)


def gitlab(secret: str, event: str, payload: dict[str, Any], signs_at: int | None = None) -> Sent:
    """`signs_at`: when, by a signing token; None: it shows a secret token, as all did before 19.0."""
    body = json.dumps({"object_kind": event, **payload}).encode()
    delivery = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
    headers = {
        "Content-Type": JSON,
        "User-Agent": "GitLab/19.1.0",
        "Idempotency-Key": delivery,
        "X-Gitlab-Event": {"push": "Push Hook", "tag_push": "Tag Push Hook"}[event],
        "X-Gitlab-Instance": "https://gitlab.example.com",
        "X-Gitlab-Webhook-UUID": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
        "X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
    }
    if signs_at is None:
        return Sent({**headers, "X-Gitlab-Token": secret}, body)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    proof = hmac.new(key, f"{delivery}.{signs_at}.".encode() + body, hashlib.sha256).digest()
    more = {
        "webhook-id": delivery,
        "webhook-timestamp": str(signs_at),
        "webhook-signature": "v1," + base64.b64encode(proof).decode(),
    }
    return Sent({**headers, **more}, body)


def bitbucket(secret: str) -> Sent:
    body = json.dumps({"push": {"changes": []}, "repository": REPOSITORY}).encode()
    headers = {
        "Content-Type": JSON,
        "User-Agent": "Bitbucket-Webhooks/2.0",
        "X-Event-Key": "repo:push",
        "X-Request-UUID": "c4e1e9a2-0a4c-4b8e-8a5a-5f0b1b1f0c11",
        "X-Hub-Signature": f"sha256={signed(secret, body)}",
    }
    return Sent(headers, body)


def every(secret: str, at: int) -> dict[str, Sent]:
    return {
        "github push": github(secret, "push", PUSH),
        "github push, form": github(secret, "push", PUSH, FORM),
        "github ping": github(secret, "ping", PING),
        "github ping, form": github(secret, "ping", PING, FORM),
        "github tag": github(secret, "push", TAG),
        "github branch deleted": github(secret, "delete", DELETED),
        "gitea push": gitea(secret, "push", PUSH | {"pusher": {"login": "mike"}}),
        "gitea tag": gitea(secret, "create", TAG),
        "forgejo push": gitea(secret, "push", PUSH, "Forgejo"),
        "gitlab push, token": gitlab(secret, "push", PUSH),
        "gitlab tag, signed": gitlab(secret, "tag_push", TAG, at),
        "bitbucket push": bitbucket(secret),
    }


NAMES = sorted(every("whsec_" + base64.b64encode(bytes(32)).decode(), 0))


@pytest.fixture
async def shop(hub: hubs.Hub) -> hubs.Hub:
    """A source with a hook."""
    await hub.resolve("shop", "web")
    hub.renew_hook(SHOP)
    return hub


async def status_of(client: aiohttp.ClientSession, sent: Sent) -> int:
    async with client.post("/hooks/shop", data=sent.body, headers=sent.headers) as answer:
        return answer.status


@pytest.mark.parametrize("name", NAMES)
async def test_what_a_forge_sends_is_taken_once(stranger: aiohttp.ClientSession, shop: hubs.Hub, name: str) -> None:
    sent = every(shop.hooks[SHOP], int(shop.now.timestamp()))[name]

    assert [await status_of(stranger, sent) for _ in range(2)] == [202, 409]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gitlab push, token"])
async def test_a_body_that_was_changed_on_its_way_is_refused(
    stranger: aiohttp.ClientSession, shop: hubs.Hub, name: str
) -> None:
    sent = every(shop.hooks[SHOP], int(shop.now.timestamp()))[name]

    assert await status_of(stranger, sent._replace(body=sent.body + b" ")) == 401


@pytest.mark.parametrize("name", NAMES)
async def test_another_secret_proves_nothing(stranger: aiohttp.ClientSession, shop: hubs.Hub, name: str) -> None:
    other = "whsec_" + base64.b64encode(b"another secret of 32 bytes here!").decode()

    assert await status_of(stranger, every(other, int(shop.now.timestamp()))[name]) == 401


@pytest.mark.parametrize("kept", ["X-Hub-Signature", "X-GitHub-Event"])
async def test_sha_1_alone_proves_nothing(stranger: aiohttp.ClientSession, shop: hubs.Hub, kept: str) -> None:
    sent = github(shop.hooks[SHOP], "push", PUSH)
    headers = {kept: sent.headers[kept], "Content-Type": JSON}

    assert await status_of(stranger, sent._replace(headers=headers)) == 401


async def test_the_best_proof_counts_and_a_weaker_one_does_not_save_it(
    stranger: aiohttp.ClientSession, shop: hubs.Hub
) -> None:
    sent = gitlab(shop.hooks[SHOP], "push", PUSH, int(shop.now.timestamp()) - 3600)

    old = sent._replace(headers={**sent.headers, "X-Gitlab-Token": shop.hooks[SHOP]})

    assert await status_of(stranger, old) == 401
