"""`render`, `targets` and `validate` as a person or CI runs them: as processes, without a hub."""

import asyncio
import json
import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable

import pygit2
import pytest
from aiohttp import test_utils

from controller.api import app
from controller.render import programs, yamls
from protocol import selectors, specs
from protocol.events import sources as source_events
from tests.controller.preview.test_fleets import DOCUMENTS
from tests.controller.render.test_stages import BASE, CHART
from tests.controller.repositories import config_map
from tests.fixtures import hub as fixtures

TOKEN = "a-token-for-tests"

FILES = {
    "apps/raw/x.yaml": config_map("raw", "'${cluster.labels.env}'"),
    **{f"apps/web/{path}": text for path, text in CHART.items()},
    **{f"apps/kustomized/{path}": text for path, text in BASE.items()},
    "apps/kustomized/flotilla.yaml": "kustomize: {dir: base}\n",
}

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository `shop` with files that nobody added, and `fleet.yaml` beside it."""
    pygit2.init_repository(str(tmp_path / "shop")).free()
    write(tmp_path / "shop", FILES)
    write(tmp_path, {"fleet.yaml": DOCUMENTS})
    return tmp_path


def write(root: pathlib.Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def run(root: pathlib.Path, helm_program: programs.Program, kustomize_program: programs.Program) -> Run:
    """Run `flotilla WORDS…` where the files are; its exit code, output and errors."""
    tools = [pathlib.Path(one.path).parent for one in (helm_program, kustomize_program)]

    async def command(*words: str, **environment: str) -> tuple[int, str, str]:
        settings = {
            "PATH": os.pathsep.join(map(str, tools)) + os.pathsep + os.environ["PATH"],
            "FLOTILLA_URL": "http://127.0.0.1:9",
            "FLOTILLA_TOKEN": TOKEN,
            "XDG_CONFIG_HOME": str(root / "config"),
            "PYTHONPATH": os.getcwd(),
            "NO_COLOR": "1",
            **environment,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "protocol.dispatch", *words,
            cwd=root, env={**os.environ, **settings},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return command


async def test_all_renderers_are_rendered_without_a_hub(run: Run) -> None:
    code, text, errors = await run("render", "shop", "--path", "apps/*", "--label", "env=dev", "--cluster", "edge-7")
    found = {one.value["metadata"]["name"]: one.value for one in yamls.load(text.encode())}

    assert (code, sorted(found)) == (0, ["a", "raw", "shop-apps-web"])
    assert (found["raw"]["data"], found["shop-apps-web"]["data"]["who"]) == ({"key": "dev"}, "edge-7")
    assert {one["metadata"]["namespace"] for one in found.values()} == {"default"}
    assert errors.splitlines() == [
        "note: releases are called after the source, here 'shop' (--source says it)",
        "note: shop/apps/web: 1 hooks of Helm are left out (--hooks shows them)",
    ]


async def test_one_bundle_is_rendered_for_a_declared_cluster(run: Run) -> None:
    words = ["render", "shop/apps/raw", "--clusters", "fleet.yaml", "--cluster", "edge-2", "-o"]
    code, text, _ = await run(*words, "json")
    _, names, _ = await run(*words, "name")

    assert (code, [one["data"] for one in json.loads(text)["items"]]) == (0, [{"key": "prod"}])
    assert names == "ConfigMap default/raw\n"


async def test_files_are_written_into_a_new_directory_only(run: Run, root: pathlib.Path) -> None:
    words = ["render", "shop", "--path", "apps/*", "--label", "env=dev", "--hooks", "--output-dir", "out"]
    codes = [(await run(*words))[0] for _ in range(2)]
    found = sorted(str(path.relative_to(root / "out")) for path in (root / "out").rglob("*.yaml"))

    assert codes == [0, 1]
    assert found == [
        "shop/apps/kustomized/ConfigMap_default_a.yaml",
        "shop/apps/raw/ConfigMap_default_raw.yaml",
        "shop/apps/web/ConfigMap_default_hook.yaml",
        "shop/apps/web/ConfigMap_default_shop-apps-web.yaml",
    ]


async def test_an_error_in_one_bundle_hides_no_other(run: Run, root: pathlib.Path) -> None:
    write(root / "shop", {"apps/raw/x.yaml": "a: b: c\n"})
    words = ["shop", "--path", "apps/*", "--clusters", "fleet.yaml"]
    render, names, errors = await run("render", *words, "--cluster", "edge-1", "-o", "name")
    targets, table, _ = await run("targets", *words)
    validate, text, _ = await run("validate", *words)

    assert (render, targets, validate) == (1, 1, 2)
    assert names == "ConfigMap default/a\nConfigMap default/shop-apps-web\n"
    assert "error: shop/apps/raw: apps/raw/x.yaml:1: " in errors
    assert ("error: apps/raw/x.yaml:1: " in text, "in error" in table) == (True, True)


async def test_targets_shows_who_gets_what_and_why(run: Run, root: pathlib.Path) -> None:
    write(root / "shop", {"apps/raw/flotilla.yaml": "targets: [{groups: [live]}]\n"})
    code, table, _ = await run("targets", "shop", "--clusters", "fleet.yaml")
    _, text, _ = await run(
        "targets", "shop/apps", "--source", "shop", "--clusters", "fleet.yaml", "--all", "-o", "json"
    )
    found = json.loads(text)

    assert (code, table.splitlines()[-1]) == (0, "3 bundles, 2 clusters, 4 distinct renders")
    assert (found["bundles"], found["clusters"], found["distinctRenders"]) == (3, 2, 4)
    assert [(one["cluster"], one["deploys"], one["rule"], one["reason"]) for one in found["targets"]][2:4] == [
        ("edge-1", False, "", "no entry of targets matches"),
        ("edge-2", True, "targets[0]", ""),
    ]


async def test_validate_ends_with_a_code_for_ci(run: Run, root: pathlib.Path) -> None:
    words = ["validate", "shop", "--path", "apps/*"]
    good, _, _ = await run(*words)
    write(root / "shop", {"apps/raw/flotilla.yaml": "targets: [{matchLabels: {env: nowhere}}, {}]\n"})
    odd, text, _ = await run(*words, "--clusters", "fleet.yaml")
    allowed, _, _ = await run(*words, "--clusters", "fleet.yaml", "--allow-warnings")
    write(root / "shop", {"apps/raw/flotilla.yaml": "tragets: []\n"})
    bad, _, _ = await run(*words)
    nowhere, _, errors = await run("validate", "nowhere")

    assert (good, odd, allowed, bad, nowhere) == (0, 1, 0, 2, 2)
    assert "warning: apps/raw/flotilla.yaml: targets[0]: matches no known cluster [placement]" in text
    assert errors == "flotilla validate: nowhere: cannot be read (No such file or directory)\n"


async def test_validate_speaks_to_ci(run: Run, root: pathlib.Path) -> None:
    write(root / "shop", {"apps/other/x.yaml": config_map("raw"), "apps/raw/flotilla.yaml": "nmae: x\n"})
    _, junit, _ = await run("validate", "shop", "--path", "apps/*", "-o", "junit")
    _, text, _ = await run("validate", "shop", "--path", "apps/*", "-o", "json")
    cases = ElementTree.fromstring(junit).iter("testcase")  # noqa: S314  # our own

    assert {one.attrib["name"]: one.find("failure") is not None for one in cases} == {
        "shop/apps/kustomized": False,
        "shop/apps/other": False,
        "shop/apps/raw": True,
        "shop/apps/web": False,
    }
    assert [(one["rule"], one["path"], one["line"]) for one in json.loads(text)["findings"]] == [
        ("settings", "apps/raw/flotilla.yaml", 1)
    ]


async def test_outside_a_repository_the_directory_is_the_root(run: Run, root: pathlib.Path) -> None:
    write(root, {"elsewhere/apps/a/x.yaml": config_map("x")})
    code, text, errors = await run("render", "elsewhere/apps", "-o", "name")

    assert (code, text) == (0, "ConfigMap default/x\n")
    assert errors == "note: no Git repository is here: elsewhere/apps is taken as the root\n"


async def test_mistakes_are_told_from_failures(run: Run, root: pathlib.Path) -> None:
    (root / "loop").symlink_to("loop")
    other = DOCUMENTS[DOCUMENTS.rindex("apiVersion") :].replace("shop", "other")
    write(root, {"many.yaml": f"{DOCUMENTS}---\n{other}", "elsewhere/x.yaml": config_map("x")})
    codes = {
        "no clusters": (await run("targets", "shop"))[0],
        "no such cluster": (await run("render", "shop", "--clusters", "fleet.yaml", "--cluster", "nobody"))[0],
        "which cluster": (await run("render", "shop", "--clusters", "fleet.yaml"))[0],
        "no label": (await run("render", "shop", "--label", "env"))[0],
        "no such source": (await run("targets", "shop", "--clusters", "fleet.yaml", "--source", "nobody"))[0],
        "which source": (await run("targets", "elsewhere", "--clusters", "many.yaml"))[0],
        "links in a circle": (await run("render", "loop"))[0],
        "no directory": (await run("render", "fleet.yaml"))[0],
        "no documents": (await run("targets", "shop", "--clusters", "shop/apps/raw"))[0],
        "no hub": (await run("targets", "shop", "--online"))[0],
    }

    assert codes == {
        "no clusters": 2,
        "no such cluster": 3,
        "which cluster": 2,
        "no label": 2,
        "no such source": 3,
        "which source": 2,
        "links in a circle": 2,
        "no directory": 2,
        "no documents": 2,
        "no hub": 4,
    }


async def test_online_the_hub_says_which_clusters_there_are(run: Run) -> None:
    hub = fixtures.Hub()
    await hub.begin()
    await hub.add_cluster("edge-1", env="prod")
    targets = (selectors.Target(match_labels={"env": "prod"}),)
    spec = specs.SourceSpec(url="https://git.example/shop.git", paths=("apps/raw",), targets=targets)
    declared = source_events.SourceDeclared(name="shop", spec=spec, managed_by=specs.ManagedBy.COMMAND)
    await hub.transactor.run(lambda _: (declared,), by="test", cause="test")
    async with test_utils.TestServer(app.make_app(hub, token=TOKEN)) as server:
        words = ["targets", "shop", "--online", "--url", str(server.make_url("")), "-o", "json"]
        code, text, errors = await run(*words)

    assert (code, errors) == (0, "")
    assert [(one["bundle"], one["cluster"], one["sourceRule"]) for one in json.loads(text)["targets"]] == [
        ("shop/apps/raw", "edge-1", "targets[0]")
    ]


@pytest.mark.parametrize("command", ["render", "targets", "validate"])
async def test_help_teaches_with_an_example(command: str, run: Run) -> None:
    code, text, _ = await run(command, "--help")

    assert (code, f"Example:\n    flotilla {command} " in text, "Exit codes: 0" in text) == (0, True, True)
