"""`flotilla agent doctor`: can this agent do its work here? It looks, and changes nothing."""

import asyncio
import base64
import datetime
import email.utils
import random
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from agents import clock, configuration, errors, hub, hub_api, lease_store, renewing
from agents.kube import access, client
from agents.kube import errors as kube_errors
from protocol import diagnosis, naming, streams, subjects
from protocol.diagnosis import Finding

NATS_TIMEOUT_S = 15.0
"""To connect and to be answered; an agent that needs longer is of no use."""

SKEW_ALLOWED_S = 5.0
"""The Date header has whole seconds, and takes a moment."""

KUBERNETES_FLOOR = (1, 22)
"""Server-side apply is stable since then."""

DISK_NEEDED_BYTES = 512 * 1024 * 1024
"""The cache of blobs with its default bound, and the outbox."""

TOKEN_SOON_S = 3600.0
"""An agent that enrolled renews far earlier; one hour is when somebody has to look why it did not."""

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

NEEDS: tuple[tuple[str, str, str, str], ...] = (
    ("get", "", "namespaces", ""),
    ("list", "", "namespaces", ""),
    *((verb, "", "configmaps", naming.NAMESPACE) for verb in ("get", "list", "create", "patch", "delete")),
    *((verb, "coordination.k8s.io", "leases", naming.NAMESPACE) for verb in ("get", "create", "patch")),
)
"""Verb, group, resource, namespace: what every agent needs for its own. What bundles need, their objects tell."""

BROAD = (("patch", "*", "*", ""), ("create", "*", "*", ""), ("delete", "*", "*", ""))
"""With these it may apply whatever Git holds."""


class Ends(msgspec.Struct):
    """Of a JWT, what is looked at here."""

    exp: int = 0


async def examine(
    identity: configuration.Identity, directory: Path, *, clocks: clock.Clock, chance: random.Random
) -> list[Finding]:
    """All findings about one cluster's agent."""
    found = [_disk(directory), _token(identity.credentials.user_jwt, clocks.now())]
    found += await _nats(identity, chance)
    return [*found, *await _reached(identity.access, clocks)]


async def expect(
    problem: str, api: hub_api.HubApi, way: access.Access, *, directory: Path, clocks: clock.Clock
) -> list[Finding]:
    """All findings about an agent that has not enrolled, which is when most of them are of use."""
    advice = "start the agent with the token of 'flotilla cluster add'"
    found = [_disk(directory), diagnosis.wrong("enrolment", problem, advice)]
    try:
        await api.nonce()
        found.append(diagnosis.fine("hub", f"{api.url}: answers"))
    except (errors.HubUnavailable, errors.HubRefused) as error:
        found.append(diagnosis.wrong("hub", str(error), "check the address, the network, and --ca-pin or --ca-file"))
    return [*found, *await _reached(way, clocks)]


async def _reached(way: access.Access, clocks: clock.Clock) -> list[Finding]:
    session = access.Session(way)
    try:
        return await _cluster(session, clocks)
    finally:
        await session.close()


def _disk(directory: Path) -> Finding:
    place = directory
    while not place.exists():
        place = place.parent
    return diagnosis.space("disk", str(directory), shutil.disk_usage(place).free, needed_bytes=DISK_NEEDED_BYTES)


def _token(token: str, now: datetime.datetime) -> Finding:
    """When the hub's NATS stops to let the agent in; its signature is the server's to check."""
    advice = "look at the agent's log for renewals, or write new credentials: flotilla cluster credentials NAME"
    try:
        payload = token.split(".")[1]
        ends = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Ends).exp
    except (IndexError, ValueError, msgspec.MsgspecError) as error:
        return diagnosis.wrong("token", f"the agent's token cannot be read ({error})", advice)
    if not ends:
        return diagnosis.fine("token", "the agent's token has no end")
    return diagnosis.ends("token", "the agent's token", ends - now.timestamp(), soon_s=TOKEN_SOON_S, advice=advice)


async def _nats(identity: configuration.Identity, chance: random.Random) -> list[Finding]:
    """Can the hub be reached, and does it answer?"""
    held, where = identity.credentials, ", ".join(identity.credentials.nats_urls)
    connection = hub.Hub(renewing.identity_of(held, identity.seed), timeout_s=NATS_TIMEOUT_S, chance=chance)
    arrived = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            connection.run(subjects.live(held.cluster), receive=lambda _: None, arrived=arrived.set)
        )
        try:
            async with asyncio.timeout(NATS_TIMEOUT_S):
                await arrived.wait()
            asked = subjects.direct_get(streams.DESIRED.name, subjects.desired(held.cluster))
            last = await connection.last(asked)
        except TimeoutError:
            advice = "check the address, the network and whether the hub revoked this cluster (flotilla cluster list)"
            return [diagnosis.wrong("nats", f"{where}: not connected within {NATS_TIMEOUT_S:.0f} s", advice)]
        except errors.HubUnavailable as error:
            return [diagnosis.wrong("nats", str(error), "the server is there, JetStream is not: look at the hub")]
        finally:
            running.cancel()
    state = "has a desired state" if last is not None else "has no desired state yet"
    return [diagnosis.fine("nats", f"{where}: connected, and the cluster {state}")]


async def _cluster(session: access.Session, clocks: clock.Clock) -> list[Finding]:
    """The API server: its version, its clock, and what it lets the agent do."""
    try:
        await session.open()
        api = client.Client(session, client.Limits())
        version: dict[str, Any] = await api.get("/version")
        reviews = [await _may(api, need) for need in (*NEEDS, *BROAD)]
    except kube_errors.KubeError as error:
        advice = "check the kubeconfig, the network, and whether the API server runs"
        return [diagnosis.wrong("api server", str(error), advice)]
    return [
        _version(version),
        await _clock(session, clocks),
        _rights(reviews[: len(NEEDS)]),
        _broad(reviews[len(NEEDS) :]),
        await _asked("lease", lambda: api.get(lease_store.PATH)),
    ]


def _version(version: dict[str, Any]) -> Finding:
    told = str(version.get("gitVersion", "unknown"))
    numbers = tuple(int("".join(filter(str.isdigit, str(version.get(key, "")))) or 0) for key in ("major", "minor"))
    if numbers < KUBERNETES_FLOOR:
        floor = ".".join(map(str, KUBERNETES_FLOOR))
        return diagnosis.wrong("kubernetes", f"version {told}", f"upgrade to {floor} or later: server-side apply")
    return diagnosis.fine("kubernetes", f"version {told}")


async def _clock(session: access.Session, clocks: clock.Clock) -> Finding:
    arguments = await session.arguments()
    try:
        async with session.http.get(f"{session.host}/version", **arguments) as response:
            told = response.headers.get("Date", "")
            at = email.utils.parsedate_to_datetime(told)
    except (aiohttp.ClientError, ValueError) as error:
        return diagnosis.warning("clock", f"the API server tells no time ({error})", "compare the clocks by hand")
    return diagnosis.skew("clock", "the API server", (at - clocks.now()).total_seconds(), allowed_s=SKEW_ALLOWED_S)


async def _may(api: client.Client, need: tuple[str, str, str, str]) -> str:
    """What is missing; empty: it is allowed."""
    verb, group, resource, namespace = need
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await api.create(REVIEWS, review)
    where = f" in {namespace}" if namespace else ""
    status = answer.get("status")
    allowed = isinstance(status, dict) and status.get("allowed") is True
    return "" if allowed else f"{verb} {resource}{where}"


def _rights(missing: list[str]) -> Finding:
    refused = [one for one in missing if one]
    if refused:
        advice = "apply what 'flotilla cluster manifest NAME' prints: without these the agent does nothing"
        return diagnosis.wrong("rights", f"may not {', '.join(refused)}", advice)
    return diagnosis.fine("rights", "may keep its lease, mark and inventory")


def _broad(missing: list[str]) -> Finding:
    if any(missing):
        advice = "give the agent's service account rights on the kinds that your bundles hold; others fail by name"
        return diagnosis.warning("bundles", "may not apply every kind in every namespace", advice)
    return diagnosis.fine("bundles", "may apply, create and delete every kind")


async def _asked(check: str, ask: Callable[[], Awaitable[dict[str, Any]]]) -> Finding:
    """Who acts for the cluster now."""
    try:
        found = await ask()
    except (kube_errors.NotFound, kube_errors.NamespaceMissing):
        return diagnosis.fine(check, "no agent has acted here yet")
    except kube_errors.KubeError as error:
        return diagnosis.wrong(check, str(error), "without the lease no agent acts: see 'rights'")
    holder = (found.get("spec") or {}).get("holderIdentity")
    return diagnosis.fine(check, f"held by {holder}" if holder else "held by nobody")
