"""What survives a restart on the agent's disk: the last accepted desired state, the blobs it needs, and the reports
that wait for the hub, in one SQLite file.

SQLite, because its transactions make "the blobs first, then the state that names them" true after any crash, with one
sync for thousands of blobs. Blobs stay sealed, exactly as they came: their names tell nothing, and a damaged one does
not open. The file is private to the agent (0600 in a 0700 directory). Losing it loses nothing but work and old news:
the hub has the state, the cluster has the inventory and the high-water mark, and how things are is said again.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agents import errors, outbox
from protocol.canonical import Digest

T = TypeVar("T")

FILE = "state.sqlite"
LOCK_FILE = "lock"
SCHEMA_VERSION = 1
NAMES_PER_QUERY = 500
"""SQLite's default limit of host parameters was once 999."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (name TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sizes (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accepted (one INTEGER PRIMARY KEY CHECK (one = 1), record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS boots (one INTEGER PRIMARY KEY CHECK (one = 1), boot INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS installation (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS letters (
    number INTEGER PRIMARY KEY, size INTEGER NOT NULL, subject TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS drawer (
    one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, lost INTEGER NOT NULL
);
"""
# The sizes stand apart, in the order in which the blobs came, so that adding them up does not read the blobs. Those of
# letters stand before the bodies, which SQLite therefore need not read for them either.


class Accepted(msgspec.Struct, frozen=True, rename="camel"):
    """The last accepted desired state."""

    message: bytes
    """The SignedDesired as it came."""
    traceparent: str = ""
    """Of the message, so that a restart goes on in the same trace."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Accepted)
_headers = msgspec.json.Decoder(dict[str, str])


class Disk:
    """One cluster's file. Every method runs SQLite in a thread, one at a time."""

    def __init__(self, directory: Path, *, cache_bytes_max: int) -> None:
        self._path = directory / FILE
        self._cache_bytes_max = cache_bytes_max
        self._database: sqlite3.Connection | None = None
        self._lock = -1
        self._turn = asyncio.Lock()

    async def open(self) -> bool:
        """Open or create the file; True if a damaged one had to be put aside. Raise DiskFailed if it cannot be used, or
        another process uses it."""
        return await self._run(self._open)

    async def close(self) -> None:
        if self._database is not None:
            await self._run(self._database.close)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def accepted(self) -> Accepted | None:
        """The last accepted state; None if there is none."""
        row = await self._run(lambda: self._db.execute("SELECT record FROM accepted").fetchone())
        return None if row is None else _decoder.decode(row[0])

    async def accept(self, record: Accepted, *, used: Iterable[Digest]) -> None:
        """Record an accepted state, durably; `used` are the names of all blobs it needs. Forget the oldest of the
        others beyond the bound of the cache."""
        names = frozenset(used)
        await self._run(lambda: self._accept(_encoder.encode(record), names))

    async def next_boot(self, now: int) -> int:
        """The number of this start, `now` in nanoseconds: higher than that of every start before, whatever the clock
        says."""
        return await self._run(lambda: self._next_boot(now))

    async def installation(self, fresh: str) -> str:
        """What tells this file from every other one; `fresh`, if it has no such name yet."""
        return await self._run(lambda: self._installation(fresh))

    async def put(self, blobs: Sequence[tuple[Digest, bytes]]) -> None:
        """Keep sealed blobs under their names, durably."""
        kept = list(blobs)
        await self._run(lambda: self._put(kept))

    async def get(self, name: Digest) -> bytes | None:
        """A sealed blob, or None."""
        row = await self._run(lambda: self._db.execute("SELECT data FROM blobs WHERE name = ?", (name,)).fetchone())
        return None if row is None else row[0]

    async def get_all(self, names: Iterable[Digest]) -> dict[Digest, bytes]:
        """Those of the sealed blobs that are here, by name."""
        wanted = sorted(set(names))
        return await self._run(lambda: self._get_all(wanted))

    async def missing(self, names: Iterable[Digest]) -> list[Digest]:
        """Those of the names that are not kept here."""
        wanted = sorted(set(names))
        return await self._run(lambda: self._missing(wanted))

    async def drop(self, name: Digest) -> None:
        """Forget a blob that turned out to be damaged."""
        await self._run(lambda: self._drop(name))

    async def drawer(self) -> outbox.Drawer:
        """The reports that wait."""
        return await self._run(self._drawer)

    async def post(self, letters: Sequence[outbox.Stored], *, first: int, lost: int) -> None:
        """Keep these reports and forget those below `first`, durably and in one step."""
        kept = list(letters)
        await self._run(lambda: self._post(kept, first, lost))

    async def letters(self, after: int, count: int) -> list[outbox.Stored]:
        """The oldest reports above a number."""
        return await self._run(lambda: self._letters(after, count))

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._database is not None, "the disk is open"
        return self._database

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._turn:
            working = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(working)
            except (OSError, sqlite3.Error) as error:
                raise errors.DiskFailed(f"{self._path}: {error}") from error
            finally:
                await _ended(working)

    def _open(self) -> bool:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take()
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # no room, no rights, locked: the file itself may be sound
            for suffix in ("", "-wal", "-shm"):
                damaged = self._path.with_name(self._path.name + suffix)
                if damaged.exists():
                    damaged.replace(damaged.with_name(damaged.name + ".damaged"))
            self._connect()
            return True
        return False

    def _take(self) -> None:
        """Let no second process have the directory: two agents with one name would both hold one lease."""
        self._lock = os.open(self._path.with_name(LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = -1
            raise OSError(f"the directory is in use by another process ({LOCK_FILE} is held)") from error

    def _connect(self) -> None:
        self._path.touch(mode=0o600)
        self._database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _next_boot(self, now: int) -> int:
        with self._transaction():
            row = self._db.execute("SELECT boot FROM boots").fetchone()
            boot = max(now, row[0] + 1 if row else 0)
            self._db.execute("INSERT OR REPLACE INTO boots (one, boot) VALUES (1, ?)", (boot,))
        return boot

    def _installation(self, fresh: str) -> str:
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO installation (one, id) VALUES (1, ?)", (fresh,))
            return str(self._db.execute("SELECT id FROM installation").fetchone()[0])

    def _drawer(self) -> outbox.Drawer:
        row = self._db.execute("SELECT first, lost FROM drawer").fetchone()
        first, lost = row or (1, 0)
        sizes = self._db.execute("SELECT size FROM letters WHERE number >= ? ORDER BY number", (first,))
        return outbox.Drawer(first, tuple(size for (size,) in sizes), lost)

    def _post(self, letters: list[outbox.Stored], first: int, lost: int) -> None:
        rows = [
            (one.number, one.letter.size, one.letter.subject, _encoder.encode(one.letter.headers), one.letter.body)
            for one in letters
        ]
        with self._transaction():
            self._db.execute("DELETE FROM letters WHERE number < ?", (first,))
            self._db.executemany("INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO drawer (one, first, lost) VALUES (1, ?, ?)", (first, lost))

    def _letters(self, after: int, count: int) -> list[outbox.Stored]:
        found = self._db.execute(
            "SELECT number, subject, headers, body FROM letters WHERE number > ? ORDER BY number LIMIT ?",
            (after, count),
        )
        return [
            outbox.Stored(number, outbox.Letter(subject, body, _headers.decode(headers)))
            for number, subject, headers, body in found
        ]

    def _put(self, blobs: list[tuple[Digest, bytes]]) -> None:
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO blobs (name, data) VALUES (?, ?)", blobs)
            sizes = [(name, len(data)) for name, data in blobs]
            self._db.executemany("INSERT OR REPLACE INTO sizes (name, size) VALUES (?, ?)", sizes)

    def _drop(self, name: Digest) -> None:
        with self._transaction():
            self._forget([(name,)])

    def _forget(self, names: list[tuple[str]]) -> None:
        self._db.executemany("DELETE FROM blobs WHERE name = ?", names)
        self._db.executemany("DELETE FROM sizes WHERE name = ?", names)

    def _accept(self, record: bytes, used: frozenset[Digest]) -> None:
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO accepted (one, record) VALUES (1, ?)", (record,))
            total = self._db.execute("SELECT COALESCE(SUM(size), 0) FROM sizes").fetchone()[0]
            if total > self._cache_bytes_max:
                self._sweep(used)

    def _sweep(self, used: frozenset[Digest]) -> None:
        spare, gone = 0, []
        for name, size in self._db.execute("SELECT name, size FROM sizes ORDER BY number DESC"):
            if name not in used:
                spare += size
                if spare > self._cache_bytes_max:
                    gone.append((name,))
        self._forget(gone)

    def _get_all(self, names: list[Digest]) -> dict[Digest, bytes]:
        return dict(self._select("name, data", names))

    def _missing(self, names: list[Digest]) -> list[Digest]:
        found = {row[0] for row in self._select("name", names)}
        return [name for name in names if name not in found]

    def _select(self, columns: str, names: list[Digest]) -> Iterable[tuple[Any, ...]]:
        for start in range(0, len(names), NAMES_PER_QUERY):
            part = names[start : start + NAMES_PER_QUERY]
            marks = ",".join("?" * len(part))
            # Only marks and our own column names go into the text.
            yield from self._db.execute(f"SELECT {columns} FROM blobs WHERE name IN ({marks})", part)  # noqa: S608

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


async def _ended(working: "asyncio.Future[Any]") -> None:
    """Wait for a thread whose caller was cancelled: SQLite crashes where a connection is closed under its user."""
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError:
            continue  # the first cancellation is on its way up already


class _Transaction:
    """Begin immediate, then commit, or roll back on an error. (sqlite3's own context manager never begins one.)"""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
