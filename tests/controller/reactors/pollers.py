"""A hub that polls a real repository, poll by poll or by its loops."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from controller import repositories, transact
from controller.domain import retries, sources
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool
from protocol import ids, specs
from protocol.events import log
from protocol.events import sources as events
from tests.controller import repositories as origins
from tests.controller.reactors.rig import Hub

SHOP = ids.SourceName("shop")
FILES = {"apps/web/a.yaml": origins.config_map("a"), "apps/web/b.yaml": origins.config_map("b")}
FEWER = {"apps/web/a.yaml": origins.config_map("a")}
Meanwhile = Callable[[], Awaitable[object]]


class Polls:
    """How many polls have begun, and a signal for each."""

    def __init__(self) -> None:
        self.begun = 0
        self.signal = transact.Signal()

    def begin(self) -> None:
        self.begun += 1
        self.signal.set()


class Watched:
    """A repository that says when it is polled."""

    def __init__(self, repository: polling.Repository, polls: Polls) -> None:
        self._repository = repository
        self._polls = polls
        self.moved = repository.moved
        self.resolve = repository.resolve

    async def poll(self, ref: str) -> events.Revision:
        self._polls.begin()
        return await self._repository.poll(ref)


class Overtaken:
    """A repository beside which something happens while a commit is rendered."""

    def __init__(self, repository: polling.Repository, meanwhile: Meanwhile) -> None:
        self._repository = repository
        self._meanwhile = meanwhile
        self.poll = repository.poll
        self.moved = repository.moved

    async def resolve(self, request: polling.Request) -> polling.Resolved:
        resolved = await self._repository.resolve(request)
        await self._meanwhile()
        return resolved


class Poller:
    """A hub that polls one repository."""

    def __init__(self, hub: Hub, origin: origins.Origin, store: mirrors.Mirrors, workers: pool.Pool) -> None:
        self.hub = hub
        self.origin = origin
        self.opened: list[ids.SourceName] = []
        self._open = repositories.opener(store, workers)
        self._polls = Polls()
        self.reactor = polling.Polling(hub.shared, self._opener, chance=random.Random(1))

    @property
    def source(self) -> sources.Source:
        return self.hub.world.sources[SHOP]

    async def poll(self, meanwhile: Meanwhile | None = None) -> None:
        """One poll; raise SourceFailure. `meanwhile`: what happens once its commit is rendered."""
        repository = self._open(SHOP, self.source.spec)
        if meanwhile is not None:
            repository = Overtaken(repository, meanwhile)
        await self.reactor.poll(SHOP, self.source.spec, repository)

    async def look(self, times: int = 1) -> None:
        """Let the loop poll so often and write down what came of it; then nobody looks any more."""
        enough = self._polls.begun + times + 1  # that one more begins shows that those before it are over
        async with loops(self):
            while self._polls.begun < enough:
                self.reactor.wake(SHOP)
                await self._polls.signal.wait()

    @property
    def retry(self) -> retries.Retry:
        """What is known of the bundle that is tried again."""
        [retry] = self.hub.shared.tried_again[SHOP].values()
        return retry

    async def begun(self, polls: int) -> None:
        """Until so many polls have begun, which nobody asked for."""
        while self._polls.begun < polls:
            await self._polls.signal.wait()

    async def written(self) -> list[log.Event]:
        """The events that polls have written."""
        return [one for one in await self.hub.streams.events() if isinstance(one, events.Event)][1:]

    def _opener(self, source: ids.SourceName, spec: specs.SourceSpec) -> polling.Repository:
        self.opened.append(source)
        return Watched(self._open(source, spec), self._polls)


@contextlib.asynccontextmanager
async def loops(poller: Poller) -> AsyncIterator[None]:
    """The reactor's loops, running."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(poller.reactor.run())
        yield
        running.cancel()


def commit_of(source: sources.Source) -> str:
    return source.revision.commit if source.revision is not None else ""


def head_of(origin: origins.Origin) -> str:
    return str(origin.repository.references[origins.MAIN].target)
