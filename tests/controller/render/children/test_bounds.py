"""Children that want too much: each ends as a named error."""

import concurrent.futures
import os
import pathlib
import socket

import msgspec
import pytest

from controller.render import children, errors, limits
from tests.controller.render.children.conftest import SMALL, failure, processes_with, python


def test_a_child_that_hangs_is_ended(sandbox: children.Sandbox) -> None:
    bounds = children.Bounds(wall_s=0.3)

    cause, reason = failure(sandbox, "import signal; signal.pause()", bounds=bounds)

    assert cause is errors.Cause.TIME
    assert reason.startswith("child: ended by us after 0.3 s")


def test_a_child_that_computes_for_ever_is_ended(sandbox: children.Sandbox) -> None:
    bounds = children.Bounds(cpu_s=1, wall_s=30.0)

    cause, _ = failure(sandbox, "while True: pass", bounds=bounds)
    assert cause is errors.Cause.TIME


def test_a_gigabyte_of_output_is_cut_and_not_held(sandbox: children.Sandbox) -> None:
    script = "import os\nfor _ in range(1024): os.write(1, bytes(2**20))"

    assert failure(sandbox, script) == (errors.Cause.OUTPUT, "child: wrote more than 1048576 bytes")


def test_a_gigabyte_of_complaints_is_not_held(sandbox: children.Sandbox) -> None:
    script = "import os\nfor _ in range(64): os.write(2, b'x' * 2**20)\nos.write(2, b'the end')"

    done = sandbox.run(python(script))

    assert len(done.stderr) == limits.CHILD_STDERR_BYTES_MAX + 4 * limits.KIB
    assert done.stderr.endswith("the end")


def test_a_huge_file_is_an_error(sandbox: children.Sandbox) -> None:
    script = "f = open('f', 'wb')\nwhile True: f.write(bytes(2**20))"
    bounds = children.Bounds(file_bytes=4 * limits.MIB)

    assert failure(sandbox, script, bounds=bounds) == (
        errors.Cause.FILE,
        "child: wrote a file of more than 4194304 bytes",
    )


def test_eight_gigabytes_at_once_are_refused(sandbox: children.Sandbox) -> None:
    cause, reason = failure(sandbox, "b = bytearray(8 * 2**30)")

    assert cause is errors.Cause.MEMORY
    assert reason.startswith("child: wanted more than 256 MiB of memory")


def test_memory_spread_over_several_processes_is_counted(sandbox: children.Sandbox) -> None:
    script = """
        import os, signal
        for _ in range(8):
            if not os.fork():
                held = b'x' * (64 * 2**20)
                signal.pause()
        signal.pause()
    """

    cause, _ = failure(sandbox, script)

    assert cause is errors.Cause.MEMORY


@pytest.mark.parametrize("born", ["pass", "os.setsid()"])
def test_a_fork_bomb_is_ended_with_all_its_processes(sandbox: children.Sandbox, born: str) -> None:
    token = f"bomb-{os.getpid()}-{len(born)}"
    # The bomb's own bound keeps a broken sandbox from taking the machine along: ten generations, ten seconds.
    script = f"""
        import os, signal
        "{token}"
        signal.alarm(10)
        for _ in range(10):
            if not os.fork():
                signal.alarm(10)
                {born}
        while True:
            signal.pause()
    """

    cause, reason = failure(sandbox, script)

    assert cause is errors.Cause.PROCESSES
    assert reason == "child: started more than 16 processes, or 1024 threads"
    assert processes_with(token) == []


def test_many_threads_are_too_many(sandbox: children.Sandbox) -> None:
    script = """
        import _thread, signal
        _thread.stack_size(65536)
        for _ in range(1100):
            _thread.start_new_thread(signal.sigwait, ([signal.SIGUSR1],))
        signal.pause()
    """

    cause, _ = failure(sandbox, script)

    assert cause is errors.Cause.PROCESSES


NETWORK = """
    import socket
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=5)
    except OSError as error:
        raise SystemExit(f"Error: dial tcp: {{error}}")
"""


def test_an_attempt_at_the_network_is_named(sandbox: children.Sandbox) -> None:
    if not sandbox.is_cut():
        pytest.skip("the kernel does not let us take a network away")

    cause, reason = failure(sandbox, NETWORK.format(port=9))

    assert cause is errors.Cause.NETWORK
    assert reason.startswith("child: tried to reach the network, which rendering may not: Error: dial tcp")
    assert "unreachable" in reason


def test_whether_programs_can_be_cut_off_is_known_before_any_runs(sandbox: children.Sandbox) -> None:
    assert children.cuts_network() is sandbox.is_cut()


def test_a_sandbox_with_a_network_has_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, children.Sandbox(network=True) as sandbox:
        done = sandbox.run(python(NETWORK.format(port=server.getsockname()[1])))

        assert not sandbox.is_cut()
        assert done.stdout == b""


@pytest.mark.parametrize("size", [0, 32 * limits.MIB])
def test_files_that_are_written_to_memory_count_as_memory(memory: pathlib.Path, size: int) -> None:
    script = f"""
        import signal
        for number in range(16 if {size} else 90_000):
            open(str(number), 'wb').write(bytes({size}))
        signal.pause()
    """
    bounds = msgspec.structs.replace(SMALL, memory_bytes=(256 if size else 64) * limits.MIB)
    with children.Sandbox(memory=memory) as sandbox:
        cause, _ = failure(sandbox, script, bounds=bounds)

    assert cause is errors.Cause.MEMORY
    assert list(memory.iterdir()) == []


def test_what_others_remove_from_memory_hides_nothing(memory: pathlib.Path) -> None:
    script = """
        import os, signal
        open('begun', 'w')
        while not os.path.exists('go'):
            os.sched_yield()
        for number in range(6):
            open(str(number), 'wb').write(bytes(16 * 2**20))
        signal.pause()
    """
    ballast = memory / "ballast"
    ballast.write_bytes(bytes(128 * limits.MIB))
    bounds = msgspec.structs.replace(SMALL, memory_bytes=64 * limits.MIB)

    with children.Sandbox(memory=memory) as sandbox, concurrent.futures.ThreadPoolExecutor() as others:
        removed = others.submit(_remove_once_begun, ballast)
        cause, _ = failure(sandbox, script, bounds=bounds)
        removed.result()

    assert cause is errors.Cause.MEMORY


def _remove_once_begun(ballast: pathlib.Path) -> None:
    while not (begun := next(ballast.parent.rglob("begun"), None)):
        pass
    ballast.unlink()
    begun.with_name("go").touch()
