"""Mirrors: the async face of everything that happens between a Git URL and the objects of a commit.

libgit2 blocks, so its calls run in threads: a bounded number that may wait for remotes, and a smaller one that reads.
A cancelled caller leaves no thread at work behind: the work is told to stop, and waited for (it stops at the next byte,
or at a time-out of libgit2).
"""

import asyncio
import concurrent.futures
import pathlib
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from controller.domain import catalogs
from controller.git import authorities, errors, following, heads, keys, library, limits, stores, trees, urls
from controller.git import credentials as credentials_
from controller.git.conversations import Conversation
from protocol import ids, specs
from protocol.events import sources

T = TypeVar("T")


class Remote(msgspec.Struct, frozen=True):
    """A repository somewhere else, and who we are to it."""

    url: str
    credentials: specs.GitCredentials | None = None


class Mirrors:
    """All mirrors of a hub. Opens nothing before it must; `close` when done."""

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        environ: Mapping[str, str],
        git: str | None = None,
        bounds: limits.Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`git`: the path of the `git` command, for first clones, ssh and CAs; None: libgit2 does what it can."""
        self.directory = directory
        self.environ = environ
        self.git = git
        self.bounds = bounds or limits.Limits()
        self.clock = clock
        self._network = concurrent.futures.ThreadPoolExecutor(limits.NETWORK_THREADS, "git-network")
        self._reading = concurrent.futures.ThreadPoolExecutor(limits.READ_THREADS, "git-read")
        library.configure(self.bounds)

    def mirror(self, source: ids.SourceName, remote: Remote) -> "Mirror":
        """The mirror of a source; raise InvalidUrl if its URL is none that is fetched."""
        return Mirror(self, source, remote)

    async def test_access(self, remote: Remote, ref: str = "") -> heads.Target:
        """Ask the remote for `ref` (empty: its HEAD) without fetching; raise what `poll` would raise."""
        conversation = self.conversation(remote)

        def ask() -> heads.Target:
            with tempfile.TemporaryDirectory(prefix="flotilla-access-") as path:
                library.create(pathlib.Path(path))
                return following.look_up(pathlib.Path(path), ref, conversation)

        return await self.talk(ask, conversation)

    async def forget(self, source: ids.SourceName) -> None:
        """Remove what is kept of a source that is gone."""
        await _threaded(self._reading, lambda: stores.forget(self.directory, source), threading.Event())

    async def close(self) -> None:
        """Let the threads end; no work may be under way."""
        await asyncio.to_thread(self._network.shutdown)
        await asyncio.to_thread(self._reading.shutdown)

    def conversation(self, remote: Remote) -> Conversation:
        """An exchange with this remote, with credentials read now."""
        url = urls.parse(remote.url)
        return Conversation(
            url=url,
            credentials=credentials_.read(remote.credentials, url=url, environ=self.environ),
            limits=self.bounds,
            abandoned=threading.Event(),
            identity=keys.read(remote.credentials, url=url, environ=self.environ),
            authorities=authorities.read(remote.credentials, url),
            git=self.git,
            environ=self.environ,
            clock=self.clock,
        )

    async def talk(self, work: Callable[[], T], conversation: Conversation) -> T:
        """Run blocking work that waits for a remote."""
        return await _threaded(self._network, work, conversation.abandoned)

    async def read(self, work: Callable[[], T], abandoned: threading.Event) -> T:
        """Run blocking work that reads."""
        return await _threaded(self._reading, work, abandoned)


class Mirror:
    """One source's bare mirror. One poll at a time; reads may go on beside it."""

    def __init__(self, mirrors: Mirrors, source: ids.SourceName, remote: Remote) -> None:
        self._mirrors = mirrors
        self._remote = remote
        self._store = stores.Store(mirrors.directory, source, urls.parse(remote.url))
        self._polling = asyncio.Lock()
        self._path: pathlib.Path | None = None
        self._opened = False
        self._spoiled = False
        """An object was missing or damaged."""
        self._worn = False
        """Too many packs."""
        self._recloned_at: float | None = None

    async def poll(self, ref: str = "") -> sources.Revision:
        """What `ref` (branch, tag, commit id; empty: the remote's HEAD) resolves to now, with all its objects here."""
        async with self._polling:
            conversation = self._mirrors.conversation(self._remote)
            if await self._open() is None or self._may_reclone() or self._worn:
                return await self._clone(ref, conversation)
            try:
                return await self._mirrors.talk(lambda: self._update(ref, conversation), conversation)
            except errors.Corrupt:
                self._spoiled = True
                if not self._may_reclone():
                    raise
                return await self._clone(ref, conversation)

    async def read(self, work: Callable[[trees.Reader], T]) -> T:
        """Run `work` in a thread, with a reader of its own."""
        path = self._path or await self._open()
        if path is None:
            raise errors.Corrupt("mirror: nothing is fetched yet")
        abandoned = threading.Event()

        def reading() -> T:
            with library.opened(path) as repository:
                return work(trees.Reader(repository, abandoned))

        try:
            return await self._mirrors.read(reading, abandoned)
        except errors.Corrupt:
            # Unless a poll has replaced the mirror meanwhile: then the reader sat in the one before.
            self._spoiled = self._spoiled or path == self._path
            raise

    async def moved(self, old: str, new: str) -> catalogs.Move:
        """How commit `new` follows commit `old`; an `old` that is not known any more is unrelated."""
        path = self._path or await self._open()
        if path is None:
            raise errors.Corrupt("mirror: nothing is fetched yet")
        return await self._mirrors.read(lambda: following.moved(path, old, new), threading.Event())

    async def _open(self) -> pathlib.Path | None:
        if not self._opened:
            self._path = await self._mirrors.read(self._store.open, threading.Event())
            self._opened = True
        return self._path

    def _may_reclone(self) -> bool:
        if not self._spoiled:
            return False
        last = self._recloned_at
        return last is None or self._mirrors.clock() - last >= self._mirrors.bounds.reclone_interval_s

    def _update(self, ref: str, conversation: Conversation) -> sources.Revision:
        path = self._path
        assert path is not None, "only an open mirror is updated"
        if heads.is_commit(ref):
            # Nothing that the remote could say changes what a commit is.
            pinned = following.present(path, heads.Target(remote=ref, short=ref, oid=ref))
            if pinned is not None:
                return pinned
        target = following.look_up(path, ref, conversation)
        known = following.present(path, target)
        if known is not None:
            return known
        following.fetch(path, target, conversation)
        self._worn = stores.packs(path) > limits.PACKS_MAX
        return following.revision(path, target)

    async def _clone(self, ref: str, conversation: Conversation) -> sources.Revision:
        """Fetch everything anew, and only then put it in the place of what was there."""

        def look_up() -> tuple[pathlib.Path, heads.Target]:
            path = self._store.incoming()
            library.create(path)
            return path, following.look_up(path, ref, conversation)

        incoming, target = await self._mirrors.talk(look_up, conversation)
        if not await self._mirrors.talk(lambda: following.fetch_quickly(incoming, target, conversation), conversation):
            await self._mirrors.talk(lambda: following.fetch(incoming, target, conversation), conversation)
        found = await self._mirrors.talk(lambda: following.revision(incoming, target), conversation)
        self._path = await self._mirrors.read(self._store.complete, threading.Event())
        self._recloned_at = self._mirrors.clock() if self._spoiled else None
        self._spoiled = self._worn = False
        return found


async def _threaded(executor: concurrent.futures.Executor, work: Callable[[], T], abandoned: threading.Event) -> T:
    def unless_abandoned() -> T:
        if abandoned.is_set():
            raise errors.Abandoned("work on a mirror: not begun (cancelled)")
        return work()

    future = asyncio.get_running_loop().run_in_executor(executor, unless_abandoned)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        abandoned.set()
        await asyncio.wait([future])
        # Looked at, so that asyncio does not complain of an error that nobody is there to hear.
        future.exception()
        raise
