"""Agents that let themselves in by a token: hub, nats-server and agents are processes, the clusters those of a sandbox.

How it looks on a real API server, from inside of the cluster, stands in `test_manifest`.
"""

import asyncio
import contextlib
import pathlib
import shutil
import stat
from collections.abc import AsyncIterator

import nats.errors
import pytest

from agents import identities
from controller import bootstrap
from controller.demo import repository
from protocol import credentials
from tests.fixtures import enrolling
from tests.fixtures import nats as rigs
from tests.fixtures import processes as supervised
from tests.fixtures.fleet import Site

pytestmark = pytest.mark.nats

LIFETIME_S = 40.0
"""Of tokens that are renewed while a test looks: the last quarter of it is what a busy machine may be late."""

BRIEF_S = 4.0
"""Of tokens that a test lets end."""


class Rig:
    def __init__(self, hub: enrolling.Hub, stack: contextlib.AsyncExitStack, sites: list[Site]) -> None:
        self.hub = hub
        self._stack = stack
        self._sites = sites

    def agent(self, name: str) -> enrolling.Agent:
        """The agent of a cluster that nobody else has."""
        return enrolling.Agent(self.hub, self._sites.pop(), self.hub.directory / name, self._stack)


@pytest.fixture
async def rig(request: pytest.FixtureRequest, tmp_path: pathlib.Path, fleet_sandbox: list[Site]) -> AsyncIterator[Rig]:
    """Its tokens live for days, unless a test asks for others."""
    flags = [] if (lifetime_s := getattr(request, "param", None)) is None else ["--token-lifetime-s", str(lifetime_s)]
    async with enrolling.started(tmp_path, *flags) as (hub, stack):
        yield Rig(hub, stack, fleet_sandbox)


async def enrolled(rig: Rig, name: str = "edge-1") -> enrolling.Agent:
    await rig.hub.add(name, env="prod")
    agent = rig.agent(name)
    await agent.start(await rig.hub.token(name))
    await rig.hub.online(name)
    return agent


async def is_let_in(held: credentials.Credentials) -> bool:
    """Does nats-server take this token?"""
    try:
        async with rigs.connect_agent(held, again=False):
            return True
    except nats.errors.Error:
        return False


async def is_turned_away(held: credentials.Credentials) -> bool:
    """Does nats-server answer that this token is void? The hub tells it so only once the agent has another one."""
    try:
        async with rigs.connect_agent(held, again=False):
            return False
    except nats.errors.Error as error:
        return "Authorization Violation" in str(error)


async def test_one_command_enrols_and_runs_and_needs_no_token_again(rig: Rig) -> None:
    agent = await enrolled(rig)
    file = agent.state / identities.FILE_NAME
    key = agent.identity().public_key

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [fact] = await rig.hub.events("AgentEnrolled")
    assert fact["key"] == key
    await agent.stop()
    await agent.start()
    await rig.hub.online("edge-1")
    assert agent.identity().public_key == key
    assert len(await rig.hub.events("AgentEnrolled")) == 1


async def test_a_used_token_lets_no_other_agent_in(rig: Rig) -> None:
    await rig.hub.add("edge-1")
    token = await rig.hub.token("edge-1")
    first, second = rig.agent("first"), rig.agent("second")
    await first.start(token)
    await rig.hub.online("edge-1")
    await second.start(token)

    assert "unknown, expired, or used by another agent" in await second.refusal()
    await rig.hub.online("edge-1")


async def test_an_agent_whose_answer_was_lost_enrols_as_the_same_one(rig: Rig) -> None:
    await rig.hub.add("edge-1")
    token = await rig.hub.token("edge-1")
    agent = rig.agent("edge-1")
    await agent.start(token)
    await rig.hub.online("edge-1")
    await agent.stop()
    kept = agent.identity()
    # As it was before the answer came: the key is there, the credentials are not.
    lost = identities.Stored(seed=kept.seed, token=kept.token)
    await identities.FileKeeper(agent.state / identities.FILE_NAME).save(lost)

    await agent.start(token)
    await supervised.until("credentials again", lambda: _has_credentials(agent))

    assert agent.identity().public_key == kept.public_key
    assert len(await rig.hub.events("AgentEnrolled")) == 1


async def _has_credentials(agent: enrolling.Agent) -> bool:
    return agent.identity().credentials is not None


async def test_a_person_lets_the_agent_in_where_that_is_asked_for(rig: Rig) -> None:
    await rig.hub.add("edge-1")
    agent = rig.agent("edge-1")
    await agent.start(await rig.hub.token("edge-1", manual=True))

    async def asks() -> bool:
        return bool(await rig.hub.events("EnrolmentRequested"))

    await supervised.until("the agent asks", asks)
    assert not await rig.hub.is_online("edge-1")
    await rig.hub.api.post("clusters/edge-1/accept", {})
    await rig.hub.online("edge-1")


async def test_another_cluster_takes_a_name_over_only_when_an_operator_says_so(rig: Rig) -> None:
    old = await enrolled(rig)
    before = await rig.hub.row("edge-1")
    rebuilt = rig.agent("rebuilt")
    await rebuilt.start(await rig.hub.token("edge-1"))
    assert "flotilla cluster replace edge-1" in await rebuilt.refusal()
    [refused] = await rig.hub.events("EnrolmentRefused")

    await rebuilt.start(await rig.hub.token("edge-1", "replace"))
    await rig.hub.online("edge-1")

    after = await rig.hub.row("edge-1")
    assert (after["labels"], after["id"] != before["id"]) == (before["labels"], True)
    assert after["id"] == rebuilt.held().cluster
    assert refused["cluster"] == before["id"]
    assert not await is_let_in(old.held())


@pytest.mark.parametrize("rig", [LIFETIME_S], indirect=True)
async def test_a_token_is_renewed_over_the_connection_for_as_long_as_it_lasts(rig: Rig) -> None:
    agent = await enrolled(rig)
    first = agent.held()

    async def renewed_twice() -> bool:
        return agent.log().count('"token renewed"') >= 2

    await supervised.until("two renewals", renewed_twice)
    await rig.hub.online("edge-1")
    assert (agent.held().user_jwt != first.user_jwt, agent.identity().seed) == (True, first.seed)
    assert "Authorization" not in agent.log()


@pytest.mark.parametrize("rig", [BRIEF_S], indirect=True)
async def test_an_agent_whose_token_ended_while_the_hub_was_away_comes_back(rig: Rig) -> None:
    agent = await enrolled(rig)
    await rig.hub.stop()
    ended = agent.held()
    await asyncio.sleep(BRIEF_S * 1.5)  # time itself is what is tested: the token ends
    await rig.hub.start()

    assert not await is_let_in(ended)
    await rig.hub.online("edge-1")
    await supervised.until("its token lets it in", lambda: is_let_in(agent.held()))


async def test_a_revoked_agent_is_out_at_once_and_stays_out(rig: Rig) -> None:
    agent, other = await enrolled(rig), await enrolled(rig, "edge-2")
    async with rigs.connect_agent(agent.held(), again=False) as live:
        await rig.hub.api.post("clusters/edge-1/revoke", {})
        await supervised.until("the connection is gone", lambda: _closed(live))

    async def is_refused() -> bool:
        return '"token refused"' in agent.log()

    await supervised.until("its renewal is refused", is_refused)
    held = agent.held()
    await rig.hub.stop()
    await rig.hub.start()
    await rig.hub.online("edge-2")
    assert not await is_let_in(held)
    assert await is_let_in(other.held())
    assert agent.held() == held

    await agent.stop()
    await agent.start(await rig.hub.token("edge-1"))
    await rig.hub.online("edge-1")


async def test_a_cluster_that_had_another_name_begins_above_the_mark_that_stands_in_it(rig: Rig) -> None:
    """Else its agent would take what is newer for stale, and the hub would take it for one that is ahead."""
    source = repository.Repository(rig.hub.directory / "fleet.git")
    config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: default}}"
    source.merge({"apps/one/all.yaml": config_map}, "one", at=bootstrap.utc_now())
    spec = {"url": source.url, "paths": ["apps/*"], "allClusters": True, "intervalS": 1.0}
    await rig.hub.api.post("sources", {"name": "fleet", "spec": spec})
    agent = await enrolled(rig)

    async def is_well(name: str) -> bool:
        row = await rig.hub.row(name)
        return bool((row["sync"], row["health"]) == ("Synced", "Healthy"))

    await supervised.until("it has the bundle", lambda: is_well("edge-1"))
    await agent.stop()
    await rig.hub.api.delete("clusters/edge-1")
    await rig.hub.add("edge-9")
    await agent.start(await rig.hub.token("edge-9"))
    await supervised.until("it has the bundle under another name", lambda: is_well("edge-9"))

    row, overview = await rig.hub.row("edge-9"), await rig.hub.api.get("status")
    assert (row["epoch"], row["generation"] >= 1, overview["recovery"]) == (2, True, None)


async def _closed(client: rigs.nats.aio.client.Client) -> bool:
    return not client.is_connected


async def test_an_agent_changes_its_key_when_it_is_told_to(rig: Rig) -> None:
    agent = await enrolled(rig)
    before = agent.held()
    await rig.hub.api.post("clusters/edge-1/rotate", {})

    async def rotated() -> bool:
        return bool(await rig.hub.events("AgentKeyRotated")) and agent.held().seed != before.seed

    await supervised.until("another key", rotated)
    await rig.hub.online("edge-1")
    assert await is_let_in(agent.held())
    await supervised.until("the old key lets nobody in", lambda: is_turned_away(before))


async def test_an_answer_with_a_new_key_that_was_lost_locks_nobody_out(rig: Rig) -> None:
    agent = await enrolled(rig)
    before, held = agent.identity(), agent.held()
    await rig.hub.api.post("clusters/edge-1/rotate", {})

    async def rotated() -> bool:
        return agent.identity().seed != before.seed

    await supervised.until("another key", rotated)
    await agent.stop()
    after = agent.identity()
    # As it was when the hub took the new key and its answer did not arrive.
    lost = identities.Stored(
        seed=before.seed,
        token=before.token,
        credentials=before.credentials,
        received_at=before.received_at,
        next_seed=after.seed,
    )
    await identities.FileKeeper(agent.state / identities.FILE_NAME).save(lost)
    await supervised.until("the old key lets nobody in", lambda: is_turned_away(held))
    await supervised.until("it is not heard", lambda: _is_offline(rig, "edge-1"))

    await agent.start()
    await rig.hub.online("edge-1")
    assert (agent.identity().seed, agent.identity().next_seed) == (after.seed, "")


async def _is_offline(rig: Rig, name: str) -> bool:
    return not await rig.hub.is_online(name)


async def test_an_agent_that_renews_is_taken_back_after_the_log_was_lost_and_a_revoked_key_is_not(rig: Rig) -> None:
    """The log knew the agent's key, and since when older ones are void: the agent and the server say both again."""
    agent = await enrolled(rig)
    revoked = agent.held()
    await rig.hub.api.post("clusters/edge-1/rotate", {})
    await supervised.until("another key", lambda: _has_another_key(rig, agent, revoked.seed))
    await supervised.until("the server knows of it", lambda: is_turned_away(revoked))
    await rig.hub.online("edge-1")
    await rig.hub.stop()
    for stream in ("LOG", "REPORTS"):
        [place] = (rig.hub.directory / "hub" / "nats" / "store").glob(f"jetstream/*/streams/{stream}")
        shutil.rmtree(place)
    await rig.hub.start()

    async def heard() -> bool:
        found = (await rig.hub.api.get("status"))["strangers"]
        return [(one["name"], one["problem"]) for one in found] == [("edge-1", "")]

    await supervised.until("the agent is heard", heard)
    await rig.hub.api.post("hub/recover", {"reason": "the log was lost"})
    [fact] = await rig.hub.events("AgentReadmitted")
    assert (fact["key"], "before" in fact) == (agent.identity().public_key, True)
    await rig.hub.stop()
    await rig.hub.start()
    await rig.hub.online("edge-1")

    # It renews by its key, and is given another one; what was revoked before the loss stays so.
    held = agent.held()
    await rig.hub.api.post("clusters/edge-1/rotate", {})
    await supervised.until("a third key", lambda: _has_another_key(rig, agent, held.seed))
    await supervised.until("the second key lets nobody in", lambda: is_turned_away(held))
    assert await is_turned_away(revoked)


async def _has_another_key(rig: Rig, agent: enrolling.Agent, seed: str) -> bool:
    return bool(await rig.hub.events("AgentKeyRotated")) and agent.held().seed != seed
