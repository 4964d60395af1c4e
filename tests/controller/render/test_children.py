"""Hostile children, run through the one door: each ends as a named error, and nothing of it is left."""

import contextlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import msgspec
import pytest

from controller.render import children, errors, launcher, limits, workplaces

PYTHON = pathlib.Path(sys.executable)
ROOT = pathlib.Path(__file__).parents[3]
SMALL = children.Bounds(wall_s=20.0, memory_bytes=256 * limits.MIB, output_bytes=limits.MIB, processes=16)


@pytest.fixture(scope="module", params=["spawned", "forked"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[children.Sandbox]:
    """A program with the limits of the sandbox is spawned, one with limits of its own is forked."""
    with children.Sandbox(bounds=SMALL if request.param == "spawned" else None) as made:
        yield made


def _python(script: str, **fields: object) -> children.Command:
    arguments = ("-I", "-S", "-c", textwrap.dedent(script))
    values = {"name": "child", "program": PYTHON, "arguments": arguments, "bounds": SMALL, **fields}
    return children.Command(**values)  # type: ignore[arg-type]


def _failure(sandbox: children.Sandbox, script: str, **fields: object) -> tuple[errors.Cause, str]:
    with pytest.raises(errors.ChildError) as raised:
        sandbox.run(_python(script, **fields))
    return raised.value.cause, raised.value.reason


def _processes_with(token: str) -> list[int]:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if token.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_a_child_sees_its_files_and_its_input_and_gives_its_output(sandbox: children.Sandbox) -> None:
    script = "import sys; print(open('../base/a').read() + sys.stdin.read()); print('note', file=sys.stderr)"

    done = sandbox.run(_python(script, files={"base/a": b"file ", "top/b": b""}, directory="top", stdin=b"input"))

    assert done == children.Finished(b"file input\n", "note\n")


def test_names_in_any_script_reach_the_child(sandbox: children.Sandbox) -> None:
    script = "import os, sys; print(sys.argv[1], os.path.basename(os.getcwd()), *os.listdir())"
    command = _python(script, files={"küche/日本.yaml": b""}, directory="küche")
    command = msgspec.structs.replace(command, arguments=(*command.arguments, "größe"))

    assert sandbox.run(command).stdout.decode() == "größe küche 日本.yaml\n"


def test_a_large_input_and_a_large_output_do_not_wait_for_one_another(sandbox: children.Sandbox) -> None:
    data = b"x" * limits.MIB

    done = sandbox.run(_python("import sys; sys.stdout.write(sys.stdin.read())", stdin=data))

    assert done.stdout == data


def test_the_environment_is_empty_but_for_paths_of_its_own(
    sandbox: children.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOTILLA_SECRET", "x")

    done = sandbox.run(_python("import os; print(*sorted(os.environ))"))

    names = "HOME LC_ALL PATH TMPDIR XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME"
    assert done.stdout.decode().split() == names.split()


def test_a_child_inherits_no_open_file(sandbox: children.Sandbox) -> None:
    with open(os.devnull) as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        done = sandbox.run(_python("import os; print(len(os.listdir('/proc/self/fd')))"))

    assert int(done.stdout) == 3 + 1  # and the listing itself


def test_its_directory_is_private_and_gone_afterwards(sandbox: children.Sandbox) -> None:
    script = "import os; print(oct(os.stat('..').st_mode), os.getcwd())"

    mode, path = sandbox.run(_python(script)).stdout.decode().split()

    assert mode.endswith("700")
    assert not pathlib.Path(path).exists()


def test_a_directory_that_the_child_locked_is_removed_too(tmp_path: pathlib.Path) -> None:
    script = "import os; os.makedirs('a/b/c'); open('a/b/f', 'w'); os.chmod('a/b', 0); os.chmod('a', 0)"
    with children.Sandbox(directory=tmp_path) as sandbox:
        sandbox.run(_python(script))

    assert list(tmp_path.iterdir()) == []


def test_what_a_link_leads_to_is_not_removed_with_the_directory(tmp_path: pathlib.Path) -> None:
    elsewhere, places = tmp_path / "elsewhere", tmp_path / "places"
    elsewhere.mkdir()
    places.mkdir()
    (elsewhere / "f").touch()
    script = f"import os; os.rename('a', 'b'); os.symlink({str(elsewhere)!r}, 'a')"
    with children.Sandbox(directory=places) as sandbox:
        sandbox.run(_python(script, files={"a/f": b""}))

    assert list(elsewhere.iterdir()) == [elsewhere / "f"]
    assert list(places.iterdir()) == []


def test_an_exit_code_is_an_error_with_the_lines_that_blame(sandbox: children.Sandbox) -> None:
    script = "import sys; print('coalesce.go: warning: x\\nError: no such key\\nhint', file=sys.stderr); sys.exit(3)"

    assert _failure(sandbox, script) == (errors.Cause.EXIT, "child: exit code 3: Error: no such key hint")


def test_an_exit_code_without_a_word_is_said_to_be_that(sandbox: children.Sandbox) -> None:
    assert _failure(sandbox, "raise SystemExit(1)") == (errors.Cause.EXIT, "child: exit code 1 and no word why")


def test_partial_output_before_an_error_is_not_used(sandbox: children.Sandbox) -> None:
    script = "print('kind: ConfigMap', flush=True); raise SystemExit('Error: half of it')"

    assert _failure(sandbox, script) == (errors.Cause.EXIT, "child: exit code 1: Error: half of it")


def test_no_path_of_the_run_reaches_the_message(sandbox: children.Sandbox) -> None:
    script = "import os; raise SystemExit(f'Error: open {os.getcwd()}/a.yaml and {os.environ[\"HOME\"]}/b: no')"

    first, second = (_failure(sandbox, script) for _ in range(2))

    assert first == second == (errors.Cause.EXIT, "child: exit code 1: Error: open a.yaml and b: no")


def test_a_child_that_hangs_is_ended(sandbox: children.Sandbox) -> None:
    bounds = children.Bounds(wall_s=0.3)

    cause, reason = _failure(sandbox, "import signal; signal.pause()", bounds=bounds)

    assert cause is errors.Cause.TIME
    assert reason.startswith("child: ended by us after 0.3 s")


def test_a_child_that_computes_for_ever_is_ended(sandbox: children.Sandbox) -> None:
    bounds = children.Bounds(cpu_s=1, wall_s=30.0)

    cause, _ = _failure(sandbox, "while True: pass", bounds=bounds)
    assert cause is errors.Cause.TIME


def test_a_gigabyte_of_output_is_cut_and_not_held(sandbox: children.Sandbox) -> None:
    script = "import os\nfor _ in range(1024): os.write(1, bytes(2**20))"

    assert _failure(sandbox, script) == (errors.Cause.OUTPUT, "child: wrote more than 1048576 bytes")


def test_a_gigabyte_of_complaints_is_not_held(sandbox: children.Sandbox) -> None:
    script = "import os\nfor _ in range(64): os.write(2, b'x' * 2**20)\nos.write(2, b'the end')"

    done = sandbox.run(_python(script))

    assert len(done.stderr) == limits.CHILD_STDERR_BYTES_MAX + 4 * limits.KIB
    assert done.stderr.endswith("the end")


def test_a_huge_file_is_an_error(sandbox: children.Sandbox) -> None:
    script = "f = open('f', 'wb')\nwhile True: f.write(bytes(2**20))"
    bounds = children.Bounds(file_bytes=4 * limits.MIB)

    assert _failure(sandbox, script, bounds=bounds) == (
        errors.Cause.FILE,
        "child: wrote a file of more than 4194304 bytes",
    )


def test_eight_gigabytes_at_once_are_refused(sandbox: children.Sandbox) -> None:
    cause, reason = _failure(sandbox, "b = bytearray(8 * 2**30)")

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

    cause, _ = _failure(sandbox, script)

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

    cause, reason = _failure(sandbox, script)

    assert cause is errors.Cause.PROCESSES
    assert reason == "child: started more than 16 processes, or 1024 threads"
    assert _processes_with(token) == []


def test_many_threads_are_too_many(sandbox: children.Sandbox) -> None:
    script = """
        import _thread, signal
        _thread.stack_size(65536)
        for _ in range(1100):
            _thread.start_new_thread(signal.sigwait, ([signal.SIGUSR1],))
        signal.pause()
    """

    cause, _ = _failure(sandbox, script)

    assert cause is errors.Cause.PROCESSES


DAEMON = """
    import os, signal, sys
    "{token}"
    if not os.fork():
        os.setsid()
        if not os.fork():
            signal.alarm(60)
            while True:
                signal.pause()
        os._exit(0)
    print("done")
"""


def test_a_grandchild_that_left_its_session_does_not_outlive_the_child(sandbox: children.Sandbox) -> None:
    token = f"daemon-{os.getpid()}"

    # It holds the output open, too: to wait for its end would be to wait for a minute.
    done = sandbox.run(_python(DAEMON.format(token=token)))

    assert done.stdout == b"done\n"
    assert _processes_with(token) == []


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
    assert _processes_with(token) == []


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
    assert _processes_with(token) == []


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

    cause, reason = _failure(sandbox, NETWORK.format(port=9))

    assert cause is errors.Cause.NETWORK
    assert reason.startswith("child: tried to reach the network, which rendering may not: Error: dial tcp")
    assert "unreachable" in reason


def test_whether_programs_can_be_cut_off_is_known_before_any_runs(sandbox: children.Sandbox) -> None:
    assert children.cuts_network() is sandbox.is_cut()


def test_a_sandbox_with_a_network_has_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, children.Sandbox(network=True) as sandbox:
        done = sandbox.run(_python(NETWORK.format(port=server.getsockname()[1])))

        assert not sandbox.is_cut()
        assert done.stdout == b""


def test_a_program_that_is_not_there_is_an_error(sandbox: children.Sandbox) -> None:
    command = children.Command(name="helm", program=pathlib.Path("/nowhere/helm"), arguments=())

    with pytest.raises(errors.ChildError, match=r"^helm: cannot be started \(No such file or directory\)$"):
        sandbox.run(command)


def test_a_child_that_crashes_is_named_with_its_signal(sandbox: children.Sandbox) -> None:
    cause, reason = _failure(sandbox, "import ctypes; ctypes.string_at(0)")

    assert (cause, reason) == (errors.Cause.SIGNAL, "child: killed by SIGSEGV")


def test_a_sandbox_whose_launcher_was_killed_starts_another() -> None:
    with children.Sandbox() as sandbox:
        assert sandbox.is_cut() in (True, False)
        launched = sandbox._running
        assert launched is not None
        os.kill(launched._process.pid, signal.SIGKILL)
        launched._process.wait()

        with pytest.raises(errors.ChildError, match="the process that starts them ended"):
            sandbox.run(_python("pass"))

        assert sandbox.run(_python("print(1)")).stdout == b"1\n"


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
        cause, reason = _failure(sandbox, script)
        failing.join()

        assert (cause, reason) == (errors.Cause.START, "child: its supervisor ended (killed?)")
        assert sandbox.run(_python("print(1)")).stdout == b"1\n"

    assert _processes_with(token) == []


def _kill_the_supervisor_of(token: str) -> None:
    while not (found := _processes_with(token)):
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
        while not (left := [pid for pid in _processes_with(f"'{token}'") if pid != caller.pid]):
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


@pytest.fixture
def memory() -> Iterator[pathlib.Path]:
    with workplaces.room_in_memory() as found:
        if found is None:
            pytest.skip(f"{workplaces.MEMORY} is no file system in memory")
        yield found


def test_small_inputs_lie_in_memory_and_large_ones_on_the_disk(tmp_path: pathlib.Path, memory: pathlib.Path) -> None:
    command = _python("import os; print(os.getcwd())", files={"a": b""})
    large = msgspec.structs.replace(command, files={"a": bytes(limits.CHILD_SMALL_BYTES_MAX + 1)})
    with children.Sandbox(directory=tmp_path, memory=memory) as sandbox:
        where = [pathlib.Path(sandbox.run(one).stdout.decode()).parents[1] for one in (command, large)]

    assert where == [memory, tmp_path]
    assert list(memory.iterdir()) == []


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
        cause, _ = _failure(sandbox, script, bounds=bounds)

    assert cause is errors.Cause.MEMORY
    assert list(memory.iterdir()) == []


def test_a_name_in_memory_that_somebody_else_took_is_not_used(tmp_path: pathlib.Path, memory: pathlib.Path) -> None:
    assert memory.parent.parent == workplaces.MEMORY
    (tmp_path / f"{workplaces.PREFIX}{os.geteuid()}").symlink_to(memory)

    with workplaces.room_in_memory(tmp_path) as elsewhere:
        assert elsewhere is None
    assert not workplaces._is_ours(tmp_path / f"{workplaces.PREFIX}{os.geteuid()}")


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


def test_programs_with_a_namespace_are_the_first_of_it(sandbox: children.Sandbox) -> None:
    if not sandbox.is_cut():
        pytest.skip("the kernel does not let us make namespaces")

    for _ in range(2):  # the way back from the first one's was found
        assert sandbox.run(_python("import os; print(os.getpid())")).stdout == b"1\n"


def test_a_closed_sandbox_takes_its_launcher_along() -> None:
    sandbox = children.Sandbox()
    sandbox.is_cut()
    launched = sandbox._running
    assert launched is not None

    sandbox.close()

    assert launched._process.returncode == 0


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//b", ".", "a\0b"])
def test_a_path_that_leads_elsewhere_is_not_written(sandbox: children.Sandbox, path: str) -> None:
    with pytest.raises(errors.UnreadableError, match="no path of a file within the repository"):
        sandbox.run(_python("pass", files={path: b""}))


def test_a_name_that_no_disk_holds_is_an_error(sandbox: children.Sandbox) -> None:
    with pytest.raises(errors.UnreadableError, match=r"cannot be laid out \(File name too long\)$"):
        sandbox.run(_python("pass", files={"x" * 300: b""}))


def test_a_file_below_a_file_is_an_error_of_the_commit(sandbox: children.Sandbox) -> None:
    with pytest.raises(errors.UnreadableError, match=r"^a/b: cannot be laid out") as raised:
        sandbox.run(_python("pass", files={"a": b"", "a/b": b""}))

    assert not isinstance(raised.value, errors.MissingError)


def test_files_that_a_child_leaves_are_kept_if_asked_for(sandbox: children.Sandbox) -> None:
    script = "open('a.tgz', 'w').write('a'); open('b.txt', 'w')"

    assert sandbox.run(_python(script, keep=".tgz")).kept == {"a.tgz": b"a"}


def test_a_link_is_not_kept_for_what_it_points_to(sandbox: children.Sandbox) -> None:
    script = "import os; os.symlink('/etc/passwd', 'a.tgz')"

    with pytest.raises(errors.UnreadableError, match=r"a\.tgz: no regular file"):
        sandbox.run(_python(script, keep=".tgz"))
