"""`flotilla agent doctor` on real parts, whole and broken."""

import asyncio
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents import clock, doctor
from protocol.diagnosis import Finding, Level
from tests.agents import faults
from tests.agents.conftest import Place, Station
from tests.agents.publisher import Publisher
from tests.fixtures.nats import Rig

pytestmark = pytest.mark.nats


async def examined(station: Station) -> Mapping[str, Finding]:
    found = await doctor.examine(
        station.identity, station.directory, clocks=clock.SystemClock(), chance=random.Random(1)
    )
    return {one.check: one for one in found}


async def test_where_all_is_well_nothing_is_wrong_and_nothing_is_changed(
    place: Place, station: Station, hub_of_test: Publisher
) -> None:
    found = await examined(station)

    assert {check: one.level for check, one in found.items() if one.level is Level.ERROR} == {}
    assert {"disk", "token", "nats", "kubernetes", "clock", "rights", "bundles", "lease"} == set(found)
    assert "no desired state yet" in found["nats"].message
    assert not station.directory.exists()


async def test_a_server_that_is_away_is_named_and_the_cluster_looked_at_all_the_same(
    station: Station, rig: Rig, hub_of_test: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "NATS_TIMEOUT_S", 1.0)
    await rig.server.stop()
    found = await examined(station)
    await rig.start()

    assert (found["nats"].level, found["rights"].level) == (Level.ERROR, Level.OK)
    assert "not connected" in found["nats"].message


async def test_a_right_that_is_missing_is_named(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with faults.proxied(place.access, tmp_path_factory.mktemp("proxy")) as (proxy, way):
        station.identity = msgspec.structs.replace(station.identity, access=way)
        proxy.strike("POST", "selfsubjectaccessreviews", status=200, times=len(doctor.NEEDS))
        found = await examined(station)
        proxy.strike("GET", "/version", status=503)
        away = await examined(station)

    assert found["rights"].level is Level.ERROR
    assert "may not get namespaces" in found["rights"].message
    assert "patch leases in flotilla-system" in found["rights"].message
    assert away["api server"].level is Level.ERROR


async def commanded(*words: str) -> tuple[int, dict[str, Any]]:
    """Run `flotilla agent doctor WORDS…`; its exit code, and its findings by what was looked at."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "protocol.dispatch", "agent", "doctor", *words, "-o", "json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaint = await process.communicate()
    assert process.returncode is not None
    found = json.loads(said) if said else {"items": [], "complaint": complaint.decode()}
    return process.returncode, {"whole": found, **{one["check"]: one for one in found["items"]}}


async def test_the_command_looks_at_the_cluster_of_its_command_line(
    place: Place, station: Station, hub_of_test: Publisher, tmp_path: Path
) -> None:
    held = tmp_path / "held.json"
    held.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(station.identity.credentials, seed=station.identity.seed.decode()))
    )
    words = ["--credentials", str(held), "--state-dir", str(tmp_path / "agent")]
    way = ["--kubeconfig", str(place.access.kubeconfig), "--context", place.access.context]

    code, found = await commanded(*words, *way)
    wrong, nowhere = await commanded(*words)

    errors = {check for check, one in found.items() if check != "whole" and one["level"] == "error"}
    assert (code, errors) == (found["whole"]["exitCode"], set())
    assert code < 2
    assert "connected" in found["nats"]["message"]
    assert (wrong, "needs either a kubeconfig or inCluster" in nowhere["whole"]["complaint"]) == (2, True)


async def test_whoever_has_not_enrolled_yet_learns_what_would_be_in_the_way(place: Place, tmp_path: Path) -> None:
    way = ["--kubeconfig", str(place.access.kubeconfig), "--context", place.access.context]
    code, found = await commanded("--hub", "http://127.0.0.1:9", "--state-dir", str(tmp_path / "agent"), *way)

    levels = {check: one["level"] for check, one in found.items() if check != "whole"}
    assert (code, levels["enrolment"], levels["hub"], levels["rights"]) == (2, "error", "error", "ok")
    assert "127.0.0.1:9" in found["hub"]["message"]
    assert not (tmp_path / "agent").exists()


@pytest.mark.parametrize(
    ("token", "level"),
    [("no token", Level.ERROR), ("a.eyJleHAiOjF9.b", Level.ERROR), ("a.e30.b", Level.OK)],
)
def test_a_token_that_has_ended_lets_nobody_in(token: str, *, level: Level) -> None:
    assert doctor._token(token, clock.SystemClock().now()).level is level


@pytest.mark.parametrize(("minor", "level"), [("21", Level.ERROR), ("22+", Level.OK), ("35", Level.OK)])
def test_an_api_server_without_server_side_apply_is_too_old(minor: str, *, level: Level) -> None:
    assert doctor._version({"major": "1", "minor": minor, "gitVersion": f"v1.{minor}"}).level is level
