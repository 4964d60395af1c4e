"""The demo's story: five merges and what becomes of them, checked in the clusters themselves."""

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from controller import errors
from controller.demo import clients, content, fleet, screen

CHAPTER_TIMEOUT_S = 180.0
"""A chapter takes a few seconds; on a busy machine with two cores some tens."""

LOOK_S = 0.15
"""Between two looks at the hub: often enough for a moving picture."""

NAMESPACE = "shop"
PROMOTION = f"api/v1/namespaces/{NAMESPACE}/configmaps/promotion"
QUOTA = f"api/v1/namespaces/{NAMESPACE}/resourcequotas/shop"
STOREFRONT = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/storefront"
CHECKOUT = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/checkout"
SHIPPER = "api/v1/namespaces/platform/configmaps/log-shipper"

Check = Callable[[clients.ClusterClient], Awaitable[bool]]


class StoryError(errors.Terminal):
    """The fleet did not do what the story says."""


class Story:
    """Tells one chapter after the other."""

    def __init__(self, told: fleet.Fleet, show: screen.Screen) -> None:
        self._fleet = told
        self._show = show
        self.chapters: list[screen.Chapter] = []

    async def tell(self) -> None:
        """The whole story; raise StoryError where it does not come true."""
        await self._until("all agents have said hello", self._all_heard)
        first = await self._first()
        await self._second()
        await self._third()
        await self._fourth()
        await self._rollback(first)

    async def _first(self) -> str:
        self._show.title("1. The first commit reaches twelve clusters: dev, then staging, then prod")
        self._show.say("   storefront is a Helm chart, checkout a kustomization, the rest plain manifests")
        begun = time.monotonic()
        commit = self._merge(content.first(), "Run the storefront, checkout and platform bundles")
        await fleet.add_source(self._fleet)
        await self._rolled_out(commit)
        count = await self._count(_runs(content.OLD))
        self._done("first commit", f"storefront 1.4.0 runs on {count} of {self._size} clusters", begun, count=count)
        await self._variants()
        return commit

    async def _variants(self) -> None:
        """The same commit is not the same everywhere: each of the three renderers knows the cluster."""
        count = await self._count_each(lambda name: _scaled(STOREFRONT, content.REPLICAS[fleet.environment(name)]))
        self._done("  Helm, by values", f"storefront: {_replicas(content.REPLICAS)}", None, count=count)
        wanted = content.CHECKOUT_REPLICAS
        count = await self._count_each(lambda name: _scaled(CHECKOUT, wanted.get(fleet.environment(name), 0)))
        self._done("  Kustomize, by overlay", f"checkout: {_replicas(wanted)}, none on dev", None, count=count)
        count = await self._count_each(lambda name: _says(SHIPPER, "cluster", name))
        self._done("  plain, by variable", f"{count} log shippers know their cluster's name", None, count=count)

    async def _second(self) -> None:
        self._show.title("2. A second commit: a new image, and a ConfigMap")
        begun = time.monotonic()
        await self._rolled_out(self._merge(content.second(), "Storefront 1.5.0, and the winter sale"))
        count = await self._count(_runs(content.NEW))
        await self._expect("the promotion is everywhere", _exists(PROMOTION))
        self._done("second commit", f"storefront 1.5.0 and the promotion on {count} clusters", begun, count=count)

    async def _third(self) -> None:
        self._show.title("3. A manifest is deleted in Git: the object is pruned, by name, with its UID")
        begun = time.monotonic()
        await self._rolled_out(self._merge(content.third(), "The sale is over"))
        await self._until("the promotion is gone", lambda: self._everywhere(_missing(PROMOTION)))
        await self._until("the clusters have confirmed it", self._no_open_deletion)
        count = await self._count(_missing(PROMOTION))
        self._done("manifest deleted", f"the promotion is gone from {count} clusters", begun, count=count)

    async def _fourth(self) -> None:
        self._show.title("4. A whole bundle is deleted in Git: that waits for a person")
        begun = time.monotonic()
        await self._rolled_out(self._merge(content.fourth(), "Remove the policies"))
        held = await self._held()
        kept = await self._count(_exists(QUOTA))
        self._show.say(f"   held: {'; '.join(held['held'])}")
        self._show.say(f"   the rollout is complete, and the quota still stands on {kept} clusters")
        self._done("bundle deleted", f"held; the quota still stands on {kept} clusters", begun, count=kept)
        begun = time.monotonic()
        self._show.say(f"   approving {held['id']}, digest {held['digest'][:12]}…")
        await self._fleet.hub.post(f"deletions/{held['id']}/approve", {"digest": held["digest"]})
        await self._until("the policies are gone", lambda: self._everywhere(_missing(QUOTA)))
        await self._until("the clusters have confirmed it", self._no_open_deletion)
        count = await self._count(_missing(QUOTA))
        self._done("deletion approved", f"the quota is gone from {count} clusters", begun, count=count)

    async def _rollback(self, first: str) -> None:
        self._show.title("5. Git is reset to the first commit: the fleet goes back")
        begun = time.monotonic()
        self._fleet.repository.reset(first)
        await self._rolled_out(first, rollback=True)
        count = await self._count(_runs(content.OLD))
        await self._expect("the quota is back", _exists(QUOTA))
        self._done("rollback", f"storefront 1.4.0 and the quota are back on {count} clusters", begun, count=count)

    @property
    def _size(self) -> int:
        return len(self._fleet.clusters)

    def _merge(self, files: dict[str, str], message: str) -> str:
        commit = self._fleet.repository.merge(files, message, at=datetime.datetime.now(datetime.UTC))
        self._show.say(f"   merged {commit[:12]}: {message}")
        return commit

    async def _rolled_out(self, commit: str, *, rollback: bool = False) -> None:
        if rollback:
            self._show.say(f"   main is reset to {commit[:12]}; it counts when two polls agree")
        else:
            await self._fleet.hub.post(f"sources/{fleet.SOURCE}/sync", {})
        with self._show.watch() as picture:

            async def complete() -> bool:
                standings = await self._standings()
                picture.update(self._show.fleet(standings, f"main@{commit[:12]}"))
                return await self._is_complete(commit) and all(
                    one.sync == "Synced" and one.health == "Healthy" for one in standings
                )

            await self._until(f"the fleet is at {commit[:12]}", complete)
        self._show.say("")

    async def _is_complete(self, commit: str) -> bool:
        for one in await self._fleet.hub.items("rollouts"):
            if commit in one["revision"]:
                if one["phase"] == "halted":
                    raise StoryError(f"rollout {one['id']}: halted ({one['reason']})")
                return bool(one["phase"] == "completed")
        return False

    async def _standings(self) -> list[screen.Standing]:
        order = fleet.names()
        rows = {one["name"]: one for one in await self._fleet.hub.items("clusters")}
        return [_standing(rows[name]) for name in order if name in rows]

    async def _all_heard(self) -> bool:
        rows = await self._fleet.hub.items("clusters")
        return len(rows) == self._size and all(one["heardAgoS"] is not None for one in rows)

    async def _held(self) -> dict[str, Any]:
        for one in await self._fleet.hub.items("deletions"):
            if one["decision"] == "held":
                return one
        raise StoryError("a whole bundle was deleted, and nothing is held")

    async def _no_open_deletion(self) -> bool:
        return all(one["open"] == 0 for one in await self._fleet.hub.items("deletions"))

    async def _count(self, check: Check) -> int:
        return sum(await asyncio.gather(*(check(cluster) for cluster in self._fleet.clusters.values())))

    async def _count_each(self, check_of: Callable[[str], Check]) -> int:
        """How many clusters are as they should be, by their names."""
        clusters = self._fleet.clusters.items()
        return sum(await asyncio.gather(*(check_of(name)(cluster) for name, cluster in clusters)))

    async def _everywhere(self, check: Check) -> bool:
        return await self._count(check) == self._size

    async def _expect(self, what: str, check: Check) -> None:
        if not await self._everywhere(check):
            raise StoryError(f"{what}: not on every cluster")

    def _done(self, title: str, found: str, begun: float | None, *, count: int) -> None:
        """A step came true; `begun`: None where it belongs to the step before."""
        if count != self._size:
            raise StoryError(f"{title}: {found}, expected {self._size}")
        seconds = time.monotonic() - begun if begun is not None else None
        self.chapters.append(screen.Chapter(title=title, found=found, seconds=seconds))
        self._show.say(f"   [green]✓[/] {found}")

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(CHAPTER_TIMEOUT_S):
                # Another process' state: there is nothing here to be woken by.
                while not await condition():  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise StoryError(f"{what}: not within {CHAPTER_TIMEOUT_S:g} s") from error


def _standing(row: dict[str, Any]) -> screen.Standing:
    return screen.Standing(
        name=row["name"],
        environment=row["labels"].get("env", ""),
        generation=row["generation"],
        desired_generation=row["desiredGeneration"],
        sync=row["sync"],
        health=row["health"],
    )


def _runs(version: str) -> Check:
    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(STOREFRONT)
        image = f"{content.IMAGE}:{version}"
        return found is not None and bool(found["spec"]["template"]["spec"]["containers"][0]["image"] == image)

    return check


def _scaled(path: str, replicas: int) -> Check:
    """A Deployment of so many replicas; of none: there is no such Deployment."""

    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(path)
        return (found["spec"]["replicas"] if found is not None else 0) == replicas

    return check


def _says(path: str, key: str, value: str) -> Check:
    async def check(cluster: clients.ClusterClient) -> bool:
        found = await cluster.find(path)
        return found is not None and bool(found["data"].get(key) == value)

    return check


def _replicas(of: Mapping[str, int]) -> str:
    """The most first: `prod runs 3 replicas, staging 2, dev 1`."""
    (env, most), *others = sorted(of.items(), key=lambda one: -one[1])
    return ", ".join([f"{env} runs {most} replicas", *(f"{other} {count}" for other, count in others)])


def _exists(path: str) -> Check:
    async def check(cluster: clients.ClusterClient) -> bool:
        return await cluster.find(path) is not None

    return check


def _missing(path: str) -> Check:
    async def check(cluster: clients.ClusterClient) -> bool:
        return await cluster.find(path) is None

    return check
