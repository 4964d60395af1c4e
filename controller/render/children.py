"""Programs that render, run as children that can harm nothing: bounded in time, memory, output and number, without a
network, with an empty environment, in a fresh directory of regular files that is gone afterwards.

A `Sandbox` holds the one small process that starts them (`launcher` says how it kills them); it runs one program at a
time and may be used in any thread, by one at a time. Linux only. Every failure is a ChildError, whose message does not
depend on the machine: no path of a temporary directory, no process id, no time.
"""

import contextlib
import os
import pathlib
import re
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from controller.render import errors, launching, limits, workplaces

_CHUNK_BYTES = 256 * limits.KIB

_COMPLAINT_HEAD_BYTES = 4 * limits.KIB

_MESSAGE_LINES = 6
_LINE_CHARACTERS_MAX = 400

_NETWORK = re.compile(
    r"network is unreachable|no such host|temporary failure in name resolution|name or service not known"
    r"|could not resolve host|dial (?:tcp|udp)|connect: cannot assign requested address|no route to host",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"out of memory|cannot allocate memory|\bMemoryError\b|bad_alloc", re.IGNORECASE)
_FILE = re.compile(r"file too large|file size limit exceeded", re.IGNORECASE)
_PREFIXES = re.compile(
    r"^(?:(?P<error>[EF])|[IW])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+\] (?:\"command failed\" err=(?:<\n)?)?"
    r"|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? |^time=\S+ ",
    re.MULTILINE,
)
"""What loggers of Go begin a line with: the time, the process, and the place in a program that nobody here reads."""
_BLAMES = re.compile(r"^\s*(?:\S+: )?(?:error|panic|fatal)\b", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")


class Bounds(msgspec.Struct, frozen=True):
    """What one program may use."""

    wall_s: float = limits.CHILD_WALL_S
    cpu_s: int = limits.CHILD_CPU_S
    memory_bytes: int = limits.CHILD_MEMORY_BYTES_MAX
    file_bytes: int = limits.CHILD_FILE_BYTES_MAX
    output_bytes: int = limits.CHILD_OUTPUT_BYTES_MAX
    processes: int = limits.CHILD_PROCESSES_MAX


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A program and all that it gets to see."""

    name: str
    """For messages."""
    program: pathlib.Path
    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = {}
    """Path relative to the program's directory tree → content."""
    directory: str = "."
    """Where it runs, in that tree."""
    stdin: bytes = b""
    environment: Mapping[str, str] = {}
    """Beyond PATH, HOME, TMPDIR and XDG's directories."""
    bounds: Bounds = Bounds()
    keep: str = ""
    """A suffix: files of this kind that it leaves in its directory are handed back."""


class Finished(msgspec.Struct, frozen=True):
    """A program that ended with code 0."""

    stdout: bytes
    stderr: str
    """Its beginning and its end, without the paths and times of this run."""
    kept: Mapping[str, bytes] = {}
    """Name → content of the files that were asked for."""


class Sandbox:
    """Starts programs, one at a time. Use it as a context, or close it."""

    def __init__(
        self,
        *,
        network: bool = False,
        directory: pathlib.Path | None = None,
        memory: pathlib.Path | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """`network`: leave the programs the network. `directory`: where temporary files go (default: the system's).
        `memory`: a directory that lies in memory, where those of small inputs go; what a program writes there counts as
        memory of its own. `bounds`: what most programs may use; those start fastest, and no other may use more."""
        self._network = network
        self._directory = directory
        self._memory = memory
        self._bounds = bounds or Bounds()
        self._running: launching.Launcher | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process that starts the programs."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def is_cut(self) -> bool:
        """Whether the kernel lets us take the network away from the programs."""
        return self._launcher().cut

    def run(self, command: Command) -> Finished:
        """Run a program to its end, and whatever it started; raise ChildError unless it ended with code 0."""
        memory = workplaces.fitting(self._memory, command.files)
        above = memory or self._directory
        with workplaces.laid_out(command.name, command.files, command.directory, above=above) as place:
            run = _Run(command, place, network=self._network, in_memory=memory is not None)
            try:
                answer = run.through(self._launcher())
            except BaseException:
                self.close()  # with it, all that the program started
                raise
            if answer.get("lost") or answer.get("spent", 0.0) > self._bounds.cpu_s / 2:
                self.close()  # the limits of the programs are those of what starts them
            return run.finished(answer)

    def _launcher(self) -> launching.Launcher:
        if self._running is None:
            self._running = launching.Launcher(_resources(self._bounds), network=self._network)
        return self._running


def cuts_network() -> bool:
    """Can programs be cut off from the network here? If not, only what is refused by name keeps them from it."""
    if sys.platform != "linux":
        return True  # nothing is run at all
    with Sandbox() as sandbox:
        return sandbox.is_cut()


class _Run:
    """One program's life."""

    def __init__(self, command: Command, place: workplaces.Place, *, network: bool, in_memory: bool) -> None:
        self._command = command
        self._place = place
        self._network = network
        self._in_memory = in_memory
        self._stdout: list[bytes] = []
        self._read = 0
        self._stderr = b""
        self._stderr_end = b""
        self._stopped: errors.Cause | None = None

    def through(self, running: launching.Launcher) -> dict[str, Any]:
        """Let the launcher run it and take its output; what the launcher says of its end."""
        with contextlib.ExitStack() as ours:
            stdin = os.open(self._stdin(), os.O_RDONLY)
            ours.callback(os.close, stdin)
            out, out_theirs = os.pipe()
            err, err_theirs = os.pipe()
            ours.callback(os.close, out)
            ours.callback(os.close, err)
            try:
                running.start(self._request(), [stdin, out_theirs, err_theirs])
            finally:
                os.close(out_theirs)
                os.close(err_theirs)
            return self._followed(running, out, err)

    def _stdin(self) -> pathlib.Path:
        """A file of what the program reads."""
        if not self._command.stdin:
            return pathlib.Path(os.devnull)
        path = self._place.root / "stdin"
        path.write_bytes(self._command.stdin)
        return path

    def _request(self) -> dict[str, Any]:
        command, bounds = self._command, self._command.bounds
        home = str(self._place.home)
        environment = {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), home),
            **command.environment,
        }
        return {
            "arguments": [str(command.program), *command.arguments],
            "directory": str(self._place.work / command.directory),
            "environment": environment,
            "limits": _resources(bounds),
            "processes": bounds.processes,
            "threads": limits.CHILD_THREADS_MAX,
            "memory": bounds.memory_bytes,
            "held": str(self._place.root) if self._in_memory else "",
        }

    def _followed(self, running: launching.Launcher, out: int, err: int) -> dict[str, Any]:
        """Read both outputs and the launcher's answer until all three have ended."""
        takers: dict[int, Callable[[bytes], None]] = {out: self._take_output, err: self._take_complaint}
        answer: dict[str, Any] | None = None
        deadline = time.monotonic() + self._command.bounds.wall_s
        with selectors.DefaultSelector() as selector:
            for one in (running.control, out, err):
                selector.register(one, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    if key.fileobj is running.control:
                        answer = running.answer()
                        selector.unregister(running.control)
                    elif data := os.read(key.fd, _CHUNK_BYTES):
                        takers[key.fd](data)
                    else:
                        selector.unregister(key.fd)
                late = time.monotonic() >= deadline
                if answer is None and self._stopped is None and (late or self._has_too_much()):
                    self._stopped = errors.Cause.TIME if late else errors.Cause.OUTPUT
                    running.kill()
                    deadline = time.monotonic() + limits.CHILD_LEAVE_S
                elif late:
                    raise launching.lost()
        assert answer is not None, "the loop ends when all three have"
        return answer

    def _has_too_much(self) -> bool:
        return self._read > self._command.bounds.output_bytes

    def _take_output(self, data: bytes) -> None:
        if self._has_too_much():
            return  # not held: it is thrown away in any case
        self._read += len(data)
        self._stdout.append(data)

    def _take_complaint(self, data: bytes) -> None:
        # Beginning and end: programs end with what went wrong, and one line of it may fill all that is kept.
        room = max(0, _COMPLAINT_HEAD_BYTES - len(self._stderr))
        self._stderr += data[:room]
        self._stderr_end = (self._stderr_end + data[room:])[-limits.CHILD_STDERR_BYTES_MAX :]

    def finished(self, answer: Mapping[str, Any]) -> Finished:
        """What came of it; raise ChildError unless that is an output."""
        if "refused" in answer:
            reason = os.strerror(answer["refused"])
            raise errors.ChildError(f"{self._command.name}: cannot be started ({reason})", errors.Cause.START)
        stderr = self._complaint()
        cause = self._cause(answer, stderr)
        if cause is None:
            return Finished(b"".join(self._stdout), stderr, self._kept())
        raise errors.ChildError(f"{self._command.name}: {self._failure(cause, answer, useful(stderr))}", cause)

    def _kept(self) -> Mapping[str, bytes]:
        if not self._command.keep:
            return {}
        return self._place.left_in(self._command.directory, self._command.keep)

    def _cause(self, answer: Mapping[str, Any], stderr: str) -> errors.Cause | None:
        if answer.get("lost"):
            return errors.Cause.START
        if self._stopped is not None:
            return self._stopped
        if self._has_too_much():
            return errors.Cause.OUTPUT
        if answer["why"]:
            return errors.Cause(answer["why"])
        code = answer["code"]
        if code == 0:
            return None
        if code == -signal.SIGXFSZ:
            return errors.Cause.FILE
        # SIGKILL where SIGXCPU did nothing: the first process of a PID namespace is spared what it does not handle.
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and answer["cpu"] >= self._command.bounds.cpu_s):
            return errors.Cause.TIME
        return self._guessed(code, stderr)

    def _guessed(self, code: int, stderr: str) -> errors.Cause:
        """From what the program says: a limit that is met, or a network that is not there, is an error to itself."""
        if _MEMORY.search(stderr):
            return errors.Cause.MEMORY
        if _FILE.search(stderr):
            return errors.Cause.FILE
        if not self._network and _NETWORK.search(stderr):
            return errors.Cause.NETWORK
        return errors.Cause.SIGNAL if code < 0 else errors.Cause.EXIT

    def _failure(self, cause: errors.Cause, answer: Mapping[str, Any], words: str) -> str:
        bounds = self._command.bounds
        said = f": {words}" if words else ""
        match cause:
            case errors.Cause.TIME:
                return f"ended by us after {bounds.wall_s:g} s, or {bounds.cpu_s} s of processor time{said}"
            case errors.Cause.MEMORY:
                return f"wanted more than {bounds.memory_bytes // limits.MIB} MiB of memory{said}"
            case errors.Cause.FILE:
                return f"wrote a file of more than {bounds.file_bytes} bytes"
            case errors.Cause.OUTPUT:
                return f"wrote more than {bounds.output_bytes} bytes"
            case errors.Cause.PROCESSES:
                return f"started more than {bounds.processes} processes, or {limits.CHILD_THREADS_MAX} threads"
            case errors.Cause.NETWORK:
                return f"tried to reach the network, which rendering may not{said}"
            case errors.Cause.SIGNAL:
                return f"killed by {signal.Signals(-answer['code']).name}{said}"
            case errors.Cause.EXIT:
                return f"exit code {answer['code']}{said or ' and no word why'}"
            case _:
                return "its supervisor ended (killed?)"

    def _complaint(self) -> str:
        """The program's stderr, without the paths and times of this run, which would differ in the next."""
        text = (self._stderr + self._stderr_end).decode(errors="replace")
        for path in (f"{self._place.work}/", f"{self._place.home}/", str(self._place.work), str(self._place.root)):
            text = text.replace(path, "")
        return _PREFIXES.sub(lambda found: "Error: " if found["error"] else "", text)


def _resources(bounds: Bounds) -> launching.Resources:
    hard = {
        "RLIMIT_DATA": bounds.memory_bytes,
        "RLIMIT_FSIZE": bounds.file_bytes,
        "RLIMIT_NOFILE": limits.CHILD_OPEN_FILES_MAX,
        "RLIMIT_CORE": 0,
    }
    return {name: (most, most) for name, most in hard.items()} | {"RLIMIT_CPU": (bounds.cpu_s, bounds.cpu_s + 1)}


def useful(stderr: str) -> str:
    """The first lines that say what is wrong, as one line, bounded."""
    lines = [line.strip() for line in _UNPRINTABLE.sub("\n", stderr).splitlines() if line.strip()]
    blaming = next((place for place, line in enumerate(lines) if _BLAMES.match(line)), 0)
    chosen = lines[blaming : blaming + _MESSAGE_LINES]
    return " ".join(_shortened(line) for line in chosen)[: limits.MESSAGE_CHARACTERS_MAX]


def _shortened(line: str) -> str:
    """Helm nests messages: what went wrong stands at the end, where it began at the beginning."""
    half = _LINE_CHARACTERS_MAX // 2
    return line if len(line) <= _LINE_CHARACTERS_MAX else f"{line[:half]} … {line[-half:]}"
