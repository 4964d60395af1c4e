"""Nothing of a child outlives it: no process, no file, whoever was killed."""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import textwrap
import threading

import pytest

from controller.render import children, errors, launcher, workplaces
from tests.controller.render.children.conftest import DAEMON, PYTHON, ROOT, failure, processes_with, python


def test_what_it_is_given_is_for_nobody_else(sandbox: children.Sandbox) -> None:
    command = python("import os; print(oct(os.stat('a/b').st_mode))", files={"a/b": b""})

    assert sandbox.run(command).stdout.decode().strip().endswith("100600")


def test_its_directory_is_private_and_gone_afterwards(sandbox: children.Sandbox) -> None:
    script = "import os; print(oct(os.stat('..').st_mode), os.getcwd())"

    mode, path = sandbox.run(python(script)).stdout.decode().split()

    assert mode.endswith("700")
    assert not pathlib.Path(path).exists()


def test_a_directory_that_the_child_locked_is_removed_too(tmp_path: pathlib.Path) -> None:
    script = "import os; os.makedirs('a/b/c'); open('a/b/f', 'w'); os.chmod('a/b', 0); os.chmod('a', 0)"
    with children.Sandbox(directory=tmp_path) as sandbox:
        sandbox.run(python(script))

    assert list(tmp_path.iterdir()) == []


def test_what_a_link_leads_to_is_not_removed_with_the_directory(tmp_path: pathlib.Path) -> None:
    elsewhere, places = tmp_path / "elsewhere", tmp_path / "places"
    elsewhere.mkdir()
    places.mkdir()
    (elsewhere / "f").touch()
    script = f"import os; os.rename('a', 'b'); os.symlink({str(elsewhere)!r}, 'a')"
    with children.Sandbox(directory=places) as sandbox:
        sandbox.run(python(script, files={"a/f": b""}))

    assert list(elsewhere.iterdir()) == [elsewhere / "f"]
    assert list(places.iterdir()) == []


def test_a_grandchild_that_left_its_session_does_not_outlive_the_child(sandbox: children.Sandbox) -> None:
    token = f"daemon-{os.getpid()}"

    # It holds the output open, too: to wait for its end would be to wait for a minute.
    done = sandbox.run(python(DAEMON.format(token=token)))

    assert done.stdout == b"done\n"
    assert processes_with(token) == []


def test_what_is_left_is_found_without_a_namespace_too() -> None:
    token = f"orphan-{os.getpid()}"
    script = f"""
        import os, sys
        sys.path.insert(0, {str(pathlib.Path(launcher.__file__).parent)!r})
        import launcher
        launcher._libc.prctl(launcher._PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for _ in range(5):
            if not os.fork():
                exec({textwrap.dedent(DAEMON.format(token=token))!r}, {{}})
                os._exit(0)
        launcher.end_all()
        print("ended")
    """

    done = subprocess.run([PYTHON, "-I", "-S", "-c", textwrap.dedent(script)], capture_output=True, timeout=30)

    assert done.stdout.endswith(b"ended\n")
    assert processes_with(token) == []


WITHOUT_NAMESPACES = """
    import ctypes, os, pathlib, sys
    if len(sys.argv) == 1:
        ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_ADMIN: holds from the next exec on
        os.execv(sys.executable, [sys.executable, __file__, "again"])
    from controller.render import children
    python = pathlib.Path(sys.executable)
    with children.Sandbox(network=True) as sandbox:
        for script in ("import os; print(os.getpid() == 1)", {daemon!r}):
            arguments = ("-I", "-S", "-c", script)
            print(sandbox.run(children.Command(name="child", program=python, arguments=arguments)).stdout.decode())
"""


def test_a_sandbox_that_may_make_no_namespaces_leaves_nothing_either(tmp_path: pathlib.Path) -> None:
    token = f"unspaced-{os.getpid()}"
    script = tmp_path / "script.py"
    daemon = textwrap.dedent(DAEMON.format(token=token))
    script.write_text(textwrap.dedent(WITHOUT_NAMESPACES).format(daemon=daemon))

    done = subprocess.run(
        [PYTHON, script], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    assert (done.stdout.split(), done.stderr) == (["False", "done"], "")
    assert processes_with(token) == []


def test_a_sandbox_whose_launcher_was_killed_starts_another() -> None:
    with children.Sandbox() as sandbox:
        assert sandbox.is_cut() in (True, False)
        launched = sandbox._running
        assert launched is not None
        os.kill(launched._process.pid, signal.SIGKILL)
        launched._process.wait()

        with pytest.raises(errors.ChildError, match="the process that starts them ended"):
            sandbox.run(python("pass"))

        assert sandbox.run(python("print(1)")).stdout == b"1\n"


def test_a_killed_supervisor_costs_one_run_and_leaves_nothing() -> None:
    token = f"supervised-{os.getpid()}"
    script = f"""
        "{token}"
        import os, signal
        print("ready", flush=True)
        os.kill(os.getppid(), signal.SIGKILL) if os.getppid() else None
        signal.pause()
    """
    with children.Sandbox() as sandbox:
        failing = threading.Thread(target=_kill_the_supervisor_of, args=(token,))
        failing.start()
        cause, reason = failure(sandbox, script)
        failing.join()

        assert (cause, reason) == (errors.Cause.START, "child: its supervisor ended (killed?)")
        assert sandbox.run(python("print(1)")).stdout == b"1\n"

    assert processes_with(token) == []


def _kill_the_supervisor_of(token: str) -> None:
    while not (found := processes_with(token)):
        pass
    for pid in found:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if b"launcher.py" in pathlib.Path(f"/proc/{parent}/cmdline").read_bytes():
                os.kill(parent, signal.SIGKILL)


CALLER = """
    import pathlib, sys
    from controller.render import children
    arguments = ("-I", "-S", "-c", "'{token}'; import signal; print(1); signal.pause()")
    with children.Sandbox() as sandbox:
        sandbox.run(children.Command(name="child", program=pathlib.Path(sys.executable), arguments=arguments))
"""


def test_a_caller_that_is_killed_leaves_nothing_running(tmp_path: pathlib.Path) -> None:
    token = f"abandoned-{os.getpid()}"
    script = textwrap.dedent(CALLER.format(token=token))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([PYTHON, "-c", script], env=environment, cwd=ROOT) as caller:
        while not (left := [pid for pid in processes_with(f"'{token}'") if pid != caller.pid]):
            assert caller.poll() is None
        ended = os.pidfd_open(left[0])
        caller.kill()

    assert select.select([ended], [], [], 20.0)[0] == [ended]
    os.close(ended)
    with workplaces.room(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]
    assert list(tmp_path.iterdir()) == []


def test_what_another_process_works_in_is_left_alone(tmp_path: pathlib.Path) -> None:
    with workplaces.room(tmp_path) as one, workplaces.room(tmp_path) as other:
        assert set(tmp_path.iterdir()) == {one, other}
        assert one != other


def test_a_directory_that_its_owner_removes_meanwhile_stops_nobody(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = tmp_path / f"{workplaces.PREFIX}ending"
    ending.mkdir()
    lock = workplaces._lock

    def lock_late(directory: pathlib.Path, holding: contextlib.ExitStack, *, wait: bool) -> bool:
        if directory == ending:
            ending.rmdir()
        return lock(directory, holding, wait=wait)

    monkeypatch.setattr(workplaces, "_lock", lock_late)
    with workplaces.room(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]


def test_what_was_left_without_rights_is_removed_all_the_same(tmp_path: pathlib.Path) -> None:
    left = tmp_path / f"{workplaces.PREFIX}left" / "work"
    left.mkdir(parents=True)
    left.chmod(0)
    left.parent.chmod(0)

    with workplaces.room(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [own]


def test_what_starts_programs_is_replaced_before_it_meets_the_limit_that_they_inherit() -> None:
    bounds = children.Bounds(cpu_s=1)
    arguments = ("x",) * 100_000  # which take it some milliseconds each time
    echo = children.Command(name="echo", program=pathlib.Path("/bin/echo"), arguments=arguments, bounds=bounds)
    with children.Sandbox(bounds=bounds) as sandbox:
        sandbox.run(echo)
        while sandbox._running is not None:
            sandbox.run(echo)

        assert sandbox.run(echo).stdout.count(b"x") == len(arguments)


def test_a_closed_sandbox_takes_its_launcher_along() -> None:
    sandbox = children.Sandbox()
    sandbox.is_cut()
    launched = sandbox._running
    assert launched is not None

    sandbox.close()

    assert launched._process.returncode == 0
