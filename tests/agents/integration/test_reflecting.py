"""The reflector on the sandbox and on a real API server: what it forgot and what says nothing."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping

import pytest

from agents import clock
from agents.domain import ownership, scopes
from agents.kube import client, reflector
from protocol import ids
from tests.agents.conftest import Place
from tests.agents.publisher import config_map

pytestmark = pytest.mark.nats


class Amnesiac:
    """An API server that is asked to go on from a version that it forgot long ago, once."""

    def __init__(self, api: client.Client) -> None:
        self._api = api
        self.watched: list[str] = []

    async def read(self, path: str, params: Mapping[str, str], *, accept: str) -> bytes:
        return await self._api.read(path, params, accept=accept)

    def watch(
        self, path: str, params: Mapping[str, str], *, accept: str, silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        asked = params if self.watched else {**params, "resourceVersion": "1"}
        self.watched.append(asked["resourceVersion"])
        return self._api.watch(path, asked, accept=accept, silence_s=silence_s)


class Sink:
    """Remembers what was seen, and lets a test wait for it."""

    def __init__(self, *members: ids.ObjectId) -> None:
        self._members = set(members)
        self.seen: list[ownership.Sighting] = []
        self._more = asyncio.Event()

    def members(self, scope: scopes.Scope) -> Collection[ids.ObjectId]:
        assert scope.kind == "ConfigMap"
        return self._members

    def see(self, of: ids.ObjectId, sighting: ownership.Sighting) -> None:
        assert of in self._members
        self.seen.append(sighting)
        self._more.set()

    def refused(self, scope: scopes.Scope) -> None:
        raise AssertionError(f"{scope}: may be watched")

    def vanished(self, scope: scopes.Scope) -> None:
        raise AssertionError(f"{scope}: is served")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.seen) < count:
                self._more.clear()
                await self._more.wait()


@contextlib.asynccontextmanager
async def reflecting(source: reflector.Source, scope: scopes.Scope, sink: Sink, **pace: float) -> AsyncIterator[None]:
    made = reflector.Reflector(
        source,
        scope,
        receiver=sink,
        pace=reflector.Pace(base_s=0.05, **pace),
        clocks=clock.SystemClock(),
        chance=random.Random(1),  # jitter
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.run())
        try:
            yield
        finally:
            task.cancel()


async def test_a_real_410_makes_the_reflector_list_anew(place: Place) -> None:
    """The member is seen with the first list, with the second, and as it changes."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    await place.api.create("/api/v1/namespaces", space)
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    await place.api.apply(path, config_map("settings", place.namespace, a="1"), force=False)
    sink = Sink(ids.ObjectId("", "ConfigMap", place.namespace, "settings"))
    source = Amnesiac(place.api)
    async with reflecting(source, scopes.Scope("", "ConfigMap", place.namespace, "v1", "configmaps"), sink):
        await sink.until(2)
        await place.foreign.merge(path, {"data": {"a": "2"}})
        await sink.until(3)

    assert source.watched[0] == "1"
    assert ownership.has_drifted(sink.seen[0], sink.seen[2])
    assert not ownership.has_drifted(sink.seen[0], sink.seen[1])


async def test_a_watch_without_a_word_is_made_anew_and_misses_nothing(place: Place) -> None:
    """A quiet collection and an impatient reflector: it asks again and again from where it was."""
    path = f"/api/v1/namespaces/{place.namespace}/configmaps/settings"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    await place.api.create("/api/v1/namespaces", space)
    sink = Sink(ids.ObjectId("", "ConfigMap", place.namespace, "settings"))
    source = Amnesiac(place.api)
    source.watched.append("")  # it forgets nothing here
    scope = scopes.Scope("", "ConfigMap", place.namespace, "v1", "configmaps")

    def is_asked_from_where_it_was() -> bool:
        # What controllers make in a new namespace may still come in one of the first watches.
        return len(source.watched) > 3 and len(set(source.watched[-3:])) == 1

    async with reflecting(source, scope, sink, silence_s=0.2):
        await place.patience(is_asked_from_where_it_was)
        await place.api.apply(path, config_map("settings", place.namespace, a="1"), force=False)
        await sink.until(2)

    assert [seen.gone for seen in sink.seen][-2:] == [True, False]
