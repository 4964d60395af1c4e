"""Stateful sets on a clock that the test moves: their pods come, change and go one after another."""

from tests.agents.sandbox.worlds import READY_S, World, images, phases, workload


def test_the_pods_of_a_stateful_set_come_one_after_another() -> None:
    world = World()
    world.apply("apps/statefulsets", workload("StatefulSet"))
    first = phases(world)
    world.pass_s(READY_S)
    second, half = phases(world), world.get("apps/statefulsets", "web")["status"]
    world.pass_s(READY_S)

    assert (first, second) == ({"web-0": "Pending"}, {"web-0": "Running", "web-1": "Pending"})
    assert (half["replicas"], half["readyReplicas"]) == (2, 1)
    assert world.get("apps/statefulsets", "web")["status"]["readyReplicas"] == 2


def test_a_parallel_stateful_set_has_them_all_at_once() -> None:
    world = World()
    value = workload("StatefulSet")
    value["spec"]["podManagementPolicy"] = "Parallel"
    world.apply("apps/statefulsets", value)

    assert phases(world) == {"web-0": "Pending", "web-1": "Pending"}


def test_a_stateful_set_is_updated_from_its_end() -> None:
    world = World()
    world.apply("apps/statefulsets", workload("StatefulSet"))
    world.pass_s(READY_S)
    world.pass_s(READY_S)
    before = world.get("apps/statefulsets", "web")["status"]
    world.apply("apps/statefulsets", workload("StatefulSet", image="nginx:2"))
    rolling = world.get("apps/statefulsets", "web")["status"]
    halfway = images(world)
    world.pass_s(READY_S)
    world.pass_s(READY_S)
    after = world.get("apps/statefulsets", "web")["status"]

    assert halfway == ["nginx:1", "nginx:2"]
    assert rolling["currentRevision"] == before["currentRevision"] != rolling["updateRevision"]
    assert (rolling["readyReplicas"], rolling["updatedReplicas"], rolling["currentReplicas"]) == (1, 1, 1)
    assert after["currentRevision"] == after["updateRevision"] == rolling["updateRevision"]
    assert images(world) == ["nginx:2", "nginx:2"]


def test_a_partition_holds_an_update_back() -> None:
    world = World()
    world.apply("apps/statefulsets", workload("StatefulSet"))
    world.pass_s(READY_S)
    world.pass_s(READY_S)
    value = workload("StatefulSet", image="nginx:2")
    value["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    world.apply("apps/statefulsets", value)
    for _ in range(3):
        world.pass_s(READY_S)

    assert images(world) == ["nginx:1", "nginx:2"]


def test_a_stateful_set_shrinks() -> None:
    world = World()
    world.apply("apps/statefulsets", workload("StatefulSet", replicas=2))
    world.pass_s(READY_S)
    world.pass_s(READY_S)
    world.apply("apps/statefulsets", workload("StatefulSet", replicas=1))

    assert world.names("pods") == ["web-0"]
    assert world.get("apps/statefulsets", "web")["status"]["readyReplicas"] == 1
