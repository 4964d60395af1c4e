"""Starts programs for `children`, from a process of its own: a script of the standard library, run as `python -I -S`.

It stays for the life of a sandbox, because a new interpreter would take ten milliseconds for each program; and since it
has one thread, what is done between fork and exec is safe. It is two processes: the first waits for the second, the
*supervisor*, which starts one program after the other, watches it, and answers only when nothing of it is left:

- The supervisor is a subreaper: what a program leaves behind becomes the supervisor's child, sessions and double forks
  notwithstanding. Having no child left is the proof that nothing runs any more.
- Where the kernel lets us, each program is the first process of a PID namespace of its own: to kill it is to kill all
  that it started, at once, however fast it forks. Those namespaces lie within another, whose first process is the
  supervisor: should it die, the kernel ends everything.
- Where the kernel lets us, all of them live in a network namespace without any interface that is up.
- It has the limits of most programs itself, and they inherit them: then nothing of Python runs between fork and exec,
  and the memory of this process need not be copied, which takes a millisecond. A program with other limits, or without
  a namespace, is forked.

It ends with its caller: the control socket is closed then.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

RUN = b"R"
KILL = b"K"
LENGTH = struct.Struct(">I")
"""A message is one byte that says which, then, but for KILL, its length and as many bytes of JSON."""

FDS = 3
"""The program's standard input, output and error, which come along with RUN."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_CLONE_NEWIPC = 0x08000000

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_TICK_MS = 100
"""A fork bomb has some hundred processes in this time; to count costs two milliseconds where 200 processes run, and
most renders are done before, on busy cores, too."""

_LOOK_BYTES = 16 * 1024 * 1024
"""What may vanish from a file system in memory before it is looked who has taken it."""

_LOOK_TICKS = 10
"""After so many it is looked all the same: what others removed meanwhile hides what vanished."""

_LOOK_FILES = 100_000
_FILE_BYTES = 1024
"""Of the kernel's memory, that a file takes beside its content."""

_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""By Python, which programs would inherit."""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve one caller on the socket whose number is the first argument; the second says whether to leave the network,
    the third which limits most programs have."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    limits = json.loads(sys.argv[3])
    cut = sys.argv[2] == "cut" and _cut()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _libc.unshare(_CLONE_NEWPID)  # or not: then what programs leave is found one by one
    gc.disable()
    gc.freeze()
    supervisor = os.fork()
    if supervisor == 0:
        _leave_after(_supervise, control, limits, cut)
    _, status = os.waitpid(supervisor, 0)
    if status:
        # Somebody killed it. With it, the kernel ended what was in its namespace; without one, that is ours now.
        end_all()
        _send(control, {"lost": True})


def _leave_after(work: Callable[..., None], *arguments: object) -> None:
    """What a forked copy of this process does: its work, and nothing of what stands above it on the stack."""
    try:
        work(*arguments)
        os._exit(0)
    finally:
        os._exit(1)


def _supervise(control: socket.socket, limits: dict[str, list[int]], cut: bool) -> None:
    """Start one program after the other, until the caller has gone."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would let programs send it to the first of their namespace
    os.umask(0o077)
    _set_limits(limits)
    own = _own_namespace()
    _send(control, {"cut": cut})
    while (request := _receive(control)) is not None:
        values, fds = request
        start = _spawned if _is_first() and values["limits"] == limits else _forked
        try:
            with _namespace(own):
                program = start(values, fds)
        except OSError as error:
            _send(control, {"refused": error.errno})
            continue
        finally:
            _close(fds)
        _send(control, _followed(control, program, values))


def _is_first() -> bool:
    """Is this the first process of a namespace, with which all others in it end?"""
    return os.getpid() == 1


def _own_namespace() -> int | None:
    """The PID namespace to come back to from those of the programs; None where there is no way back, or no way out."""
    if not _is_first():
        return None
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    return own if _libc.setns(own, _CLONE_NEWPID) == 0 else None


@contextlib.contextmanager
def _namespace(own: int | None) -> Iterator[None]:
    """What is started in the block is the first process of a PID namespace, where that can be."""
    if own is None:
        yield
        return
    if _libc.unshare(_CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        yield
    finally:
        # Not an OSError, which would be the program's: without a way back nothing can be started any more.
        assert _libc.setns(own, _CLONE_NEWPID) == 0, os.strerror(ctypes.get_errno())


def _spawned(values: dict[str, Any], fds: list[int]) -> int:
    """Start the program with the limits and the rest that this process has; its PID."""
    os.chdir(values["directory"])
    try:
        return os.posix_spawn(
            values["arguments"][0],
            values["arguments"],
            values["environment"],
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(fds)],
            setsid=True,
            setsigdef=_IGNORED,
        )
    finally:
        os.chdir("/")


def _forked(values: dict[str, Any], fds: list[int]) -> int:
    """Start the program with limits of its own; its PID."""
    started, starting = os.pipe()
    program = os.fork()
    if program == 0:
        _leave_after(_become, values, fds, starting)
    os.close(starting)
    refusal = os.read(started, 64).decode()
    os.close(started)
    if refusal:
        os.waitpid(program, 0)
        raise OSError(int(refusal), os.strerror(int(refusal)))
    return program


def _become(values: dict[str, Any], fds: list[int], starting: int) -> None:
    """Turn into the program."""
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for place, fd in enumerate(fds):
            os.dup2(fd, place)
        _set_limits(values["limits"])
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        os.chdir(values["directory"])
        os.execve(values["arguments"][0], values["arguments"], values["environment"])  # noqa: S606  # that is the point
    except OSError as error:
        os.write(starting, str(error.errno).encode())


def _followed(control: socket.socket, program: int, values: dict[str, Any]) -> dict[str, Any]:
    """Watch a program to its end, or put an end to it; what became of it, once nothing of it is left."""
    why = _watch(control, program, values)
    with contextlib.suppress(ProcessLookupError):
        os.kill(program, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program, signal.SIGKILL)
    _, status, used = os.wait4(program, 0)
    end_all()
    return {
        "code": os.waitstatus_to_exitcode(status),
        "why": why,
        "cpu": used.ru_utime + used.ru_stime,
        "spent": time.process_time(),
    }


def _set_limits(limits: dict[str, list[int]]) -> None:
    for name, (soft, hard) in limits.items():
        _set_limit(getattr(resource, name), soft, hard)


def _set_limit(which: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))


def _watch(control: socket.socket, program: int, values: dict[str, Any]) -> str:
    """Wait for the program's end, or for a reason to end it."""
    exited = os.pidfd_open(program)
    held, free, tick = values["held"], _free(values["held"]), 0
    try:
        poll = select.poll()
        poll.register(exited, select.POLLIN)
        poll.register(control, select.POLLIN)
        while True:
            ready = dict(poll.poll(_TICK_MS))
            tick += 1
            if control.fileno() in ready:
                return "killed"
            if exited in ready:
                return ""
            processes, threads, memory = _measured(_descendants())
            if processes > values["processes"] or threads > values["threads"]:
                return "processes"
            if held and (tick % _LOOK_TICKS == 0 or free - _free(held) > _LOOK_BYTES):
                memory += _written(held)
            if memory > values["memory"]:
                return "memory"
    finally:
        os.close(exited)


def _free(directory: str) -> int:
    """Bytes that are free where a directory lies, those that hold no content but files themselves included."""
    if not directory:
        return 0
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize + about.f_favail * _FILE_BYTES


def _written(directory: str) -> int:
    """Bytes of all files below a directory; more than anybody may have, where there are more files than are counted."""
    size = seen = 0
    for path, directories, files in os.walk(directory):
        for name in (*directories, *files):
            with contextlib.suppress(OSError):  # it is gone again
                size += os.lstat(f"{path}/{name}").st_blocks * 512 + _FILE_BYTES
        seen += len(directories) + len(files)
        if seen > _LOOK_FILES:
            return sys.maxsize
    return size


def end_all() -> None:
    """Kill every descendant, until there is none."""
    while not _reaped():
        _kill_all()
        select.select([], [], [], 0.001)


def _kill_all() -> None:
    if _is_first():
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all of the namespace but this one
        return
    for pid in _descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _reaped() -> bool:
    """Take leave of the children that have ended; whether none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _descendants() -> dict[int, tuple[int, int]]:
    """PID → threads and bytes of memory, of every process below this one. The PIDs are those of the namespace that
    /proc belongs to; in one of our own they are others."""
    below: dict[int, list[tuple[int, int, int]]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as stat:
                # The name of the program may hold anything; it ends at the last parenthesis.
                fields = stat.read(4096).rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        below.setdefault(int(fields[1]), []).append((int(name), int(fields[17]), int(fields[21])))
    found: dict[int, tuple[int, int]] = {}
    pending = [int(os.readlink("/proc/self"))]
    while pending:
        for pid, threads, pages in below.get(pending.pop(), ()):
            found[pid] = (threads, pages * resource.getpagesize())
            pending.append(pid)
    return found


def _measured(descendants: dict[int, tuple[int, int]]) -> tuple[int, int, int]:
    """How many processes and threads, and how much memory they hold."""
    return len(descendants), sum(one[0] for one in descendants.values()), sum(one[1] for one in descendants.values())


def _cut() -> bool:
    """Leave the network for ever, if the kernel lets us."""
    user, group = os.getuid(), os.getgid()
    if user == 0 and _libc.unshare(_CLONE_NEWNET | _CLONE_NEWIPC) == 0:
        return True
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) != 0:
        return False
    # In the new user namespace we stay who we are.
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with contextlib.suppress(OSError), open(f"/proc/self/{file}", "w") as target:
            target.write(text)
    return True


def _send(control: socket.socket, values: dict[str, Any]) -> None:
    data = json.dumps(values).encode()
    with contextlib.suppress(OSError):  # the caller may have gone
        control.sendall(LENGTH.pack(len(data)) + data)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request; None once the caller has gone."""
    while True:
        kind, fds, _, _ = socket.recv_fds(control, 1, FDS)
        for fd in fds:
            os.set_inheritable(fd, False)
        if not kind:
            return None
        if kind == RUN:
            break
        # A KILL that crossed our answer.
    (length,) = LENGTH.unpack(control.recv(LENGTH.size, socket.MSG_WAITALL))
    return json.loads(control.recv(length, socket.MSG_WAITALL)), fds


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


if __name__ == "__main__":
    main()
