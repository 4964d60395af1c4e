"""What every chapter of the demo's story needs: merge, wait, check in the clusters, and say what was found."""

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable
from typing import Any

from controller import errors
from controller.demo import checks, fleet, screen

CHAPTER_TIMEOUT_S = 180.0
"""A chapter takes a few seconds; on a busy machine with two cores some tens."""

LOOK_S = 0.15
"""Between two looks at the hub: often enough for a moving picture."""


class StoryError(errors.Terminal):
    """The fleet did not do what the story says."""


class Telling:
    """The fleet, and the screen."""

    def __init__(self, told: fleet.Fleet, show: screen.Screen) -> None:
        self.fleet = told
        self.show = show
        self.steps: list[screen.Chapter] = []

    @property
    def size(self) -> int:
        """How many clusters there are."""
        return len(self.fleet.clusters)

    def merge(self, files: dict[str, str], message: str) -> str:
        """Merge this to main; the commit."""
        commit = self.fleet.repository.merge(files, message, at=datetime.datetime.now(datetime.UTC))
        self.show.say(f"   merged {commit[:12]}: {message}")
        return commit

    async def rolled_out(self, commit: str, *, rollback: bool = False, without: str = "") -> None:
        """Wait until the commit is on every cluster, healthy; but for one, where that one cannot be reached."""
        if rollback:
            self.show.say(f"   main is reset to {commit[:12]}; it counts when two polls agree")
        else:
            await self.fleet.hub.post(f"sources/{fleet.SOURCE}/sync", {})
        with self.show.watch() as picture:

            async def complete() -> bool:
                standings = await self.standings()
                picture.update(self.show.fleet(standings, f"main@{commit[:12]}"))
                return await self._is_complete(commit) and all(
                    one.sync == "Synced" and one.health == "Healthy" for one in standings if one.name != without
                )

            await self.until(f"the fleet is at {commit[:12]}", complete)
        self.show.say("")

    async def standings(self) -> list[screen.Standing]:
        """How every cluster stands, as the hub says."""
        order = fleet.names()
        rows = {one["name"]: one for one in await self.fleet.hub.items("clusters")}
        return [_standing(rows[name]) for name in order if name in rows]

    async def count(self, check: checks.Check) -> int:
        """How many clusters are as they should be."""
        return sum(await asyncio.gather(*(check(cluster) for cluster in self.fleet.clusters.values())))

    async def count_each(self, check_of: Callable[[str], checks.Check]) -> int:
        """How many clusters are as they should be, by their names."""
        clusters = self.fleet.clusters.items()
        return sum(await asyncio.gather(*(check_of(name)(cluster) for name, cluster in clusters)))

    async def everywhere(self, check: checks.Check) -> bool:
        """Are all clusters as they should be?"""
        return await self.count(check) == self.size

    async def expect(self, what: str, check: checks.Check) -> None:
        """Raise StoryError unless all clusters are as they should be."""
        if not await self.everywhere(check):
            raise StoryError(f"{what}: not on every cluster")

    def done(self, title: str, found: str, begun: float | None) -> None:
        """A step came true; `begun`: None where it belongs to the step before."""
        seconds = time.monotonic() - begun if begun is not None else None
        self.steps.append(screen.Chapter(title=title, found=found, seconds=seconds))
        self.show.say(f"   [green]✓[/] {found}")

    def counted(self, title: str, found: str, begun: float | None, *, count: int) -> None:
        """A step that has to come true on every cluster; raise StoryError if it is so on fewer."""
        if count != self.size:
            raise StoryError(f"{title}: {found}, expected {self.size}")
        self.done(title, found, begun)

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait; raise StoryError if it does not come."""
        try:
            async with asyncio.timeout(CHAPTER_TIMEOUT_S):
                # Another process' state: there is nothing here to be woken by.
                while not await condition():  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise StoryError(f"{what}: not within {CHAPTER_TIMEOUT_S:g} s") from error

    async def _is_complete(self, commit: str) -> bool:
        for one in await self.fleet.hub.items("rollouts"):
            if commit in one["revision"]:
                if one["phase"] == "halted":
                    raise StoryError(f"rollout {one['id']}: halted ({one['reason']})")
                return bool(one["phase"] == "completed")
        return False


def _standing(row: dict[str, Any]) -> screen.Standing:
    return screen.Standing(
        name=row["name"],
        environment=row["labels"].get("env", ""),
        generation=row["generation"],
        desired_generation=row["desiredGeneration"],
        sync=row["sync"],
        health=row["health"],
    )
