"""The demo's story: five merges and what becomes of them, checked in the clusters themselves."""

import time
from typing import Any

from controller.demo import checks, content, fleet, telling


class Story:
    """Tells one chapter after the other."""

    def __init__(self, tell: telling.Telling) -> None:
        self._tell = tell

    async def tell(self) -> None:
        """The whole story; raise StoryError where it does not come true."""
        await self._tell.until("all agents have said hello", self._all_heard)
        first = await self._first()
        await self._second()
        await self._third()
        await self._fourth()
        await self._rollback(first)

    async def _first(self) -> str:
        tell = self._tell
        tell.show.title("1. The first commit reaches twelve clusters: dev, then staging, then prod")
        tell.show.say("   storefront is a Helm chart, checkout a kustomization, the rest plain manifests")
        begun = time.monotonic()
        commit = tell.merge(content.first(), "Run the storefront, checkout and platform bundles")
        await fleet.add_source(tell.fleet)
        await tell.rolled_out(commit)
        count = await tell.count(checks.runs(content.OLD))
        tell.counted("first commit", f"storefront 1.4.0 runs on {count} of {tell.size} clusters", begun, count=count)
        await self._variants()
        return commit

    async def _variants(self) -> None:
        """The same commit is not the same everywhere: each of the three renderers knows the cluster."""
        tell, wanted = self._tell, content.REPLICAS
        count = await tell.count_each(lambda name: checks.scaled(checks.STOREFRONT, wanted[fleet.environment(name)]))
        tell.counted("  Helm, by values", f"storefront: {checks.replicas(wanted)}", None, count=count)
        overlays = content.CHECKOUT_REPLICAS
        count = await tell.count_each(
            lambda name: checks.scaled(checks.CHECKOUT, overlays.get(fleet.environment(name), 0))
        )
        tell.counted(
            "  Kustomize, by overlay", f"checkout: {checks.replicas(overlays)}, none on dev", None, count=count
        )
        count = await tell.count_each(lambda name: checks.says(checks.SHIPPER, "cluster", name))
        tell.counted("  plain, by variable", f"{count} log shippers know their cluster's name", None, count=count)

    async def _second(self) -> None:
        tell = self._tell
        tell.show.title("2. A second commit: a new image, and a ConfigMap")
        begun = time.monotonic()
        await tell.rolled_out(tell.merge(content.second(), "Storefront 1.5.0, and the winter sale"))
        count = await tell.count(checks.runs(content.NEW))
        await tell.expect("the promotion is everywhere", checks.exists(checks.PROMOTION))
        tell.counted("second commit", f"storefront 1.5.0 and the promotion on {count} clusters", begun, count=count)

    async def _third(self) -> None:
        tell = self._tell
        tell.show.title("3. A manifest is deleted in Git: the object is pruned, by name, with its UID")
        begun = time.monotonic()
        await tell.rolled_out(tell.merge(content.third(), "The sale is over"))
        await tell.until("the promotion is gone", lambda: tell.everywhere(checks.missing(checks.PROMOTION)))
        await tell.until("the clusters have confirmed it", self._no_open_deletion)
        count = await tell.count(checks.missing(checks.PROMOTION))
        tell.counted("manifest deleted", f"the promotion is gone from {count} clusters", begun, count=count)

    async def _fourth(self) -> None:
        tell = self._tell
        tell.show.title("4. A whole bundle is deleted in Git: that waits for a person")
        begun = time.monotonic()
        await tell.rolled_out(tell.merge(content.fourth(), "Remove the policies"))
        held = await self._held()
        kept = await tell.count(checks.exists(checks.QUOTA))
        tell.show.say(f"   held: {'; '.join(held['held'])}")
        tell.show.say(f"   the rollout is complete, and the quota still stands on {kept} clusters")
        tell.counted("bundle deleted", f"held; the quota still stands on {kept} clusters", begun, count=kept)
        begun = time.monotonic()
        tell.show.say(f"   approving {held['id']}, digest {held['digest'][:12]}…")
        await tell.fleet.hub.post(f"deletions/{held['id']}/approve", {"digest": held["digest"]})
        await tell.until("the policies are gone", lambda: tell.everywhere(checks.missing(checks.QUOTA)))
        await tell.until("the clusters have confirmed it", self._no_open_deletion)
        count = await tell.count(checks.missing(checks.QUOTA))
        tell.counted("deletion approved", f"the quota is gone from {count} clusters", begun, count=count)

    async def _rollback(self, first: str) -> None:
        tell = self._tell
        tell.show.title("5. Git is reset to the first commit: the fleet goes back")
        begun = time.monotonic()
        tell.fleet.repository.reset(first)
        await tell.rolled_out(first, rollback=True)
        count = await tell.count(checks.runs(content.OLD))
        await tell.expect("the quota is back", checks.exists(checks.QUOTA))
        tell.counted("rollback", f"storefront 1.4.0 and the quota are back on {count} clusters", begun, count=count)

    async def _all_heard(self) -> bool:
        rows = await self._tell.fleet.hub.items("clusters")
        return len(rows) == self._tell.size and all(one["heardAgoS"] is not None for one in rows)

    async def _held(self) -> dict[str, Any]:
        for one in await self._tell.fleet.hub.items("deletions"):
            if one["decision"] == "held":
                return one
        raise telling.StoryError("a whole bundle was deleted, and nothing is held")

    async def _no_open_deletion(self) -> bool:
        return all(one["open"] == 0 for one in await self._tell.fleet.hub.items("deletions"))
