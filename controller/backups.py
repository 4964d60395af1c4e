"""Backup and restore of a hub (DESIGN.md, *Restore*).

A backup is taken while the hub runs. The order makes it consistent: what rests on something else is taken first, so
that what it rests on is there as well. Desired states rest on events, events name reports, blobs and keys.

A restore makes a state directory anew, reads back all of the log with its hash chains, and leaves the hub in recovery:
nobody knows what was decided after the backup, so nothing is published until a person says so.
"""

import contextlib
import datetime
import importlib.metadata
import pathlib
import ssl
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import IO

import msgspec

from controller import archives, authority, errors, keys, locks, nats_server, tenancy, transact
from controller.broker import connection, doors, snapshots
from controller.domain import fleet
from protocol import streams
from protocol.events import fleet as fleet_events

ORDER = (streams.DESIRED, streams.LOG, streams.REPORTS, streams.BLOBS)

LEFT_OUT = (
    "nats/store",
    "nats/run",
    "nats/nats-server.conf",
    "nats/nats-server.log",
    "nats/start.log",
    locks.FILE,
    f"nats/{locks.FILE}",
    "rendering",
    "charts",
)
"""Of the state directory: what the snapshots hold, and what is made anew."""

MARKER = "restore-unfinished"
"""In a state directory that a restore has begun and not finished: no hub may start on it."""

BY = "restore"
TOLERATED = frozenset({"lost+found", locks.FILE})
"""In a directory that counts as empty: a fresh file system has it, and a hub that did not start left its lock."""


class BackupError(errors.Terminal):
    """A backup or a restore that cannot be done here."""


class Restored(msgspec.Struct, frozen=True):
    """What came back."""

    manifest: archives.Manifest
    events: int
    """In the log, with the one that says that it was restored."""
    clusters: int
    reason: str


async def back_up(state_dir: pathlib.Path, path: pathlib.Path, *, nats_url: str, at: datetime.datetime) -> pathlib.Path:
    """Write a backup to a file, or into a directory under a name with the time; return where it stands. Raise HubError.

    `nats_url`: empty: the server that runs on the state directory; where none does, one is started meanwhile."""
    path = _place(state_dir, path, at)
    ring = keys.KeyRing(state_dir / keys.DIRECTORY)
    async with _server(state_dir, ring, nats_url, at) as url, linked(url, ring, at) as link:
        with archives.writing(path, at) as archive:
            facts = {}
            for stream in ORDER:
                facts[stream.name] = await _add_stream(archive, link, stream.name, beside=path.parent)
            for name in archives.state_files(state_dir, LEFT_OUT):
                _add_file(archive, state_dir, name)
            manifest = archives.Manifest(
                format=archives.FORMAT,
                at=at,
                version=importlib.metadata.version("flotilla-gitops"),
                streams=facts,
                parts=dict(archive.parts),
            )
            archive.add_bytes(archives.MANIFEST, msgspec.json.encode(manifest))
    return path


async def restore(path: pathlib.Path, state_dir: pathlib.Path, *, at: datetime.datetime) -> Restored:
    """Make an empty state directory what it was, with its hub in recovery. Raise HubError; the directory then holds a
    part of it, and no hub starts on that."""
    manifest = archives.check(path)
    _begin(state_dir)
    with tempfile.TemporaryDirectory(dir=state_dir, prefix="restore-") as place:
        _unpack(path, state_dir, pathlib.Path(place))
        ring = keys.KeyRing(state_dir / keys.DIRECTORY)
        async with _server(state_dir, ring, "", at) as url:
            async with linked(url, ring, at) as link:
                for stream in ORDER:
                    await _put_stream(pathlib.Path(place), link, stream.name)
            restored = await _begin_recovery(url, ring, manifest, at)
    (state_dir / MARKER).unlink()
    return restored


def check_finished(state_dir: pathlib.Path) -> None:
    """Raise BackupError if a restore into this directory has not ended well."""
    if (state_dir / MARKER).exists():
        raise BackupError(f"state directory {state_dir}: a restore into it has not ended (empty it, and restore again)")


def _place(state_dir: pathlib.Path, path: pathlib.Path, at: datetime.datetime) -> pathlib.Path:
    """Where the backup goes; raise BackupError if that, or what it is of, makes no sense."""
    if not (state_dir / keys.DIRECTORY).is_dir():
        raise BackupError(f"state directory {state_dir}: holds no keys (is this the hub's state directory?)")
    if path.is_dir():
        path = path / f"flotilla-{at:%Y%m%dT%H%M%SZ}.tar"
    if state_dir.resolve() in path.resolve().parents:
        raise BackupError(f"backup {path}: stands in the state directory that it is of (choose another place)")
    return path


def _begin(state_dir: pathlib.Path) -> None:
    """Make the directory, private and marked; raise BackupError if something is in it."""
    if state_dir.exists() and {one.name for one in state_dir.iterdir()} - TOLERATED:
        raise BackupError(f"state directory {state_dir}: is not empty (a restore never writes over a hub)")
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    (state_dir / MARKER).touch(mode=0o600)


async def _begin_recovery(url: str, ring: keys.KeyRing, manifest: archives.Manifest, at: datetime.datetime) -> Restored:
    """Fold the log, which follows every hash chain, and write down that it is an old one."""
    reason = f"restored from the backup of {manifest.at:%Y-%m-%d %H:%M:%S} UTC: what was decided later is not known"
    async with doors.opened([url], ring, at=at) as opened:
        transactor = transact.Transactor(opened.log, clock=lambda: at, new_id=lambda: uuid.uuid4().hex)
        await transactor.catch_up()
        event = fleet_events.RecoveryEntered(reason=reason, cluster="", epoch=0, generation=0)
        await transactor.run(lambda world: fleet.enter_recovery(world.fleet, event), by=BY)
        world = transactor.world
        clusters = sum(not one.removed for one in world.clusters.values())
        return Restored(manifest, world.log_head.sequence, clusters, world.fleet.recovering)


@contextlib.asynccontextmanager
async def _server(
    state_dir: pathlib.Path, ring: keys.KeyRing, nats_url: str, at: datetime.datetime
) -> AsyncIterator[str]:
    url = nats_url or await nats_server.running_at(state_dir)
    if url:
        yield url
        return
    settings = nats_server.Settings(state_dir=state_dir, port=nats_server.ANY_PORT)
    with locks.alone(state_dir):
        async with nats_server.running(settings, ring, at=at) as server:
            yield server.url


@contextlib.asynccontextmanager
async def linked(url: str, ring: keys.KeyRing, at: datetime.datetime) -> AsyncIterator[connection.Connection]:
    """A connection as the hub, for the time of the block; raise ConnectionLost."""
    token = tenancy.Minter(ring).hub_user(at=at)
    user = connection.User("flotilla-backup", ring.hub_user, token)
    async with connection.connected([url], user, trust=_trust(ring, url)) as link:
        yield link


def _trust(ring: keys.KeyRing, url: str) -> ssl.SSLContext | None:
    """What the server is held against: our own authority and, without one, what every machine trusts."""
    if not url.startswith("tls:"):
        return None
    own = ring.directory / authority.AUTHORITY_FILE
    return ssl.create_default_context(cadata=own.read_text() if own.exists() else None)


async def _add_stream(
    archive: archives.Writer, link: connection.Connection, stream: str, *, beside: pathlib.Path
) -> archives.StreamFacts:
    with tempfile.TemporaryFile(dir=beside) as file:
        meta = await snapshots.take(link, stream, file.write)
        file.flush()
        file.seek(0)
        archive.add(f"{archives.STREAMS}/{stream}.snapshot", file)
    archive.add_bytes(f"{archives.STREAMS}/{stream}.json", msgspec.json.encode(meta))
    return archives.StreamFacts(meta.messages, meta.last_sequence)


def _add_file(archive: archives.Writer, directory: pathlib.Path, name: pathlib.Path) -> None:
    try:
        with (directory / name).open("rb") as file:
            archive.add(f"{archives.STATE}/{name.as_posix()}", file)
    except FileNotFoundError:
        return  # as in `archives.state_files`


def _unpack(path: pathlib.Path, state_dir: pathlib.Path, place: pathlib.Path) -> None:
    for name, _, source in archives.members(path):
        first, _, rest = name.partition("/")
        if first == archives.STATE:
            _write(state_dir, rest, source)
        elif first == archives.STREAMS:
            _write(place, rest, source)


def _write(directory: pathlib.Path, name: str, source: IO[bytes]) -> None:
    path = directory / name
    for parent in reversed(path.relative_to(directory).parents):
        (directory / parent).mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("wb") as file:
        while block := source.read(archives.READ_BYTES):
            file.write(block)


async def _put_stream(place: pathlib.Path, link: connection.Connection, stream: str) -> None:
    meta = msgspec.json.decode((place / f"{stream}.json").read_bytes(), type=snapshots.Meta)
    with (place / f"{stream}.snapshot").open("rb") as file:
        await snapshots.put(link, stream, meta, _chunks(file))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(snapshots.CHUNK_BYTES):
        yield chunk
