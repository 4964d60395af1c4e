"""Hub and broker are gone, an agent is killed meanwhile: the clusters are kept as they should be, and nothing that was
said is lost. All are processes; the clusters are the sandbox's."""

import asyncio
import contextlib
import functools
import os
import pathlib
import signal
import sqlite3

import pytest

from agents import disk
from controller import bootstrap, settings
from protocol import messages, reports, status
from tests.controlplane.client import Client
from tests.fixtures import content, processes, sandbox
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

EAST, WEST = processes.CLUSTERS
STOREFRONT = "/" + story.STAYING["storefront"]
SETTINGS = "/" + story.STAYING["settings"]
FAIL = "sandbox.flotilla.gitops/fail"


async def test_a_fleet_without_hub_and_broker_corrects_drift_and_tells_it_later(tmp_path: pathlib.Path) -> None:
    async with processes.realm(tmp_path) as realm:
        spec = {**story.SPEC, "url": realm.repository.url}
        first = realm.repository.merge(content.first(), "first", at=bootstrap.utc_now())
        await realm.ask(lambda: realm.api.post("sources", {"name": processes.SOURCE, "spec": spec, "replace": True}))
        await realm.rolled_out(first)
        sites = _clients(realm)

        await realm.hub.pause()
        await realm.nats.pause()
        await _change(sites[EAST], SETTINGS, {"data": {"theme": "hacked"}})
        await _change(sites[EAST], STOREFRONT, _annotated("ImagePullBackOff no such image"))
        await processes.until("the drift is corrected", lambda: _is_classic(realm))
        await processes.until("the outage is written down", lambda: _waits(realm, "ready"))
        before = realm.agents[EAST].deaths
        realm.agents[EAST].signal(signal.SIGKILL)
        await _change(sites[EAST], SETTINGS, {"data": {"theme": "hacked again"}})
        await processes.until("the killed agent corrects it, too", lambda: _is_classic(realm))
        await processes.until("it has said so", lambda: _waits(realm, "applied"))
        assert realm.agents[EAST].deaths == before + 1

        await _change(sites[EAST], STOREFRONT, _annotated(None))
        realm.repository.merge(content.second(), "second", at=bootstrap.utc_now())
        last = realm.repository.merge(content.third(), "third", at=bootstrap.utc_now())
        await realm.nats.resume()
        await realm.hub.resume()
        await realm.rolled_out(last)

        said = await _reports(realm, EAST)
        order = [(one.origin.boot, one.origin.number) for one in said]
        assert list(dict.fromkeys(order)) == sorted(set(order))
        assert len({boot for boot, _ in order}) == 2
        unwell = [one for one in said if isinstance(one, reports.Ready) and _is_unwell(one)]
        assert unwell[0].origin.boot == order[0][0]


def _annotated(failure: str | None) -> object:
    return {"metadata": {"annotations": {FAIL: failure}}}


def _is_unwell(report: reports.Ready) -> bool:
    return any(one.health is not status.Health.HEALTHY for one in report.bundles)


def _clients(realm: processes.Realm) -> dict[str, Client]:
    found = sandbox.endpoints(realm.directory / "sandbox" / "kubeconfig")
    authority = realm.directory / "ca.crt"
    authority.write_text(found[0].authority_pem)
    return {one.name: Client(one.server, one.token, authority) for one in found}


async def _change(site: Client, path: str, patch: object) -> None:
    """Let somebody who is not the agent change an object."""
    call = functools.partial(site.call, content_type="application/merge-patch+json")
    code, answer = await asyncio.to_thread(call, "PATCH", f"{path}?fieldManager=somebody", patch)
    assert code == 200, answer


async def _is_classic(realm: processes.Realm) -> bool:
    found = await realm.clusters[EAST].find(SETTINGS.removeprefix("/"))
    return found is not None and found["data"]["theme"] == "classic"


async def _waits(realm: processes.Realm, kind: str) -> bool:
    """Is a report of this kind on the disk of the eastern agent?"""
    (path,) = (realm.directory / f"agent-{EAST}").glob(f"*/{disk.FILE}")
    with contextlib.closing(sqlite3.connect(path)) as database:
        first = database.execute("SELECT first FROM drawer").fetchone() or (0,)
        rows = database.execute("SELECT subject FROM letters WHERE number >= ?", first).fetchall()
    return any(subject.endswith(f".{kind}") for (subject,) in rows)


async def _reports(realm: processes.Realm, name: str) -> list[reports.Report]:
    """What the stream holds of one cluster, in the order in which it came."""
    chosen = settings.load({"state_dir": str(realm.hub_directory), "nats_url": realm.nats_url}, environ={})
    async with bootstrap.assembled(chosen, environ=os.environ) as hub:
        (cluster,) = [one.id for one in hub.shared.world.clusters.values() if one.name == name]
        last, found = await hub.doors.reports.last_sequence(), []
        async with contextlib.aclosing(hub.doors.reports.read(0)) as stream:
            async for stored in stream:
                report = messages.REPORT.decode(stored.body)
                if report.origin.cluster == cluster:
                    found.append(report)
                if stored.sequence >= last:
                    return found
    return found
