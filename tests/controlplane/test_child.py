"""A child process ends with the process that started it, however that ends."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.controlplane.child import Child

END_S = 60.0

PARENT = """
import sys
from pathlib import Path
from tests.controlplane.child import Child
print(Child(["sleep", "600"], Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_parent_takes_its_child_along(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([child], [], [], END_S)
        finally:
            os.close(child)

    assert ended == [child]


def test_a_child_that_will_not_leave_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.controlplane.child.STOP_S", 0.1)
    # Ignoring a signal is kept over exec, so there is no moment at which the child would obey.
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        stubborn = Child(["sleep", "600"], tmp_path / "log")
    finally:
        signal.signal(signal.SIGTERM, previous)

    stubborn.stop()

    assert not stubborn.running()


def test_what_a_child_wrote_is_kept_for_the_message(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo out; echo err >&2"], tmp_path / "log")
    child.wait(END_S)

    assert child.tail().splitlines() == ["  sh: out", "  sh: err"]


def test_children_are_not_started_from_a_thread_that_may_end(tmp_path: Path) -> None:
    refusals: list[AssertionError] = []

    def start() -> None:
        try:
            Child(["true"], tmp_path / "log")
        except AssertionError as refusal:
            refusals.append(refusal)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert len(refusals) == 1
