"""Compile the control plane once into a cache outside the tree.

    python -m tests.controlplane.build

The cache is `$FLOTILLA_CACHE`, else `$XDG_CACHE_HOME/flotilla`, else `~/.cache/flotilla`; the directory in it is named
by all that goes into the programs, so a changed pin compiles anew and the same pin never does.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import requirements
from tests.controlplane import assets, toolchain
from tests.controlplane.assets import Assets, Unavailable

MODULE = toolchain.MODULE

PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}

BUILD_S = 60 * 60.0
"""The bound of a whole build, which takes nine minutes on two cores with nothing cached."""

PROGRESS_S = 15.0
"""How often a line says that the compiler is at work: some CI systems end a job that is silent."""

TAIL_LINES = 25

VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Where the version is written by the linker: what /version serves, and what kubectl calls itself."""


class BuildFailed(Exception):
    """The compiler refused, or took too long; the message holds the tail of its output."""


def provide() -> Assets:
    """The programs of a control plane: those that the environment names, the cached ones, or freshly compiled ones."""
    named = assets.from_environment()
    if named is not None:
        return named
    target = _target()
    if not target.exists():
        with _locked(target.with_name(f"{target.name}.lock")):
            if not target.exists():
                _build(target)
    return Assets(target)


def version() -> str:
    """The version of Kubernetes that go.mod pins."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert pinned is not None, "go.mod requires k8s.io/kubernetes"
    return pinned.group(1)


def cache() -> Path:
    """Where compiled programs are kept: outside the tree, so that every worktree and clone shares them."""
    chosen = os.environ.get("FLOTILLA_CACHE")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "flotilla"


def _target() -> Path:
    key = hashlib.sha256()
    for part in ((MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes()):
        key.update(part)
    key.update(repr([PROGRAMS, _flags(), platform.system(), platform.machine()]).encode())
    return cache() / "controlplane" / f"{version()}-{key.hexdigest()[:12]}"


def _flags() -> list[str]:
    major, minor, _ = version().lstrip("v").split(".", 2)
    values = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    named = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items()]
    # Neither symbols nor debugging information: linking is faster and the files are two thirds of the size.
    return ["-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {' '.join(named)}"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One build at a time; the kernel frees the lock of a build that was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process compiles it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(target: Path) -> None:
    """Compile all programs beside the target and give them its name last, so that what has the name is complete."""
    started = time.monotonic()
    go = toolchain.find(target.parent)
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    _say(f"compiling Kubernetes {version()}, once: about ten minutes on two cores")
    run = _Compiler(go, partial / "go.log", started + BUILD_S)
    # Apart from compiling, because a machine without network is no reason to look for an error in the code.
    if run("the modules", ["list", "-mod=readonly", "-deps", "-f={{/**/}}", *PROGRAMS.values()]) != 0:
        raise Unavailable(f"its modules cannot be had ({run.tail().splitlines()[-1].strip()})")
    for name, package in PROGRAMS.items():
        if run(name, ["build", *_flags(), f"-o={partial / name}", package]) != 0:
            raise BuildFailed(f"{name}: does not compile\n{run.tail()}")
    run.log.unlink()
    partial.rename(target)
    _say(f"compiled in {time.monotonic() - started:.0f} s")


class _Compiler:
    """Runs go with visible progress and a deadline."""

    def __init__(self, go: Path, log: Path, deadline: float) -> None:
        self._go = go
        self.log = log
        self._deadline = deadline
        # GOWORK: a workspace file above the clone must not change what is compiled. Without C there is no need of a
        # C compiler, and the programs run on any distribution.
        self._environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        if go != Path(shutil.which("go") or ""):
            self._environment.pop("GOROOT", None)

    def __call__(self, what: str, arguments: list[str]) -> int:
        """The exit code of one go command."""
        started = time.monotonic()
        with self.log.open("wb") as output:
            # A process group of its own: go does not take its compilers along when it is killed.
            process = subprocess.Popen(
                [self._go, *arguments],
                cwd=MODULE,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            while (code := self._waited(process)) is None:
                _say(f"{what}: {time.monotonic() - started:.0f} s …")
                if time.monotonic() > self._deadline:
                    raise BuildFailed(f"{what}: not done after {BUILD_S / 60:.0f} minutes in all\n{self.tail()}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        _say(f"{what}: {'done' if code == 0 else 'failed'} after {time.monotonic() - started:.0f} s")
        return code

    def _waited(self, process: subprocess.Popen[bytes]) -> int | None:
        try:
            return process.wait(PROGRESS_S)
        except subprocess.TimeoutExpired:
            return None

    def tail(self) -> str:
        """The end of what go wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (no output)"


def _say(line: str) -> None:
    print(f"control plane: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Provide the programs before pytest starts, where the progress is seen and no time limit of a test runs."""
    try:
        provided = provide()
    except Unavailable as reason:
        needed = requirements.required("kube")
        _say(f"{reason}: {'and it is required' if needed else 'the tests that need it will be skipped'}")
        return 1 if needed else 0
    except BuildFailed as failure:
        _say(str(failure))
        return 1
    _say(f"Kubernetes {provided.version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
