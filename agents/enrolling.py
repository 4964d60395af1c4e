"""From an operator's token to an identity: once, and then never again.

The key comes first and is kept before it is used; whatever fails on the way, the next attempt is the same agent's.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from agents import agent, configuration, errors, hub_api, identities, mark_store, renewing, surveying
from agents.domain import retry
from agents.kube import access, client
from agents.kube import errors as kube_errors
from protocol import enrolment

RETRY_BASE_S = 1.0
RETRY_CEILING_S = 60.0
"""Until there is an API server and a hub, and a person accepted the agent: costs either a request a minute."""


class Newcomer(msgspec.Struct, frozen=True):
    """A cluster whose agent enrols, unless it did already."""

    hub_url: str
    token: str
    """Empty: there is none any more, and none is needed once it is enrolled."""
    trust: hub_api.Trust
    access: access.Access
    identity_file: Path | None
    """None: a Secret in the cluster."""

    def __repr__(self) -> str:
        return f"Newcomer({self.hub_url})"


def newcomer(cluster: configuration.Cluster, directory: Path, *, token: str = "", file: Path | None) -> Newcomer:
    """The cluster of a configuration; relative paths start at `directory`. `file`: where the identity is kept unless
    the cluster says otherwise. Raise SetupError if a file cannot be read."""
    authority = configuration.text(directory / cluster.ca_file) if cluster.ca_file else ""
    if cluster.token_file and not token:
        token = configuration.text_if_there(directory / cluster.token_file).strip()
    return Newcomer(
        hub_url=cluster.hub,
        token=token,
        trust=hub_api.Trust(authority, cluster.ca_pin, cluster.insecure_plain),
        access=configuration.way(cluster, directory),
        identity_file=directory / cluster.identity if cluster.identity else file,
    )


async def known(newcomer: Newcomer, limits: client.Limits) -> configuration.Identity:
    """Who the agent is by an earlier enrolment, without enrolling; raise NotLetIn if there was none."""
    stored = await _keeper(newcomer, limits).load()
    if stored is None or stored.credentials is None:
        raise errors.NotLetIn("enrolment: this agent has not enrolled yet")
    return configuration.Identity(stored.credentials, stored.seed.encode(), newcomer.access)


def _keeper(newcomer: Newcomer, limits: client.Limits) -> identities.Keeper:
    if newcomer.identity_file is not None:
        return identities.FileKeeper(newcomer.identity_file)
    return identities.SecretKeeper(newcomer.access, limits)


class Enrolment:
    """Gets one agent in."""

    def __init__(self, newcomer: Newcomer, *, limits: client.Limits, around: agent.Surroundings) -> None:
        self._newcomer = newcomer
        self._limits = limits
        self._around = around
        self._log = structlog.get_logger().bind(hub=newcomer.hub_url)
        self._api = hub_api.HubApi(newcomer.hub_url, newcomer.trust)
        self._keeper = _keeper(newcomer, limits)

    async def identity(self) -> configuration.Identity:
        """Who the agent is; enrol if it is nobody yet, for as long as that takes.

        Raise NotLetIn if the hub refuses, or there is no token to show it.
        """
        attempt = 0
        while True:
            try:
                stored = await self._enrolled()
            except (errors.HubUnavailable, errors.DiskFailed, _Waiting, kube_errors.KubeError) as error:
                self._log.info("not enrolled yet", reason=str(error), attempt=attempt)
                chance = self._around.chance.random()
                delay = retry.backoff(attempt, base_s=RETRY_BASE_S, ceiling_s=RETRY_CEILING_S, chance=chance)
                attempt += 1
                await asyncio.sleep(delay)
            except errors.HubRefused as error:
                raise errors.NotLetIn(str(error)) from error
            else:
                assert stored.credentials is not None, "enrolled without credentials"
                renewal = renewing.Renewal(stored, self._keeper, self._api)
                return configuration.Identity(stored.credentials, stored.seed.encode(), self._newcomer.access, renewal)

    async def _enrolled(self) -> identities.Stored:
        stored = await self._keeper.load()
        token = enrolment.token_digest(self._newcomer.token) if self._newcomer.token else ""
        if stored is not None and stored.credentials is not None and token in ("", stored.token):
            return stored
        if not token:
            raise errors.NotLetIn("enrolment: no token, and no identity from an earlier one")
        if stored is None or stored.token != token:
            stored = identities.Stored(seed=identities.new_seed(), token=token)
            await self._keeper.save(stored)
        request = await self._request(stored)
        answer = await self._api.enrol(request)
        if isinstance(answer, enrolment.EnrolmentWaiting):
            raise _Waiting("a person must accept this agent (flotilla cluster accept)")
        now = self._around.clocks.now()
        stored = msgspec.structs.replace(stored, credentials=answer, received_at=now)
        await self._keeper.save(stored)
        self._log.info("enrolled", cluster=answer.name)
        return stored

    async def _request(self, stored: identities.Stored) -> enrolment.EnrolRequest:
        """What the API server says about who we are, with what we were given."""
        session = access.Session(self._newcomer.access)
        try:
            await session.open()
            api = client.Client(session, self._limits)
            kube_system = await api.get(surveying.CLUSTER_PATH)
            mark = (await mark_store.MarkStore(api).read()).mark
        finally:
            await session.close()
        return enrolment.EnrolRequest(
            token=self._newcomer.token,
            agent_key=stored.public_key,
            cluster_uid=kube_system["metadata"]["uid"],
            epoch=mark.epoch,
            generation=mark.generation,
        )


class _Waiting(Exception):
    """Not yet."""
