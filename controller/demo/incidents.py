"""What happens to a fleet between merges: somebody edits by hand, and a cluster cannot be reached."""

import time
from typing import Any

from controller.demo import checks, content, fleet, telling

EDITED = "prod-1"
EDITOR = "kubectl-edit"
"""The field manager of `kubectl edit`."""

BY_HAND = 7
"""Replicas."""

LOST = fleet.ALONE
"""Has an agent of its own, so that no other cluster falls silent with it."""


class Incidents:
    """Two more chapters."""

    def __init__(self, tell: telling.Telling) -> None:
        self._tell = tell

    async def tell(self) -> None:
        """Both; raise StoryError where they do not come true."""
        await self._edited()
        await self._silent()

    async def _edited(self) -> None:
        tell, cluster = self._tell, self._tell.fleet.clusters[EDITED]
        tell.show.title(f"6. Somebody edits an object by hand on {EDITED}: seen, named, and taken back")
        begun = time.monotonic()
        tell.show.say(f"   kubectl edit deployment storefront: replicas {content.REPLICAS['prod']} → {BY_HAND}")
        await cluster.patch(checks.STOREFRONT, {"spec": {"replicas": BY_HAND}}, manager=EDITOR)
        seen: list[dict[str, Any]] = []

        async def told() -> bool:
            seen[:] = [one for one in await tell.fleet.hub.items(f"drift?cluster={EDITED}&ended=true") if _by_hand(one)]
            return bool(seen)

        await tell.until("the drift is seen", told)
        (drift, *_) = seen
        field = next(one for one in drift["fields"] if one["manager"] == EDITOR)
        tell.show.say(
            f"   drift: {drift['object']} {field['field']} is {field['actual']}, Git says {field['expected']};"
            f" by {field['manager']} at {field['time'][11:19]}"
        )

        async def reverted() -> bool:
            return await checks.scaled(checks.STOREFRONT, content.REPLICAS["prod"])(cluster)

        await tell.until("the edit is taken back", reverted)
        tell.done("edited by hand", f"drift by {EDITOR} on {EDITED}, reverted to what Git says", begun)

    async def _silent(self) -> None:
        tell = self._tell
        tell.show.title(f"7. {LOST} is cut off: Unknown, never Ready; back again, it catches up")
        begun = time.monotonic()
        agent = tell.fleet.lonely
        agent.freeze()
        try:
            await tell.until(f"{LOST} is Unknown", self._is_unknown)
            tell.show.say(f"   {LOST}: {(await self._row())['reason']}")
            tell.done("cut off", f"{LOST} is Unknown, and nothing waits for it", begun)
            begun = time.monotonic()
            commit = tell.merge(content.second(), "Storefront 1.5.0, and the winter sale, again")
            await tell.rolled_out(commit, without=LOST)
            row = await self._row()
            tell.show.say(
                f"   the others have it; {LOST} is deferred: at generation {row['generation']} when it was heard,"
                f" {row['heardAgoS']:.0f} s ago"
            )
        finally:
            agent.thaw()
        lost = tell.fleet.clusters[LOST]

        async def caught_up() -> bool:
            row = await self._row()
            return bool(row["sync"] == "Synced" and row["health"] == "Healthy") and await checks.runs(content.NEW)(lost)

        await tell.until(f"{LOST} has caught up", caught_up)
        count = await tell.count(checks.runs(content.NEW))
        tell.counted("back again", f"storefront 1.5.0 on {count} clusters, {LOST} caught up", begun, count=count)

    async def _is_unknown(self) -> bool:
        row = await self._row()
        return bool(row["sync"] == "Unknown" and row["health"] == "Unknown")

    async def _row(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self._tell.fleet.hub.get(f"clusters/{LOST}"))["cluster"]
        return found


def _by_hand(drift: dict[str, Any]) -> bool:
    return any(one["manager"] == EDITOR for one in drift["fields"])
