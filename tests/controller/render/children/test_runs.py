"""Hostile children, run through the one door: what goes in, what comes out, and how each ends."""

import os
import pathlib

import msgspec
import pytest

from controller.render import children, errors, limits, workplaces
from tests.controller.render.children.conftest import failure, python


def test_a_child_sees_its_files_and_its_input_and_gives_its_output(sandbox: children.Sandbox) -> None:
    script = "import sys; print(open('../base/a').read() + sys.stdin.read()); print('note', file=sys.stderr)"

    done = sandbox.run(python(script, files={"base/a": b"file ", "top/b": b""}, directory="top", stdin=b"input"))

    assert done == children.Finished(b"file input\n", "note\n")


def test_names_in_any_script_reach_the_child(sandbox: children.Sandbox) -> None:
    script = "import os, sys; print(sys.argv[1], os.path.basename(os.getcwd()), *os.listdir())"
    command = python(script, files={"küche/日本.yaml": b""}, directory="küche")
    command = msgspec.structs.replace(command, arguments=(*command.arguments, "größe"))

    assert sandbox.run(command).stdout.decode() == "größe küche 日本.yaml\n"


def test_a_large_input_and_a_large_output_do_not_wait_for_one_another(sandbox: children.Sandbox) -> None:
    data = b"x" * limits.MIB

    done = sandbox.run(python("import sys; sys.stdout.write(sys.stdin.read())", stdin=data))

    assert done.stdout == data


def test_the_environment_is_empty_but_for_paths_of_its_own(
    sandbox: children.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOTILLA_SECRET", "x")

    done = sandbox.run(python("import os; print(*sorted(os.environ))"))

    names = "HOME LC_ALL PATH TMPDIR XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME"
    assert done.stdout.decode().split() == names.split()


def test_a_child_inherits_no_open_file(sandbox: children.Sandbox) -> None:
    with open(os.devnull) as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        done = sandbox.run(python("import os; print(len(os.listdir('/proc/self/fd')))"))

    assert int(done.stdout) == 3 + 1  # and the listing itself


def test_an_exit_code_is_an_error_with_the_lines_that_blame(sandbox: children.Sandbox) -> None:
    script = "import sys; print('coalesce.go: warning: x\\nError: no such key\\nhint', file=sys.stderr); sys.exit(3)"

    assert failure(sandbox, script) == (errors.Cause.EXIT, "child: exit code 3: Error: no such key hint")


def test_an_exit_code_without_a_word_is_said_to_be_that(sandbox: children.Sandbox) -> None:
    assert failure(sandbox, "raise SystemExit(1)") == (errors.Cause.EXIT, "child: exit code 1 and no word why")


def test_partial_output_before_an_error_is_not_used(sandbox: children.Sandbox) -> None:
    script = "print('kind: ConfigMap', flush=True); raise SystemExit('Error: half of it')"

    assert failure(sandbox, script) == (errors.Cause.EXIT, "child: exit code 1: Error: half of it")


def test_no_path_of_the_run_reaches_the_message(sandbox: children.Sandbox) -> None:
    script = "import os; raise SystemExit(f'Error: open {os.getcwd()}/a.yaml and {os.environ[\"HOME\"]}/b: no')"

    first, second = (failure(sandbox, script) for _ in range(2))

    assert first == second == (errors.Cause.EXIT, "child: exit code 1: Error: open a.yaml and b: no")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('E1201 03:50:45.781745       1 run.go:72] "command failed" err="no \\"a\\""', 'Error: "no \\"a\\""'),
        (
            'W1201 03:50:45.78 7 x.go:1] old\nE1201 03:50:46.483350 18330 run.go:72] "command failed" err=<\n'
            "\ttrouble with `\n\tpaths:\n\t- p.yaml\n\t`: missing kind\n >",
            "Error: trouble with ` paths: - p.yaml `: missing kind >",
        ),
        ("2026/12/01 03:50:45 too late", "too late"),
        ("time=2026-12-01T03:50:45.123Z level=ERROR msg=late", "level=ERROR msg=late"),
        ("at 2026/12/01 03:50:45 it was late", "at 2026/12/01 03:50:45 it was late"),
    ],
)
def test_no_time_of_the_run_reaches_the_message(sandbox: children.Sandbox, said: str, expected: str) -> None:
    """Else the same error of the same commit would be another one each time (I2)."""
    script = f"import sys; sys.stderr.write({said!r}); sys.exit(1)"

    assert failure(sandbox, script) == (errors.Cause.EXIT, f"child: exit code 1: {expected}")


def test_a_program_that_is_not_there_is_an_error(sandbox: children.Sandbox) -> None:
    command = children.Command(name="helm", program=pathlib.Path("/nowhere/helm"), arguments=())

    with pytest.raises(errors.ChildError, match=r"^helm: cannot be started \(No such file or directory\)$"):
        sandbox.run(command)


def test_a_child_that_crashes_is_named_with_its_signal(sandbox: children.Sandbox) -> None:
    cause, reason = failure(sandbox, "import ctypes; ctypes.string_at(0)")

    assert (cause, reason) == (errors.Cause.SIGNAL, "child: killed by SIGSEGV")


def test_small_inputs_lie_in_memory_and_large_ones_on_the_disk(tmp_path: pathlib.Path, memory: pathlib.Path) -> None:
    command = python("import os; print(os.getcwd())", files={"a": b""})
    large = msgspec.structs.replace(command, files={"a": bytes(limits.CHILD_SMALL_BYTES_MAX + 1)})
    with children.Sandbox(directory=tmp_path, memory=memory) as sandbox:
        where = [pathlib.Path(sandbox.run(one).stdout.decode()).parents[1] for one in (command, large)]

    assert where == [memory, tmp_path]
    assert list(memory.iterdir()) == []


def test_a_name_in_memory_that_somebody_else_took_is_not_used(tmp_path: pathlib.Path, memory: pathlib.Path) -> None:
    assert memory.parent.parent == workplaces.MEMORY
    (tmp_path / f"{workplaces.PREFIX}{os.geteuid()}").symlink_to(memory)

    with workplaces.room_in_memory(tmp_path) as elsewhere:
        assert elsewhere is None
    assert not workplaces._is_ours(tmp_path / f"{workplaces.PREFIX}{os.geteuid()}")


def test_programs_with_a_namespace_are_the_first_of_it(sandbox: children.Sandbox) -> None:
    if not sandbox.is_cut():
        pytest.skip("the kernel does not let us make namespaces")

    for _ in range(2):  # the way back from the first one's was found
        assert sandbox.run(python("import os; print(os.getpid())")).stdout == b"1\n"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//b", ".", "a\0b"])
def test_a_path_that_leads_elsewhere_is_not_written(sandbox: children.Sandbox, path: str) -> None:
    with pytest.raises(errors.UnreadableError, match="no path of a file within the repository"):
        sandbox.run(python("pass", files={path: b""}))


def test_a_name_that_no_disk_holds_is_an_error(sandbox: children.Sandbox) -> None:
    with pytest.raises(errors.UnreadableError, match=r"cannot be laid out \(File name too long\)$"):
        sandbox.run(python("pass", files={"x" * 300: b""}))


def test_a_file_below_a_file_is_an_error_of_the_commit(sandbox: children.Sandbox) -> None:
    with pytest.raises(errors.UnreadableError, match=r"^a/b: cannot be laid out") as raised:
        sandbox.run(python("pass", files={"a": b"", "a/b": b""}))

    assert not isinstance(raised.value, errors.MissingError)


def test_files_that_a_child_leaves_are_kept_if_asked_for(sandbox: children.Sandbox) -> None:
    script = "open('a.tgz', 'w').write('a'); open('b.txt', 'w')"

    assert sandbox.run(python(script, keep=".tgz")).kept == {"a.tgz": b"a"}


def test_a_link_is_not_kept_for_what_it_points_to(sandbox: children.Sandbox) -> None:
    script = "import os; os.symlink('/etc/passwd', 'a.tgz')"

    with pytest.raises(errors.UnreadableError, match=r"a\.tgz: no regular file"):
        sandbox.run(python(script, keep=".tgz"))
