"""What a doctor says, and how bad it is."""

import json

import pytest

from protocol import diagnosis
from protocol.diagnosis import Level

WELL = diagnosis.fine("disk", "there is room")
SHORT = diagnosis.warning("token", "ends soon", "renew it")
BROKEN = diagnosis.wrong("nats", "nobody answers", "start it")


@pytest.mark.parametrize(("found", "code"), [((), 0), ((WELL,), 0), ((WELL, SHORT), 1), ((SHORT, BROKEN, WELL), 2)])
def test_the_exit_code_is_that_of_the_worst(found: tuple[diagnosis.Finding, ...], *, code: int) -> None:
    assert diagnosis.exit_code(found) == code
    assert json.loads(diagnosis.text(found, as_json=True))["exitCode"] == code


def test_a_person_reads_what_to_do_below_what_is_wrong() -> None:
    lines = diagnosis.text((WELL, BROKEN), as_json=False).splitlines()

    assert lines == [
        "ok       disk  there is room",
        "error    nats  nobody answers",
        "               → start it",
    ]


@pytest.mark.parametrize(
    ("free", "level"), [(1000, Level.OK), (999, Level.WARNING), (100, Level.WARNING), (99, Level.ERROR)]
)
def test_a_disk_is_short_before_it_is_full(free: int, *, level: Level) -> None:
    assert diagnosis.space("disk", "here", free, needed_bytes=1000).level is level


@pytest.mark.parametrize(("seconds", "level"), [(4.9, Level.OK), (-5.1, Level.WARNING), (60, Level.WARNING)])
def test_clocks_need_not_agree_to_the_second(seconds: float, *, level: Level) -> None:
    assert diagnosis.skew("clock", "the hub", seconds, allowed_s=5).level is level


@pytest.mark.parametrize(("left_s", "level"), [(0, Level.ERROR), (1, Level.WARNING), (10, Level.OK)])
def test_what_ends_soon_is_a_warning_and_what_has_ended_an_error(left_s: float, *, level: Level) -> None:
    assert diagnosis.ends("token", "it", left_s, soon_s=10, advice="renew").level is level
