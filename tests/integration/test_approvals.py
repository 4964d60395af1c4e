"""A person's word and an agent's answer hold for exactly what they named, however late they come.

The hub, the agents and nats-server are processes; all is asked and said over the hub's HTTP API.
"""

import pathlib
from typing import Any

import msgspec
import pytest

from controller import bootstrap, settings
from controller.demo import clients
from protocol import credentials, messages, reports, subjects
from tests.fixtures import content, nats, processes
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

EVERYTHING = {**story.STAYING, **story.LEAVING}
QUOTA = {"quota": story.LEAVING["quota"]}
CHECKOUT = {"checkout": story.STAYING["checkout"]}


async def test_an_old_approval_is_refused_once_the_set_has_grown(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        before = await realm.uids(EVERYTHING)
        await _label(realm, "east", env="dev")
        seen = await _held(realm, clusters=1)
        await _label(realm, "west", env="dev")
        grown = await _held(realm, clusters=2)
        assert (seen["id"], seen["digest"] == grown["digest"]) == (grown["id"], False)

        with pytest.raises(clients.AnswerError, match="409") as refusal:
            await realm.api.post(f"deletions/{seen['id']}/approve", {"digest": seen["digest"]})
        assert f"they changed since (now {grown['digest'][:12]}, you named {seen['digest'][:12]})" in str(refusal.value)
        with pytest.raises(clients.AnswerError, match="they changed since"):
            await realm.api.post(f"deletions/{seen['id']}/reject", {"digest": seen["digest"]})
        assert await realm.uids(EVERYTHING) == before

        await realm.api.post(f"deletions/{grown['id']}/approve", {"digest": grown["digest"]})
        await _gone(realm, CHECKOUT)


async def test_an_approval_does_not_hold_for_what_leaves_a_second_time(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        await _label(realm, "east", env="dev")
        first = await _held(realm, clusters=1)
        await realm.api.post(f"deletions/{first['id']}/approve", {"digest": first["digest"]})
        await _settled(realm)
        assert set(await realm.uids(CHECKOUT)) == {"west/checkout"}

        await _label(realm, "east", env="prod")
        await processes.until("it is back on east", lambda: _is_on(realm, CHECKOUT, "east/checkout"))
        before = await realm.uids(CHECKOUT)
        await _label(realm, "east", env="dev")
        second = await _held(realm, clusters=1)

        assert second["id"] != first["id"]
        answer = await realm.api.post(f"deletions/{first['id']}/approve", {"digest": first["digest"]})
        assert answer["open"] == 0
        await _heard_all(realm, content.second())
        assert await realm.uids(CHECKOUT) == before
        assert (await _held(realm, clusters=1))["open"] == second["open"]


async def test_a_late_confirmation_of_an_old_debt_closes_nothing_new(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        await _begin(realm)
        without = {path: text for path, text in content.second().items() if path != "platform/policies/quota.yaml"}
        await realm.rolled_out(await realm.merge(without, "drop the quota"))
        await _settled(realm)
        assert await realm.uids(QUOTA) == {}
        late = await _confirmation(realm, "east")
        await realm.rolled_out(await realm.merge(content.second(), "want it again"))
        await realm.rolled_out(await realm.merge(_without_policies(), "drop its whole bundle"))
        held = await _held(realm, clusters=2)
        before = await realm.uids(EVERYTHING)

        await _say(realm, "east", late)
        await _heard_all(realm, _without_policies())

        after = await _held(realm, clusters=2)
        assert [after[key] for key in ("id", "digest", "open")] == [held[key] for key in ("id", "digest", "open")]
        assert await realm.uids(EVERYTHING) == before
        await realm.api.post(f"deletions/{held['id']}/approve", {"digest": held["digest"]})
        await _gone(realm, QUOTA)
        await _settled(realm)


async def _begin(realm: processes.Realm) -> None:
    spec = {**story.SPEC, "url": realm.repository.url}
    commit = realm.repository.merge(content.second(), "begin", at=bootstrap.utc_now())
    await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
    await realm.rolled_out(commit)
    assert len(await realm.uids(EVERYTHING)) == len(EVERYTHING) * len(processes.CLUSTERS)


def _without_policies() -> dict[str, str]:
    return {path: text for path, text in content.second().items() if not path.startswith(content.POLICIES)}


async def _label(realm: processes.Realm, cluster: str, **labels: str) -> None:
    await realm.ask(lambda: realm.api.post(f"clusters/{cluster}/labels", {"set": labels}))


async def _held(realm: processes.Realm, *, clusters: int) -> dict[str, Any]:
    """Wait for the one set that waits for a person to have its debts on so many clusters."""
    found: list[dict[str, Any]] = []

    async def waits() -> bool:
        items = await realm.ask(lambda: realm.api.items("deletions"))
        found[:] = [one for one in items if one["decision"] == "held" and one["open"] == one["objects"]]
        return [one["clusters"] for one in found] == [clusters]

    await processes.until(f"a set of {clusters} clusters is held", waits)
    return found[0]


async def _settled(realm: processes.Realm) -> None:
    async def nothing_open() -> bool:
        return not any(one["open"] for one in await realm.ask(lambda: realm.api.items("deletions")))

    await processes.until("every debt is settled", nothing_open)


async def _gone(realm: processes.Realm, paths: dict[str, str]) -> None:
    async def gone() -> bool:
        return not await realm.uids(paths)

    await processes.until(f"{', '.join(paths)} is gone", gone)


async def _is_on(realm: processes.Realm, paths: dict[str, str], where: str) -> bool:
    return where in await realm.uids(paths)


async def _heard_all(realm: processes.Realm, files: dict[str, str]) -> None:
    """One more commit on every cluster: whatever was said before it has been heard."""
    later = files["platform/agents/settings.yaml"].replace("log-shipper", "later")
    await realm.rolled_out(await realm.merge({**files, "platform/agents/later.yaml": later}, "later"))


async def _confirmation(realm: processes.Realm, cluster: str) -> bytes:
    """What the cluster's agent said when it had deleted something, as the hub's stream holds it."""
    mine = subjects.report(_credentials(realm, cluster).cluster, "deleted")
    async with bootstrap.assembled(_settings(realm), environ={}) as hub:
        last = await hub.doors.reports.last_sequence()
        async for stored in hub.doors.reports.read(0):
            report = messages.REPORT.decode(stored.body)
            if stored.subject == mine and isinstance(report, reports.Deleted) and report.confirmations:
                return stored.body
            assert stored.sequence < last, "no confirmation among the reports"
    raise AssertionError("the stream of reports ended")


async def _say(realm: processes.Realm, cluster: str, report: bytes) -> None:
    """Let the cluster's agent say it once more: a report may arrive twice, and late."""
    held = _credentials(realm, cluster)
    async with nats.connect_agent(held) as agent:
        await agent.request(subjects.report(held.cluster, "deleted"), report, timeout=60)


def _credentials(realm: processes.Realm, cluster: str) -> credentials.Credentials:
    return msgspec.json.decode((realm.directory / f"{cluster}.json").read_bytes(), type=credentials.Credentials)


def _settings(realm: processes.Realm) -> settings.Settings:
    return settings.load({"state_dir": str(realm.hub_directory), "nats_url": realm.nats_url}, environ={})
