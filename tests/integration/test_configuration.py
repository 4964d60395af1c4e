"""A configuration file that is cut off while a hub runs on it: nothing is removed, and the reason is there to read."""

import asyncio
import os
import pathlib
import sys

import pytest

from controller import bootstrap
from tests.fixtures import content, processes
from tests.integration import test_kill as story

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

EVERYTHING = {**story.STAYING, **story.LEAVING}

CLUSTERS = """\
apiVersion: flotilla.gitops/v1alpha1
kind: RolloutPolicy
metadata: {name: brisk}
spec: {maxConcurrency: "100%"}
---
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: east}
spec: {labels: {env: prod}}
---
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: west}
spec: {labels: {env: prod}}
---
"""
SOURCE = """\
apiVersion: flotilla.gitops/v1alpha1
kind: Source
metadata: {name: fleet}
spec:
  url: URL
  paths: ["apps/*", "platform/*"]
  targets:
    - matchLabels: {env: prod}
  rolloutPolicy: brisk
  intervalS: 1
"""

SPOILED = {
    "in the middle of a word": (lambda text: text[: text.index("matchLabels") + 5], "it may have been cut off"),
    "after a line, in the middle of a document": (lambda text: text[: text.index("spec:\n  url")], "spec"),
    "after a line, in the middle of a list": (lambda text: text[: text.index("    - matchLabels")], "targets"),
    "at its very start": (lambda _text: "", "declares nothing, but did before"),
}
"""Where the file is cut off, and what is said then."""


async def test_a_configuration_file_that_is_cut_off_changes_nothing_until_it_is_whole(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "fleet.yaml"
    async with processes.realm(tmp_path, config=file) as realm:
        whole = await _begin(realm, file)
        before, events = await realm.uids(EVERYTHING), await _flotilla(realm, "events", "-o", "json")

        for where, (cut, reason) in SPOILED.items():
            _write(file, cut(whole))
            await processes.until(f"the reason is told, {where}", lambda reason=reason: _is_told(realm, reason))
            assert reason in await _flotilla(realm, "status")
            assert await realm.uids(EVERYTHING) == before
        assert await _flotilla(realm, "events", "-o", "json") == events

        _write(file, whole)
        await processes.until("the file is in force again", lambda: _is_in_force(realm))
        await realm.rolled_out(await realm.merge(content.third(), "go on"))
        assert await realm.uids(story.STAYING) == _staying(before)


async def test_what_a_file_that_is_cut_off_between_documents_lacks_is_suspended_until_it_is_whole(
    tmp_path: pathlib.Path,
) -> None:
    file = tmp_path / "fleet.yaml"
    async with processes.realm(tmp_path, config=file) as realm:
        whole = await _begin(realm, file)
        before = await realm.uids(EVERYTHING)

        _write(file, CLUSTERS.removesuffix("---\n"))
        await processes.until("the source is suspended", lambda: _is_told(realm, "not in fleet.yaml any more"))
        assert "source fleet is suspended: not in fleet.yaml any more" in await _flotilla(realm, "status")
        assert "SourceSuspended" in await _flotilla(realm, "events")
        assert await realm.uids(EVERYTHING) == before
        unseen = realm.repository.merge(content.third(), "nobody looks", at=bootstrap.utc_now())

        _write(file, whole)
        await realm.rolled_out(unseen)
        assert await realm.uids(story.STAYING) == _staying(before)


async def _begin(realm: processes.Realm, file: pathlib.Path) -> str:
    """The second commit everywhere, by way of the file; its text."""
    commit = realm.repository.merge(content.second(), "begin", at=bootstrap.utc_now())
    text = CLUSTERS + SOURCE.replace("URL", realm.repository.url)
    _write(file, text)
    await realm.rolled_out(commit)
    await processes.until("the file is in force", lambda: _is_in_force(realm))
    assert len(await realm.uids(EVERYTHING)) == len(EVERYTHING) * len(processes.CLUSTERS)
    return text


async def _is_told(realm: processes.Realm, reason: str) -> bool:
    return any(reason in line for line in await _attention(realm))


async def _is_in_force(realm: processes.Realm) -> bool:
    return not any("fleet.yaml" in line for line in await _attention(realm))


async def _attention(realm: processes.Realm) -> list[str]:
    found = await realm.ask(lambda: realm.api.get("status"))
    return [str(line) for line in found["attention"]]


async def _flotilla(realm: processes.Realm, *words: str) -> str:
    """What `flotilla WORDS…` prints."""
    environment = {"FLOTILLA_URL": realm.hub.said["url"], "FLOTILLA_TOKEN": _token(realm), "COLUMNS": "400"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "protocol.dispatch", *words,
        cwd=realm.directory, env={**os.environ, "PYTHONPATH": os.getcwd(), "NO_COLOR": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode()


def _token(realm: processes.Realm) -> str:
    return pathlib.Path(realm.hub.said["tokenFile"]).read_text().strip()


def _staying(found: dict[str, str]) -> dict[str, str]:
    return {key: uid for key, uid in found.items() if key.partition("/")[2] in story.STAYING}


def _write(file: pathlib.Path, text: str) -> None:
    file.write_text(text)
