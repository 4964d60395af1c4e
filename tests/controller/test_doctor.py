"""`flotilla doctor` on a hub's state directory with a real nats-server, whole and broken."""

import json
import pathlib
from collections.abc import Mapping

import pytest

from controller import backups, doctor, settings
from controller.broker import api, doors
from controller.cli import doctor as command
from protocol.diagnosis import Finding, Level
from tests.fixtures import nats

pytestmark = pytest.mark.nats


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


def test_a_hub_that_does_not_answer_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code = command.main(["--url", "http://127.0.0.1:9", "--token", "none"])

    assert (code, "cannot be reached" in capsys.readouterr().out) == (2, True)
