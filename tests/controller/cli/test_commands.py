"""The command line as a person or a script uses it: as a process, against a real HTTP server of the API."""

import asyncio
import json
import os
import pathlib
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import test_utils

from controller.api import app
from tests.fixtures import hub as fixtures

TOKEN = "a-token-for-tests"

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def fleet() -> AsyncIterator[fixtures.Hub]:
    """A hub on a log in memory, with one cluster."""
    hub = fixtures.Hub()
    await hub.begin()
    await hub.add_cluster("edge-1", env="prod")
    return hub


@pytest.fixture
async def address(fleet: fixtures.Hub) -> AsyncIterator[str]:
    """The URL of the hub's API."""
    async with test_utils.TestServer(app.make_app(fleet, token=TOKEN)) as server:
        yield str(server.make_url(""))


@pytest.fixture
def run(address: str, tmp_path: pathlib.Path) -> Run:
    """Run `flotilla WORDS…`; its exit code, output and errors."""

    async def command(*words: str, **environment: str) -> tuple[int, str, str]:
        settings = {
            "FLOTILLA_URL": address,
            "FLOTILLA_TOKEN": TOKEN,
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "NO_COLOR": "1",
            **environment,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "protocol.dispatch",
            *words,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.getcwd(), **settings},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return command


async def test_a_list_is_a_table_for_people_and_json_for_programs(run: Run) -> None:
    code, table, _ = await run("cluster", "list")
    _, text, _ = await run("cluster", "list", "-o", "json")
    _, names, _ = await run("cluster", "list", "-o", "name")

    assert (code, "edge-1" in table, "NAME" in table) == (0, True, True)
    assert [(one["name"], one["labels"]) for one in json.loads(text)] == [("edge-1", {"env": "prod"})]
    assert names == "edge-1\n"


async def test_exit_codes_tell_scripts_what_went_wrong(run: Run) -> None:
    codes = {
        "refused": (await run("source", "add", "shop", fixtures.UNREACHABLE, "--all-clusters"))[0],
        "used wrongly": (await run("source", "no-such-verb"))[0],
        "no such name": (await run("cluster", "show", "nowhere"))[0],
        "unreachable": (await run("status", FLOTILLA_URL="http://127.0.0.1:9"))[0],
        "unauthorized": (await run("status", FLOTILLA_TOKEN="another"))[0],
        "no token": (await run("status", FLOTILLA_TOKEN=""))[0],
    }

    assert codes == {
        "refused": 1,
        "used wrongly": 2,
        "no such name": 3,
        "unreachable": 4,
        "unauthorized": 5,
        "no token": 5,
    }


async def test_a_source_whose_remote_cannot_be_reached_is_not_saved(run: Run, fleet: fixtures.Hub) -> None:
    _, _, errors = await run("source", "add", "shop", fixtures.UNREACHABLE, "--all-clusters")

    assert "cannot be reached" in errors
    assert fleet.world.sources == {}


async def test_a_source_is_added_suspended_resumed_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    words = ["shop", "https://git.example.com/shop.git", "--path", "apps/*", "--target", "env=prod"]
    outcomes = [
        (await run("source", "add", *words))[0],
        (await run("source", "suspend", "shop", "--reason", "freeze"))[0],
        (await run("source", "resume", "shop"))[0],
        (await run("source", "sync", "shop"))[0],
        (await run("source", "remove", "shop"))[0],
    ]

    assert outcomes == [0, 0, 0, 0, 0]
    assert [source.removed for source in fleet.world.sources.values()] == [True]
    assert "shop" in fleet.woken


async def test_the_key_of_a_new_cluster_is_made_here_and_kept_private(
    run: Run, fleet: fixtures.Hub, tmp_path: pathlib.Path
) -> None:
    code, _, _ = await run("cluster", "add", "edge-2", "--label", "env=dev", "--out", "edge-2.json")

    file = tmp_path / "edge-2.json"
    issued = json.loads(file.read_text())
    assert (code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert (issued["name"], issued["seed"][:2]) == ("edge-2", "SU")
    assert issued["seed"] not in str(list(fleet.world.clusters.values()))


async def test_labels_are_set_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    code, _, _ = await run("cluster", "label", "edge-1", "region=eu", "env-")

    assert code == 0
    assert [cluster.labels for cluster in fleet.world.clusters.values()] == [{"region": "eu"}]


async def test_annotations_and_values_are_set_and_removed(run: Run, fleet: fixtures.Hub) -> None:
    outcomes = [
        (await run("cluster", "annotate", "edge-1", "owner=web", "contact=x"))[0],
        (await run("cluster", "annotate", "edge-1", "contact-"))[0],
        (await run("cluster", "values", "edge-1", "size=small"))[0],
        (await run("cluster", "values", "edge-1", "no spaces=x"))[0],
    ]

    assert outcomes == [0, 0, 0, 1]
    (cluster,) = fleet.world.clusters.values()
    assert (cluster.annotations, cluster.values) == ({"owner": "web"}, {"size": "small"})


async def test_documents_are_applied_and_what_they_do_not_name_stays(run: Run, tmp_path: pathlib.Path) -> None:
    (tmp_path / "group.yaml").write_text(
        "apiVersion: flotilla.gitops/v1alpha1\nkind: ClusterGroup\nmetadata: {name: eu}\n"
        "spec: {selector: {matchLabels: {region: eu}}}\n"
    )
    first = await run("apply", "-f", "group.yaml")
    second = await run("apply", "-f", "group.yaml")

    assert (first[:2], second[:2]) == ((0, "ClusterGroup/eu created\n"), (0, "ClusterGroup/eu unchanged\n"))


async def test_a_login_is_kept_and_then_used(run: Run, address: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    code, output, _ = await run("login", address, "--token-file", "token")
    again, _, _ = await run("status", FLOTILLA_URL="", FLOTILLA_TOKEN="")

    saved = tmp_path / "config" / "flotilla" / "context.json"
    assert (code, again, stat.S_IMODE(saved.stat().st_mode)) == (0, 0, 0o600)
    assert TOKEN not in output


async def test_the_log_is_printed_in_order(run: Run) -> None:
    code, output, _ = await run("events")

    assert code == 0
    assert [line.split()[3] for line in output.splitlines()][:2] == ["HubInitialized", "ClusterAdded"]


async def test_every_command_teaches(run: Run) -> None:
    for words in (["source"], ["source", "add"], ["cluster"], ["rollout"], ["deletions", "approve"], ["status"]):
        code, output, _ = await run(*words, "--help")

        assert (code, "Usage: flotilla" in output) == (0, True), words
