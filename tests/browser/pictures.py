"""The README's pictures, taken of the demo's fleet: `make pictures`.

Twelve clusters, four agents, a hub and a repository, as `flotilla demo` starts them; then what a platform team's day
brings: a rollout under way, a hand that edits a Deployment, a cluster that nobody hears from, a bundle that left Git.
"""

import asyncio
import contextlib
import pathlib
import sys
import tempfile
from collections.abc import Mapping

from controller import bootstrap
from controller.demo import clients, content, fleet
from tests.fixtures import browser, processes

ROOT = pathlib.Path(__file__).parents[2]
TARGET = ROOT / "deploy" / "pictures"
SIZE = {"width": 1360, "height": 880}
ILL = "staging-2"
CHECKOUT = "apis/apps/v1/namespaces/shop/deployments/checkout"
WRONG = "registry.example.com/checkout:2.2.0-does-not-exist"
"""To the sandbox, an image that nobody can pull."""

BYTES_MAX = 200_000
"""Of one picture: a README is read on trains, too."""


async def main(target: pathlib.Path) -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory(prefix="flotilla-pictures-") as directory:
        async with fleet.started(pathlib.Path(directory)) as running, browser.browsing() as new_window:
            light = await _window(running, new_window, color_scheme="light", viewport=SIZE)
            dark = await _window(running, new_window, color_scheme="dark", viewport=SIZE)
            first = _merge(running, content.first(), "Run the storefront and the platform bundles")
            await fleet.add_source(running)
            await _settled(running, first)
            await _rollout(running, light, target)
            await _day(running)
            await _pictures(light, dark, target)
            light.forgive("status of 503")


async def _window(running: fleet.Fleet, new_window: browser.NewWindow, **settings: object) -> browser.Window:
    window = await new_window(running.hub_url, **settings)
    await window.page.goto(await running.page())
    await window.sees("[data-grid] a")
    return window


async def _rollout(running: fleet.Fleet, window: browser.Window, target: pathlib.Path) -> None:
    """A rollout in the middle of its way: the first stages are done, the last one runs."""
    await window.go(f"#/rollouts/{fleet.SOURCE}")
    await window.sees("h1 .badge", "completed")
    commit = _merge(running, content.second(), "Storefront 1.5.0, and the winter sale")
    await window.sees(".revision", commit[:10])
    await window.sees(".stage[data-state=started] .member.progressing", "prod")
    await _shoot(window, target / "rollout.png")
    await _settled(running, commit)


async def _day(running: fleet.Fleet) -> None:
    """What somebody should look at: a hold, a cluster on leave, another that is silent, and two edits by hand."""
    await running.hub.post("clusters/dev-4/suspend", {"reason": "being upgraded until Friday"})
    await _settled(running, _merge(running, _told(content.fourth()), "Remove the policies"), but={"dev-4"})
    running.lonely.freeze()
    await _edit_image(running.clusters[ILL])
    await running.clusters["prod-2"].patch(CHECKOUT, {"spec": {"replicas": 7}}, manager="kubectl-scale")


async def _edit_image(cluster: clients.ClusterClient) -> None:
    """As `kubectl edit` does: somebody tries the next version by hand, and gets its name wrong."""
    found = await cluster.find(CHECKOUT)
    assert found is not None, "the checkout runs in staging"
    (container,) = found["spec"]["template"]["spec"]["containers"]
    spec = {"template": {"spec": {"containers": [{**container, "image": WRONG}]}}, "progressDeadlineSeconds": 2}
    await cluster.patch(CHECKOUT, {"spec": spec}, manager="kubectl-edit")


async def _pictures(light: browser.Window, dark: browser.Window, target: pathlib.Path) -> None:
    await light.go("#/?group=env")
    for state, name in {"degraded": ILL, "outofsync": "prod-2", "suspended": "dev-4", "unknown": fleet.ALONE}.items():
        await light.sees(f"[data-grid] a.{state}", name)
    await _shoot(light, target / "fleet.png")
    await dark.go(f"#/clusters/{ILL}")
    await dark.sees("h1 .badge.degraded")
    await dark.sees(".drift", "kubectl-edit")
    await _shoot(dark, target / "cluster.png")


def _told(files: Mapping[str, str]) -> dict[str, str]:
    """The same, but that what differs in the checkout is told, and left as it is."""
    settings = "apps/checkout/flotilla.yaml"
    return {**files, settings: f"{files[settings]}drift: alert\n"}


def _merge(running: fleet.Fleet, files: Mapping[str, str], message: str) -> str:
    return running.repository.merge(files, message, at=bootstrap.utc_now())


async def _settled(running: fleet.Fleet, commit: str, but: frozenset[str] | set[str] = frozenset()) -> None:
    """Wait until the commit's rollout is complete and all clusters but these are well."""

    async def settled() -> bool:
        rollouts, rows = await running.hub.items("rollouts"), await running.hub.items("clusters")
        is_over = any(commit in one["revision"] and one["phase"] == "completed" for one in rollouts)
        return is_over and all(
            (row["sync"], row["health"]) == ("Synced", "Healthy") for row in rows if row["name"] not in but
        )

    await processes.until(f"commit {commit[:12]} on every cluster", settled, deadline_s=120)


async def _shoot(window: browser.Window, path: pathlib.Path) -> None:
    await window.page.evaluate("() => window.scrollTo(0, 0)")
    taken = await window.page.screenshot(path=path, animations="disabled")
    assert len(taken) < BYTES_MAX, f"picture {path.name}: {len(taken)} bytes, more than {BYTES_MAX}"
    sys.stdout.write(f"{path} {len(taken)} bytes\n")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET))
