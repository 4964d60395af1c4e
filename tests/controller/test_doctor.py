"""`flotilla doctor` on a hub's state directory with a real nats-server, whole and broken."""

import asyncio
import datetime
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import test_utils

from controller import backups, doctor, settings
from controller.api import app, fleet
from controller.broker import api, doors
from controller.cli import doctor as command
from controller.domain import observed
from protocol import canonical, desired, ids, reports
from protocol.diagnosis import Finding, Level
from protocol.events import fleet as fleet_events
from tests.controller.domain import test_readmission as strangers
from tests.fixtures import hub as hubs
from tests.fixtures import nats

pytestmark = pytest.mark.nats

TOKEN = "open-sesame"


async def examined(directory: pathlib.Path) -> Mapping[str, Finding]:
    chosen = settings.load({"state_dir": str(directory)}, environ={})
    return {one.check: one for one in await doctor.examine(chosen, at=nats.NOW)}


async def test_a_hub_that_is_well_has_no_errors(rig: nats.Rig, hub: doors.Doors) -> None:
    found = await examined(rig.state_dir)

    assert {check: one for check, one in found.items() if one.level is Level.ERROR} == {}
    assert {"state", "disk", "helm", "kustomize", "git", "nats-server", "nats", "stream LOG"} <= set(found)


async def test_a_stream_that_was_changed_is_named_with_its_setting(rig: nats.Rig, hub: doors.Doors) -> None:
    found = await api.info(hub.hub, "REPORTS")
    assert found is not None
    await api.call(hub.hub, "STREAM.UPDATE.REPORTS", {**found[0], "max_age": 3_600_000_000_000}, what="a change")

    after = await examined(rig.state_dir)
    assert (after["stream REPORTS"].level, after["stream LOG"].level) == (Level.ERROR, Level.OK)
    assert "max_age" in after["stream REPORTS"].message


async def test_keys_that_others_can_read_are_an_error_and_a_server_that_is_not_there_a_warning(rig: nats.Rig) -> None:
    await rig.server.stop()
    stopped = await examined(rig.state_dir)
    key = rig.state_dir / "keys" / "hub.nk"
    key.chmod(0o644)
    assert doctor._directory(rig.state_dir).level is Level.ERROR
    key.chmod(0o600)
    await rig.start()

    assert stopped["nats"].level is Level.WARNING


async def test_a_restore_that_has_not_ended_is_an_error(rig: nats.Rig) -> None:
    marker = rig.state_dir / backups.MARKER
    marker.touch()

    found = await examined(rig.state_dir)
    assert (found["state"].level, "has not ended" in found["state"].message) == (Level.ERROR, True)


def test_the_command_ends_with_the_worst_and_speaks_json(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command.main(["--state-dir", str(tmp_path / "nothing"), "-o", "json"])
    found = json.loads(capsys.readouterr().out)

    assert (code, found["exitCode"]) == (2, 2)
    assert found["items"][0]["check"] == "state"
    assert "start 'flotilla hub' once" in found["items"][0]["advice"]


async def asked(server: test_utils.TestServer, capsys: pytest.CaptureFixture[str]) -> tuple[int, Mapping[str, Any]]:
    """What `flotilla doctor` says of the hub behind this API, and its exit code."""
    words = ["--url", str(server.make_url("/")).rstrip("/"), "--token", TOKEN, "-o", "json"]
    code = await asyncio.to_thread(command.main, words)
    return code, {one["check"]: one for one in json.loads(capsys.readouterr().out)["items"]}


@pytest.fixture
async def face(monkeypatch: pytest.MonkeyPatch) -> hubs.Hub:
    made = hubs.Hub()
    made.now = datetime.datetime.now(datetime.UTC)  # the doctor compares it with this machine's clock, which goes on
    monkeypatch.setattr(command, "SKEW_ALLOWED_S", 3600.0)
    await made.begin()
    return made


def greet(hub: hubs.Hub, cluster: ids.ClusterId, *, version: str = fleet.VERSION, ahead_s: float = 0.0) -> None:
    """Let the cluster's agent be heard now, by its own clock."""
    at = hub.now + datetime.timedelta(seconds=ahead_s)
    origin = reports.Origin(
        cluster=cluster, boot=1, number=1, at=at, epoch=1, generation=0, log_head=desired.GENESIS
    )  # fmt: skip
    hello = reports.Hello(
        origin=origin, cluster_uid="uid", agent_version=version, kubernetes_version="v1.35.0",
        root=canonical.NO_DIGEST, inventory=0,
    )  # fmt: skip
    beat = reports.Beat(origin=origin, root=canonical.NO_DIGEST)
    seen = observed.beat(observed.evolve(observed.initial(cluster), hello), beat)
    hub.observed[cluster] = observed.timed(seen, beat, hub.now)


async def test_a_hub_whose_agents_are_well_has_nothing_to_say(
    face: hubs.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    greet(face, await face.add_cluster("edge"))

    async with test_utils.TestServer(app.make_app(face, token=TOKEN)) as server:
        code, found = await asked(server, capsys)

    assert (code, {one["level"] for one in found.values()}) == (0, {"ok"})
    assert set(found) == {"api", "clock", "cluster edge"}


async def test_agents_are_compared_with_the_hub(face: hubs.Hub, capsys: pytest.CaptureFixture[str]) -> None:
    bound = command.AGENT_SKEW_ALLOWED_S
    greet(face, await face.add_cluster("fast"), ahead_s=bound + 1)
    greet(face, await face.add_cluster("slow"), ahead_s=-bound - 1)
    greet(face, await face.add_cluster("old"), version="0.0.1")
    greet(face, await face.add_cluster("near"), ahead_s=bound)
    await face.add_cluster("silent")
    face.strangers = strangers.by_id(strangers.stranger(20, name="lost"))

    async with test_utils.TestServer(app.make_app(face, token=TOKEN)) as server:
        code, found = await asked(server, capsys)

    levels = {check.removeprefix("cluster "): one["level"] for check, one in found.items() if "cluster" in check}
    assert code == 1
    assert levels == {
        "fast": "warning", "slow": "warning", "old": "warning", "near": "ok", "silent": "warning", "lost": "warning",
    }  # fmt: skip
    assert "11.0 s ahead" in found["cluster fast"]["message"]
    assert "11.0 s behind" in found["cluster slow"]["message"]
    assert found["cluster old"]["message"] == f"its agent is of version 0.0.1, the hub of {fleet.VERSION}"


async def test_a_hub_in_recovery_is_an_error(face: hubs.Hub, capsys: pytest.CaptureFixture[str]) -> None:
    await face.write(fleet_events.RecoveryEntered(reason="a is ahead", cluster="", epoch=3, generation=1))

    async with test_utils.TestServer(app.make_app(face, token=TOKEN)) as server:
        code, found = await asked(server, capsys)

    assert (code, found["recovery"]["level"]) == (2, "error")


def test_a_hub_that_does_not_answer_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code = command.main(["--url", "http://127.0.0.1:9", "--token", "none"])

    assert (code, "cannot be reached" in capsys.readouterr().out) == (2, True)
