"""An object that moves between bundles and sources stays the same object, whatever state its receiver is in."""

from collections.abc import Mapping

import pytest

from controller import bootstrap
from controller.domain import rollouts
from protocol import bundles, ids
from protocol.events import deletions
from tests.controller import repositories
from tests.fixtures.fleet import SOURCE, Fleet, Site

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

CLUSTERS = ("dev", "prod")
TEAM = "team"
BROKEN = "kind: [\n"


def config(name: str, value: str = "1") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n"


def bundle_at(fleet: Fleet, path: str, **files: str) -> dict[str, str]:
    """A bundle of this namespace: files by stem."""
    texts = {f"{path}/{stem}.yaml": text for stem, text in files.items()}
    return {f"{path}/flotilla.yaml": f"defaultNamespace: {fleet.namespace}\n", **texts}


def giver(fleet: Fleet) -> dict[str, str]:
    return bundle_at(fleet, "apps/web", settings=config("settings"))


def with_banner(fleet: Fleet) -> dict[str, str]:
    return {**giver(fleet), "apps/web/banner.yaml": config("banner")}


class Team:
    """A second source, on a branch of a repository: its own, or the one that the first source is on."""

    def __init__(self, fleet: Fleet, repository: str = "team.git", *, branch: str = "main") -> None:
        self._fleet = fleet
        self._origin = repositories.Origin(fleet.directory / repository)
        self._branch = branch

    async def begin(self) -> None:
        commit = self.merge()
        await self._fleet.declare(TEAM, url=self._origin.url, ref=self._branch)
        await self._fleet.completed(commit, TEAM)

    def merge(self, **files: str) -> str:
        """Its bundle holds exactly these files, and `own`."""
        content = bundle_at(self._fleet, "apps/shop", own=config("own"), **files)
        commit = self._origin.commit(content, ref=f"refs/heads/{self._branch}")
        self._fleet.wake()
        return commit

    async def resolved(self, commit: str) -> None:
        """Wait until the hub knows this commit."""

        def known() -> bool:
            revision = self._fleet.source(TEAM).revision
            return revision is not None and revision.commit == commit

        await self._fleet.until(f"{commit[:12]} of the team is resolved", known)

    async def retry(self) -> None:
        fleet, name = self._fleet, ids.SourceName(TEAM)
        await fleet.run(lambda world: rollouts.retry(world.rollout(name), fleet.hub.shared.clock()))

    async def halted(self) -> str:
        """Wait for its rollout to halt; what failed."""

        def over() -> bool:
            current = self._fleet.rollout(TEAM)
            return current is not None and bool(current.halted)

        await self._fleet.until("the team's rollout halted", over)
        current = self._fleet.rollout(TEAM)
        assert current is not None
        return ", ".join(current.failed.values())


async def begin(fleet: Fleet, sites: list[Site], files: Mapping[str, str]) -> None:
    for name in CLUSTERS:
        await fleet.add_cluster(name, sites.pop(), {"env": name})
    commit = fleet.merge(files, "first")
    await fleet.declare()
    await fleet.completed(commit)


def path_of(fleet: Fleet, name: str) -> str:
    return f"/api/v1/namespaces/{fleet.namespace}/configmaps/{name}"


async def banners(fleet: Fleet) -> dict[tuple[str, str], str]:
    return await fleet.uids([path_of(fleet, "banner")])


def kept(fleet: Fleet) -> dict[str, list[tuple[str, str]]]:
    """The objects that each cluster keeps in doubt, with the reasons."""
    shared = fleet.hub.shared
    roots = {
        cluster.name: shared.library.roots[shared.publication(cluster.id).root]
        for cluster in shared.world.clusters.values()
    }
    return {name: [(one.object.name, one.reason) for one in root.kept] for name, root in roots.items()}


async def until_kept(fleet: Fleet, *, on: int, reason: str) -> None:
    """Wait until so many clusters keep the banner, all for this reason."""

    def holds() -> bool:
        found = [one for objects in kept(fleet).values() for one in objects]
        return len(found) == on and all(name == "banner" and reason in why for name, why in found)

    await fleet.until(f"the banner is kept on {on} clusters", holds)


async def owned_by(fleet: Fleet, bundle_id: str) -> None:
    """Wait until every cluster's agent holds the bundle healthy, and nothing is in doubt or owed."""
    shared, wanted = fleet.hub.shared, ids.BundleId(bundle_id)

    def holds() -> bool:
        for cluster in shared.world.clusters:
            entry = next((one for one in _root(fleet, cluster).bundles if one.bundle == wanted), None)
            seen = shared.seen(cluster)
            if entry is None or seen.root != shared.publication(cluster).root or seen.bundles[wanted].failed:
                return False
        # What left Git is confirmed by a report of its own, which may come after that of the bundles.
        return not any(kept(fleet).values()) and not shared.world.ledger.debts

    await fleet.until(f"{bundle_id} is applied everywhere", holds)


def _root(fleet: Fleet, cluster: ids.ClusterId) -> bundles.ClusterRoot:
    return fleet.hub.shared.library.roots[fleet.hub.shared.publication(cluster).root]


async def until_failing(fleet: Fleet, bundle_id: str) -> None:
    """Wait until the canary says which object of the bundle cannot be applied."""

    def holds() -> bool:
        said = [seen.bundles.get(ids.BundleId(bundle_id)) for seen in fleet.hub.shared.observed.values()]
        return "no_such_name" in [one.object.name for found in said if found is not None for one in found.failures]

    await fleet.until(f"{bundle_id} fails", holds)


async def opened(fleet: Fleet) -> list[str]:
    """The objects of every debt that was ever opened."""
    return [
        debt.object.name
        for event in await fleet.events()
        if isinstance(event, deletions.DebtsOpened)
        for debt in event.debts
    ]


@pytest.mark.parametrize(("repository", "branch"), [("team.git", "main"), ("fleet.git", "team")])
async def test_an_object_moves_between_sources_on_two_repositories_or_branches(
    fleet: Fleet, fleet_sandbox: list[Site], repository: str, branch: str
) -> None:
    await begin(fleet, fleet_sandbox, with_banner(fleet))
    team = Team(fleet, repository, branch=branch)
    await team.begin()
    before = await banners(fleet)

    claimed = team.merge(banner=config("banner"))
    assert "fleet/apps/web, which has it" in await team.halted()
    await fleet.completed(fleet.merge(giver(fleet)))
    # The canary was given the team's commit and has moved it; the other keeps it until it is given that commit, too.
    await until_kept(fleet, on=1, reason="bundle team/apps/shop claims it")
    await team.retry()
    await fleet.completed(claimed, TEAM)

    await owned_by(fleet, "team/apps/shop")
    assert await banners(fleet) == before
    assert await opened(fleet) == []


async def test_an_object_moves_between_sources_in_one_commit(fleet: Fleet, fleet_sandbox: list[Site]) -> None:
    everything = with_banner(fleet) | bundle_at(fleet, "teams/shop", own=config("own"))
    await begin(fleet, fleet_sandbox, everything)
    await fleet.declare(TEAM, paths=("teams/*",), interval_s=600.0)
    await fleet.until("the team's source is resolved", lambda: fleet.source(TEAM).revision is not None)
    revision = fleet.source(TEAM).revision
    assert revision is not None
    await fleet.completed(revision.commit, TEAM)
    before = await banners(fleet)

    moved = giver(fleet) | bundle_at(fleet, "teams/shop", own=config("own"), banner=config("banner"))
    commit = fleet.repository.merge(moved, "move it", at=bootstrap.utc_now())
    # Only the giver's source looks by itself; the other would not for ten minutes.
    fleet.hub.polling.wake(ids.SourceName(SOURCE))
    await fleet.completed(commit)
    await fleet.completed(commit, TEAM)

    await owned_by(fleet, "team/teams/shop")
    assert await banners(fleet) == before
    assert await opened(fleet) == []


async def test_an_object_moves_to_a_source_that_is_in_error_once_that_is_mended(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    await begin(fleet, fleet_sandbox, with_banner(fleet))
    team = Team(fleet)
    await team.begin()
    before = await banners(fleet)

    await team.resolved(team.merge(banner=config("banner"), broken=BROKEN))
    await fleet.completed(fleet.merge(giver(fleet)))
    await until_kept(fleet, on=len(CLUSTERS), reason="source team has bundles in error")
    assert await banners(fleet) == before
    await fleet.completed(team.merge(banner=config("banner")), TEAM)

    await owned_by(fleet, "team/apps/shop")
    assert await banners(fleet) == before
    assert await opened(fleet) == []


async def test_an_object_moves_to_a_source_that_cannot_be_applied_once_that_is_mended(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    await begin(fleet, fleet_sandbox, with_banner(fleet))
    team = Team(fleet)
    await team.begin()
    before = await banners(fleet)

    team.merge(banner=config("banner"), impossible=config("no_such_name"))
    await team.halted()
    await fleet.completed(fleet.merge(giver(fleet)))
    await until_kept(fleet, on=1, reason="bundle team/apps/shop claims it")
    await team.retry()
    await until_failing(fleet, "team/apps/shop")
    assert await banners(fleet) == before
    await fleet.completed(team.merge(banner=config("banner")), TEAM)

    await owned_by(fleet, "team/apps/shop")
    assert await banners(fleet) == before
    assert await opened(fleet) == ["no_such_name"]


async def test_an_object_moves_to_a_bundle_that_is_in_error_once_that_is_mended(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    shop = bundle_at(fleet, "apps/shop", own=config("own"))
    await begin(fleet, fleet_sandbox, with_banner(fleet) | shop)
    before = await banners(fleet)

    received = bundle_at(fleet, "apps/shop", own=config("own"), banner=config("banner"))
    await fleet.completed(fleet.merge(giver(fleet) | received | {"apps/shop/broken.yaml": BROKEN}))
    await until_kept(fleet, on=len(CLUSTERS), reason="source fleet has bundles in error")
    assert await banners(fleet) == before
    await fleet.completed(fleet.merge(giver(fleet) | received))

    await owned_by(fleet, "fleet/apps/shop")
    assert await banners(fleet) == before
    assert await opened(fleet) == []


async def test_nothing_of_the_giver_is_pruned_before_the_receiver_is_applied(
    fleet: Fleet, fleet_sandbox: list[Site]
) -> None:
    shop = bundle_at(fleet, "apps/shop", own=config("own"))
    start = with_banner(fleet) | {"apps/web/leaves.yaml": config("leaves")} | shop
    await begin(fleet, fleet_sandbox, start)
    leaving = [path_of(fleet, "leaves")]
    before, going = await banners(fleet), await fleet.uids(leaving)

    received = bundle_at(fleet, "apps/shop", own=config("own"), banner=config("banner"))
    fleet.merge(giver(fleet) | received | {"apps/shop/impossible.yaml": config("no_such_name")})
    await until_failing(fleet, "fleet/apps/shop")
    await fleet.until("the canary says why it does not prune", lambda: "BundleNotApplied" in _undeleted(fleet))
    assert await banners(fleet) == before
    assert await fleet.uids(leaving) == going
    await fleet.completed(fleet.merge(giver(fleet) | received))
    await fleet.until("what left is gone", lambda: not fleet.hub.shared.world.ledger.debts)

    await owned_by(fleet, "fleet/apps/shop")
    assert await banners(fleet) == before
    assert set((await fleet.uids(leaving)).values()) == {""}
    assert set(await opened(fleet)) == {"leaves", "no_such_name"}


def _undeleted(fleet: Fleet) -> list[str]:
    return [one.reason for seen in fleet.hub.shared.observed.values() for one in seen.undeleted.values()]
