"""The `git` command, for what libgit2 does slowly or not strictly. Every call here blocks.

It gets an environment of its own, so that no configuration of the machine changes what it does, and the credentials in
that or in a directory that only we may read, never on the command line. Its time, its silence and what it stores are
bounded from outside: Git itself has no such bounds.
"""

import contextlib
import os
import pathlib
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

import msgspec

from controller.git import errors, limits
from controller.git.conversations import Conversation

_PASSED_ON = (
    "PATH",
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What the way to the network needs; nothing else of our environment concerns Git."""

_LOW_SPEED_BYTES = 1000
"""Slower than this over the idle time counts as a stalled server."""

_MEMORY = "/dev/shm"  # noqa: S108  # a private directory is made in it
"""Where the system has it, a key that was opened never touches a disk."""

ROOM = "flotilla-git-"
"""The names of those directories begin so."""

_SSH = "ssh -F ssh_config"
"""All of it is ours: Git gives this line to a shell. The file lies in the directory that the command runs in."""

_SSH_CONFIG = """\
User {user}
IdentityFile identity
IdentitiesOnly yes
IdentityAgent none
PreferredAuthentications publickey
BatchMode yes
StrictHostKeyChecking yes
UserKnownHostsFile known_hosts
GlobalKnownHostsFile /dev/null
UpdateHostKeys no
CheckHostIP no
ConnectTimeout {connect_s}
ServerAliveInterval {alive_s}
ServerAliveCountMax 3
ClearAllForwardings yes
ForwardAgent no
ForwardX11 no
PermitLocalCommand no
ControlMaster no
ControlPath none
LogLevel DEBUG1
"""
"""The level of the log is for the one line that tells which host key was shown."""


class Ended(msgspec.Struct, frozen=True):
    """What a command left."""

    code: int
    output: bytes
    complaint: str
    """The beginning and the end of what it wrote to stderr."""


def run(arguments: list[str], conversation: Conversation, *, growing: pathlib.Path) -> Ended:
    """Run `git` with these arguments, on the repository `growing`; raise what our own bounds say."""
    try:
        with _room(conversation) as room, _started(arguments, conversation, room, growing) as process:
            return _Watch(process, conversation, growing).follow()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise errors.Unstorable(f"{conversation.url}: the `git` command cannot be run ({reason})") from error


def _program(conversation: Conversation) -> str:
    path = conversation.environ.get("PATH")
    if conversation.git is None:
        raise errors.CommandMissing(f"{conversation.url}: takes the `git` command, which is not on the hub's PATH")
    if conversation.identity is not None and shutil.which("ssh", path=path) is None:
        raise errors.CommandMissing(f"{conversation.url}: takes the `ssh` command, which is not on the hub's PATH")
    return conversation.git


@contextlib.contextmanager
def _room(conversation: Conversation) -> Iterator[pathlib.Path]:
    """A directory for one command, with what it must read from files; nobody else may look into it."""
    parent = rooms()
    _sweep(parent, conversation.limits)
    with tempfile.TemporaryDirectory(prefix=ROOM, dir=parent, ignore_cleanup_errors=True) as path:
        room = pathlib.Path(path)
        if conversation.authorities:
            (room / "authorities").write_bytes(conversation.authorities)
        if conversation.identity is not None:
            (room / "identity").touch(mode=0o600)
            (room / "identity").write_bytes(conversation.identity.reveal())
            (room / "known_hosts").write_text(conversation.identity.known_hosts)
            (room / "ssh_config").write_text(_ssh_config(conversation))
        yield room


def rooms() -> pathlib.Path:
    """Where the commands' private directories lie."""
    return pathlib.Path(_MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else tempfile.gettempdir())


def _sweep(parent: pathlib.Path, bounds: limits.Limits) -> None:
    """Remove what a killed hub left, which may hold a key: no command lives as long as that."""
    oldest = time.time() - 2 * bounds.fetch_s
    for left in parent.glob(ROOM + "*"):
        with contextlib.suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.getuid() and found.st_mtime < oldest:
                shutil.rmtree(left)


def _ssh_config(conversation: Conversation) -> str:
    assert conversation.identity is not None, "only ssh has this file"
    bounds = conversation.limits
    return _SSH_CONFIG.format(
        user=conversation.identity.user,
        connect_s=max(1, round(bounds.connect_s)),
        alive_s=max(1, round(bounds.idle_s / 3)),
    )


@contextlib.contextmanager
def _started(
    arguments: list[str], conversation: Conversation, room: pathlib.Path, repository: pathlib.Path
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [_program(conversation), "--git-dir", str(repository.absolute()), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=room,
        env=_environment(conversation, room),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Leave no process behind, nor the ones that it started (`ssh`, `git-remote-https`, `index-pack`).
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None, "both were asked for"
            pipe.close()


def _environment(conversation: Conversation, room: pathlib.Path) -> dict[str, str]:
    settings = _settings(conversation, room)
    counted = {f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(settings)}
    counted |= {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(settings)}
    return {
        **{name: conversation.environ[name] for name in _PASSED_ON if name in conversation.environ},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": _SSH,
        "GIT_SSH_VARIANT": "ssh",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **counted,
    }


def _settings(conversation: Conversation, room: pathlib.Path) -> list[tuple[str, str]]:
    url = conversation.url
    settings = [
        ("protocol.allow", "never"),
        (f"protocol.{url.scheme}.allow", "always"),
        ("core.hooksPath", os.devnull),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("fetch.unpackLimit", "1"),  # one pack instead of loose objects
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", str(_LOW_SPEED_BYTES)),
        ("http.lowSpeedTime", str(int(conversation.limits.idle_s))),
    ]
    if conversation.authorities:
        # The path is an empty one, so that the machine's CAs do not count beside those of the bundle.
        settings += [("http.sslCAInfo", str(room / "authorities")), ("http.sslCAPath", str(room / "none"))]
    if conversation.credentials is not None:
        settings.append((f"http.{url}.extraHeader", f"Authorization: Basic {conversation.credentials.basic()}"))
    return settings


class _Watch:
    """Reads what a command writes, until it ends or goes beyond a bound."""

    def __init__(self, process: "subprocess.Popen[bytes]", conversation: Conversation, growing: pathlib.Path) -> None:
        self._process = process
        self._conversation = conversation
        self._growing = growing
        self._output = bytearray()
        self._complaint = bytearray()
        self._began = self._heard = self._measured = conversation.clock()
        self._size_before = self._size = _size(growing)

    def follow(self) -> Ended:
        """Wait for the end; raise Unreachable, TooLarge or Abandoned if it does not come in its bounds."""
        with selectors.DefaultSelector() as selector:
            for pipe, into in ((self._process.stdout, self._output), (self._process.stderr, self._complaint)):
                assert pipe is not None, "both were asked for"
                selector.register(pipe, selectors.EVENT_READ, into)
            while selector.get_map():
                for key, _ in selector.select(limits.LOOK_S):
                    self._read(selector, key)
                self._check()
        while self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(limits.LOOK_S)
            self._check()
        self._measure(self._conversation.clock())
        return Ended(self._process.returncode, bytes(self._output), self._complaint.decode(errors="replace"))

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 64 * 1024)
        if not data:
            selector.unregister(key.fileobj)
            return
        self._heard = self._conversation.clock()
        into: bytearray = key.data
        into += data
        if into is self._complaint and len(into) > 2 * limits.COMPLAINT_BYTES:
            # The middle is progress; what ssh says of the host comes first, and what failed comes last.
            del into[limits.COMPLAINT_BYTES : -limits.COMPLAINT_BYTES]
        if len(self._output) > limits.ADVERTISEMENT_BYTES_MAX:
            bound = limits.ADVERTISEMENT_BYTES_MAX
            raise errors.TooLarge(f"{self._conversation.url}: answer stopped (more than {bound} bytes of refs)")

    def _check(self) -> None:
        url, bounds, now = self._conversation.url, self._conversation.limits, self._conversation.clock()
        if self._conversation.abandoned.is_set():
            raise errors.Abandoned(f"{url}: fetch given up (cancelled)")
        if now - self._began > bounds.fetch_s:
            raise errors.Unreachable(f"{url}: fetch stopped (longer than {bounds.fetch_s:g} s)")
        if now - self._measured >= limits.SIZE_CHECK_S:
            self._measure(now)
        if now - self._heard > bounds.idle_s:
            raise errors.Unreachable(f"{url}: fetch stopped (nothing heard for {bounds.idle_s:g} s)")

    def _measure(self, now: float) -> None:
        size, bound = _size(self._growing), self._conversation.limits.pack_bytes_max
        if size - self._size_before > bound:
            raise errors.TooLarge(f"{self._conversation.url}: fetch stopped (more than {bound} bytes)")
        if size != self._size:
            self._heard = now
        self._size, self._measured = size, now


def _size(repository: pathlib.Path) -> int:
    total = 0
    for path in (repository / "objects").rglob("*"):
        # Files come and go while Git works.
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
