"""The configuration file in force: what it declares is made true, what it no longer says is suspended, and a file that
cannot be read, or that declares nothing all of a sudden, changes nothing (I1).
"""

import asyncio
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.configuration import applying, reading, watching
from controller.domain import declarations, rejections, sources
from protocol import ids, specs
from tests.fixtures import hub as hubs

POLICY = """\
---
apiVersion: flotilla.gitops/v1alpha1
kind: RolloutPolicy
metadata: {name: slow}
spec: {maxConcurrency: "1"}
"""
GROUP = """\
---
apiVersion: flotilla.gitops/v1alpha1
kind: ClusterGroup
metadata: {name: edge}
spec: {selector: {names: ["edge-*"]}}
"""
SOURCE = """\
---
apiVersion: flotilla.gitops/v1alpha1
kind: Source
metadata: {name: shop}
spec: {url: "https://git.example/shop.git", targets: [{groups: [edge]}], rolloutPolicy: slow}
"""
CLUSTER = """\
---
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: edge-1}
spec: {labels: {env: prod}}
"""
FLEET = POLICY + GROUP + SOURCE + CLUSTER
SHOP = ids.SourceName("shop")


@pytest.fixture
async def hub() -> hubs.Hub:
    made = hubs.Hub()
    await made.begin()
    return made


class File:
    """The configuration file on disk."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.write(FLEET)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def remove(self) -> None:
        self.path.unlink()


@pytest.fixture
def file(tmp_path: pathlib.Path) -> File:
    return File(tmp_path / "fleet.yaml")


@pytest.fixture
def watch(hub: hubs.Hub, file: File) -> watching.Configuration:
    return watching.Configuration(file.path, hub.transactor, hub)


async def settle(watch: watching.Configuration) -> int:
    """Two looks: a change counts once both see it."""
    return await watch.look() + await watch.look()


def suspensions(hub: hubs.Hub) -> dict[str, str]:
    """Why each thing that was declared is suspended; empty: it is not."""
    world = hub.world
    return {
        **{source.name: source.suspended for source in world.sources.values() if not source.removed},
        **{cluster.name: cluster.suspended for cluster in world.clusters.values() if not cluster.removed},
        **{key: entry.suspended for key, entry in world.fleet.declared.items()},
    }


ACTIVE = {"shop": "", "edge-1": "", "group/edge": "", "policy/slow": ""}
GONE = "not in fleet.yaml any more"


async def test_what_the_file_declares_is_made_true_once(hub: hubs.Hub, watch: watching.Configuration) -> None:
    first, second = await watch.look(), await watch.look()

    assert (first, second, watch.problem) == (4, 0, "")
    assert suspensions(hub) == ACTIVE
    assert len(hub.opened) == 1


async def test_a_change_counts_once_two_looks_agree(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    await watch.look()
    file.write(POLICY + GROUP)
    during = await watch.look()
    file.write(FLEET.replace("prod", "dev"))
    after = [await watch.look(), await watch.look(), await watch.look()]

    assert (during, after) == (0, [0, 1, 0])
    assert suspensions(hub) == ACTIVE
    assert [cluster.labels for cluster in hub.world.clusters.values()] == [{"env": "dev"}]


async def test_what_vanishes_is_suspended_and_resumes_when_it_is_back(
    hub: hubs.Hub, watch: watching.Configuration, file: File
) -> None:
    await watch.look()
    file.write(FLEET.replace(CLUSTER, "").replace(SOURCE, ""))
    await settle(watch)
    without = suspensions(hub)
    file.write(FLEET)
    await settle(watch)

    assert without == {**ACTIVE, "shop": GONE, "edge-1": GONE}
    assert suspensions(hub) == ACTIVE
    assert [one for one in hub.world.clusters.values() if one.removed] == []


async def test_groups_and_policies_that_vanish_keep_their_meaning(
    hub: hubs.Hub, watch: watching.Configuration, file: File
) -> None:
    await watch.look()
    file.write(CLUSTER)
    await settle(watch)

    assert suspensions(hub) == {**ACTIVE, "shop": GONE, "group/edge": GONE, "policy/slow": GONE}
    assert (list(hub.world.fleet.groups), list(hub.world.fleet.policies)) == (["edge"], ["slow"])


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n---\n"])
async def test_a_file_that_declares_nothing_all_of_a_sudden_changes_nothing(
    hub: hubs.Hub, watch: watching.Configuration, file: File, content: str
) -> None:
    await watch.look()
    file.write(content)
    await settle(watch)

    assert suspensions(hub) == ACTIVE
    assert "declares nothing, but did before" in watch.problem


async def test_a_first_file_may_be_empty(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    file.write("")

    assert (await settle(watch), watch.problem) == (0, "")


async def test_a_file_that_is_gone_changes_nothing_and_says_so(
    hub: hubs.Hub, watch: watching.Configuration, file: File
) -> None:
    await watch.look()
    file.remove()
    await settle(watch)
    problem = watch.problem
    file.write(FLEET)
    await watch.look()

    assert suspensions(hub) == ACTIVE
    assert problem == "configuration fleet.yaml: cannot be read (No such file or directory)"
    assert watch.problem == ""


async def test_one_bad_document_of_a_directory_changes_nothing(tmp_path: pathlib.Path, hub: hubs.Hub) -> None:
    directory = tmp_path / "fleet.yaml"
    await asyncio.to_thread(directory.mkdir)
    first, second = File(directory / "a.yaml"), File(directory / "b.yaml")
    first.write(POLICY + GROUP)
    second.write(SOURCE + CLUSTER)
    watch = watching.Configuration(directory, hub.transactor, hub)
    await watch.look()
    first.write(POLICY.replace("spec:", "specs:") + GROUP)
    second.write(SOURCE)
    await settle(watch)

    assert suspensions(hub) == ACTIVE
    assert watch.problem == "configuration a.yaml: document 1 (line 2): specs: there is no such field"


async def test_an_explicit_absence_removes(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    await watch.look()
    gone = "---\napiVersion: flotilla.gitops/v1alpha1\nkind: {}\nmetadata: {{name: {}}}\nspec: {{state: absent}}\n"
    things = [("Source", "shop"), ("Cluster", "edge-1"), ("ClusterGroup", "edge"), ("RolloutPolicy", "slow")]
    file.write("".join(gone.format(kind, name) for kind, name in things))
    await settle(watch)

    assert (suspensions(hub), watch.problem) == ({}, "")
    assert await settle(watch) == 0


async def test_a_new_cluster_that_cannot_get_an_account_waits(hub: hubs.Hub, watch: watching.Configuration) -> None:
    hub.broken = "nats-server: not connected"
    await watch.look()
    before = dict(suspensions(hub))
    hub.broken = ""
    await watch.look()

    assert before == {}
    assert suspensions(hub) == ACTIVE


async def test_the_keys_of_agents_are_known(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    file.write(CLUSTER.replace("{labels", f"{{agentKey: {hubs.user(7)}, labels"))
    await watch.look()

    assert {"edge-1": hubs.user(7)} == watch.agent_keys


async def test_a_large_fleet_is_written_in_bounded_steps(
    hub: hubs.Hub, watch: watching.Configuration, file: File
) -> None:
    count = 2 * applying.EVENTS_MAX + 3
    file.write("".join(CLUSTER.replace("edge-1", f"edge-{number}") for number in range(count)))

    assert count == await watch.look()
    assert count == len(hub.world.clusters)


async def test_what_the_file_declares_a_command_may_not_change(hub: hubs.Hub, watch: watching.Configuration) -> None:
    await watch.look()
    world, command = hub.world, specs.ManagedBy.COMMAND
    spec = specs.SourceSpec(url="https://git.example/other.git", all_clusters=True)
    with pytest.raises(rejections.Managed):
        declarations.declare_source(world, "shop", spec, by=command)
    with pytest.raises(rejections.Managed):
        sources.suspend(world.sources[SHOP], "x", by=command)
    with pytest.raises(rejections.Managed):
        declarations.remove_cluster(world, "edge-1", by=command)


async def test_a_command_may_take_over_what_vanished(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    await watch.look()
    file.write(POLICY + GROUP)
    await settle(watch)
    await hub.write(*declarations.resume_source(hub.world, "shop"))
    await hub.write(*declarations.resume_cluster(hub.world, "edge-1"))

    assert await settle(watch) == 0
    assert suspensions(hub) == ACTIVE
    assert hub.world.sources[SHOP].managed_by == specs.ManagedBy.COMMAND
    assert {specs.ManagedBy.COMMAND} == {one.managed_by for one in hub.world.clusters.values()}


async def test_the_file_takes_over_what_it_declares(hub: hubs.Hub, watch: watching.Configuration, file: File) -> None:
    cluster = await hub.add_cluster("edge-1", env="dev")
    await watch.look()
    taken = hub.world.clusters[cluster]

    assert (taken.managed_by, taken.labels, taken.uid) == (specs.ManagedBy.FILE, {"env": "prod"}, "uid-edge-1")


async def test_a_removed_cluster_comes_back_with_its_account(
    hub: hubs.Hub, watch: watching.Configuration, file: File
) -> None:
    cluster = await hub.add_cluster("edge-1")
    await hub.write(*declarations.remove_cluster(hub.world, "edge-1", by=specs.ManagedBy.COMMAND))
    await watch.look()

    assert [cluster] == list(hub.world.clusters)
    assert hub.world.clusters[cluster].uid == "uid-edge-1"


PARTS = st.lists(st.sampled_from([POLICY, GROUP, SOURCE, CLUSTER]), unique=True)


@settings(max_examples=60)
@given(cut=st.integers(0, len(FLEET)))
async def test_wherever_the_file_is_cut_off_nothing_is_removed(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    hub = hubs.Hub()
    await hub.begin()
    file = File(tmp_path_factory.mktemp("cut") / "fleet.yaml")
    watch = watching.Configuration(file.path, hub.transactor, hub)
    await watch.look()
    file.write(FLEET[:cut])
    await settle(watch)

    assert not any(one.removed for one in hub.world.sources.values())
    assert not any(one.removed for one in hub.world.clusters.values())
    assert (list(hub.world.fleet.groups), list(hub.world.fleet.policies)) == (["edge"], ["slow"])
    file.write(FLEET)
    await settle(watch)
    assert suspensions(hub) == ACTIVE


@settings(max_examples=60)
@given(histories=st.lists(PARTS, min_size=1, max_size=6))
async def test_reconciling_twice_decides_nothing(histories: list[list[str]]) -> None:
    hub = hubs.Hub()
    await hub.begin()
    for parts in histories:
        given_documents = reading.parse("fleet.yaml", "".join(parts).encode())
        try:
            await applying.reconcile(hub.transactor, hub, given_documents, origin="fleet.yaml")
        except rejections.Invalid:
            continue
        before = hub.world.snapshot()

        assert await applying.reconcile(hub.transactor, hub, given_documents, origin="fleet.yaml") == 0
        assert before == hub.world.snapshot()
