"""How kustomize is built, tried with a compiler that only pretends."""

import os
from pathlib import Path

import pytest

from tests.controlplane.assets import Unavailable
from tests.renderers import build

GO = """#!/bin/sh
echo "$@" >> "$GO_CALLS"
for argument; do case "$argument" in -o=*) output="${argument#-o=}";; esac; done
if [ "$1" = "$GO_FAILS_AT" ]; then echo "first line" >&2; echo "no such host" >&2; exit 1; fi
if [ -n "$output" ]; then mkdir -p "$(dirname "$output")"; printf '#!/bin/sh\\necho v0.0.0\\n' > "$output"; fi
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
    monkeypatch.delenv("FLOTILLA_REQUIRE", raising=False)
    return tmp_path / "calls"


def test_kustomize_is_compiled_once(calls: Path) -> None:
    first, second = build.provide(), build.provide()

    assert second == first
    assert (first / build.PROGRAM).exists()
    assert sum(line.startswith("build") for line in calls.read_text().splitlines()) == 1


def test_a_failed_build_leaves_nothing_that_looks_complete(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "build")
    with pytest.raises(Unavailable, match=r"^kustomize cannot be compiled \(no such host\)$"):
        build.provide()
    monkeypatch.setenv("GO_FAILS_AT", "")

    assert (build.provide() / build.PROGRAM).exists()


@pytest.mark.parametrize(("required", "code"), [("", 0), ("nats", 0), ("kustomize", 1)])
def test_a_kustomize_that_cannot_be_had_is_a_failure_where_it_is_required(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: str, code: int
) -> None:
    monkeypatch.setenv("GO_FAILS_AT", "build")
    monkeypatch.setenv("FLOTILLA_REQUIRE", required)

    assert build.main() == code
    assert "no such host" in capsys.readouterr().err
