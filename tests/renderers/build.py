"""Compile kustomize once into a cache outside the tree, and say where helm and kustomize are.

    python -m tests.renderers.build            # a line on stderr; the directory to put on PATH on stdout

The cache is that of the control plane (`$FLOTILLA_CACHE`, else the XDG cache directory). A kustomize on PATH is not
used by tests: what a commit renders to depends on the version, and go.mod pins it.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from controller.render import errors, programs
from tests import requirements
from tests.controlplane import assets, build, toolchain

MODULE = Path(__file__).parent
PACKAGE = "sigs.k8s.io/kustomize/kustomize/v5"
PROGRAM = "kustomize"

COMPILE_S = 15 * 60.0
"""It takes 20 s on two cores with nothing cached but the modules."""


def provide() -> Path:
    """A directory that holds kustomize, compiled if need be; raise assets.Unavailable where it cannot be had."""
    target = _target()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(f"{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees the lock of a build that was killed
            if not target.exists():
                _build(target)
    return target


def version() -> str:
    """The version of kustomize that go.mod pins."""
    pinned = re.search(rf"^\s*{PACKAGE} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert pinned is not None, "go.mod requires kustomize"
    return pinned.group(1)


def _target() -> Path:
    key = hashlib.sha256()
    for part in ((MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes()):
        key.update(part)
    key.update(repr([platform.system(), platform.machine()]).encode())
    return build.cache() / "renderers" / f"{PROGRAM}-{version()}-{key.hexdigest()[:12]}"


def _build(target: Path) -> None:
    """Compile beside the target and give it its name last, so that what has the name is complete."""
    started = time.monotonic()
    go = toolchain.find(build.cache() / "controlplane")
    _say(f"compiling kustomize {version()}, once: about half a minute on two cores")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    flags = f"-ldflags=-s -w -X sigs.k8s.io/kustomize/api/provenance.version={version()}"
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", flags, f"-o={partial / PROGRAM}", PACKAGE]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    if str(go) != shutil.which("go"):
        environment.pop("GOROOT", None)
    try:
        done = subprocess.run(command, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=COMPILE_S)
    except subprocess.TimeoutExpired as late:
        raise assets.Unavailable(f"kustomize: not compiled after {late.timeout:.0f} s") from late
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise assets.Unavailable(f"kustomize cannot be compiled ({lines[-1].strip()})")
    partial.rename(target)
    _say(f"compiled in {time.monotonic() - started:.0f} s")


def _say(line: str) -> None:
    print(f"renderers: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Provide kustomize and look for helm before pytest starts, where no time limit of a test runs."""
    missing = []
    try:
        print(provide())
    except assets.Unavailable as reason:
        missing.append(("kustomize", str(reason)))
    try:
        programs.find_helm()
    except errors.MissingError as reason:
        missing.append(("helm", reason.reason))
    for part, reason in missing:
        _say(f"{reason}: {'and it is required' if requirements.required(part) else 'its tests will be skipped'}")
    return 1 if any(requirements.required(part) for part, _ in missing) else 0


if __name__ == "__main__":
    sys.exit(main())
