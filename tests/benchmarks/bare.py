"""What the renderers alone take: every run of helm and kustomize that a resolution made, once more without us.

A resolution is recorded by programs that keep what they are given (directory, arguments) before they become the real
ones. What was recorded is run again by as many threads as there were workers, in the kept directories, with the same
arguments, and its output taken. Nothing else is done: no sandbox, no reading of what comes out.

PLAIN is the environment of somebody who runs them by hand: what a resolution is measured against. OURS has what we tell
the programs about their memory, too (`programs.ENVIRONMENT`), which is a part of what makes a resolution fast.
"""

import concurrent.futures
import functools
import os
import pathlib
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence

import msgspec

from controller.render import programs, stages, yamls

PLAIN: Mapping[str, str] = {}
OURS: Mapping[str, str] = programs.ENVIRONMENT

_RECORDER = """\
#!/bin/sh
kept=$(mktemp -d {kept}/XXXXXXXXXX)
cp -r "$HOME/../work" "$kept/work"
printf '%s\\n' "$PWD" "$HOME" {program} "$@" > "$kept/said"
exec {program} "$@"
"""


class Run(msgspec.Struct, frozen=True):
    """One run of a program, ready to be made again."""

    arguments: tuple[str, ...]
    directory: pathlib.Path
    home: pathlib.Path

    def again(self, environment: Mapping[str, str]) -> bytes:
        """What it prints, with this beside the paths of its own."""
        home = str(self.home)
        whole = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": home, "TMPDIR": home, **environment}
        done = subprocess.run(
            self.arguments, cwd=self.directory, env=whole, stdin=subprocess.DEVNULL, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Recorder:
    """Stands before the programs, and keeps what they are given."""

    def __init__(self, tools: stages.Tools, directory: pathlib.Path) -> None:
        self._kept = directory / "kept"
        self._kept.mkdir()
        self._home = directory / "home"
        self._home.mkdir()
        assert tools.helm is not None, tools.helm_missing
        assert tools.kustomize is not None, tools.kustomize_missing
        self.tools = msgspec.structs.replace(
            tools,
            helm=self._before(tools.helm, directory / "helm"),
            kustomize=self._before(tools.kustomize, directory / "kustomize"),
        )

    def _before(self, program: programs.Program, script: pathlib.Path) -> programs.Program:
        text = _RECORDER.format(kept=shlex.quote(str(self._kept)), program=shlex.quote(str(program.path)))
        script.write_text(text)
        script.chmod(0o755)
        return msgspec.structs.replace(program, path=script)

    def runs(self) -> tuple[Run, ...]:
        """Everything that was recorded, in an order of no meaning."""
        return tuple(self._run(kept) for kept in sorted(self._kept.iterdir()))

    def forget(self) -> None:
        """What was recorded so far does not count."""
        shutil.rmtree(self._kept)
        self._kept.mkdir()

    def _run(self, kept: pathlib.Path) -> Run:
        here, home, *arguments = (kept / "said").read_text().splitlines()
        below = pathlib.Path(here).relative_to(pathlib.Path(home).parent / "work")
        return Run(tuple(arguments), kept / "work" / below, self._home)


def seconds(runs: Sequence[Run], workers: int, environment: Mapping[str, str]) -> float:
    """What all runs take together."""
    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        begun = time.perf_counter()
        for _ in threads.map(lambda run: run.again(environment), runs):
            pass
        return time.perf_counter() - begun


def loading_seconds(files: Sequence[bytes], workers: int) -> float:
    """What the loader alone takes for files of manifests, in as many processes."""
    shares = [files[place::workers] for place in range(workers)]
    with concurrent.futures.ProcessPoolExecutor(workers) as processes:
        list(processes.map(functools.partial(load, ()), range(workers)))  # they have started, and imported
        begun = time.perf_counter()
        list(processes.map(load, shares))
        return time.perf_counter() - begun


def load(files: Sequence[bytes], _: int = 0) -> int:
    """Load files; how many documents."""
    return sum(len(yamls.load(data)) for data in files)
