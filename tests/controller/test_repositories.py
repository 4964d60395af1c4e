"""A source's repository as polling sees it: revisions, catalogs with sealed content, and failures by their kind."""

import os
import pathlib
import shutil
from collections.abc import AsyncIterator

import msgspec
import pytest

from controller import repositories
from controller.domain import catalogs
from controller.git import mirrors
from controller.reactors import polling
from controller.render import pool
from protocol import bundles, ids, messages, sealing, specs
from protocol.events import sources
from tests.controller import repositories as origins

SHOP = ids.SourceName("shop")
INPUTS = os.environ.get("FLOTILLA_TEST_INPUTS") or pathlib.Path(__file__).parents[3] / "shared" / "inputs"
EXAMPLES = pathlib.Path(INPUTS) / "fleet-examples"


class Place(msgspec.Struct, frozen=True):
    """Where commits are fetched to, and who renders them."""

    mirrors: mirrors.Mirrors
    workers: pool.Pool


@pytest.fixture
async def hub(tmp_path: pathlib.Path, workers: pool.Pool) -> AsyncIterator[Place]:
    opened = mirrors.Mirrors(tmp_path / "state", environ=dict(os.environ), git=shutil.which("git"))
    yield Place(opened, workers)
    await opened.close()


@pytest.fixture
def origin(tmp_path: pathlib.Path) -> origins.Origin:
    return origins.Origin(tmp_path / "origin.git")


def opened(hub: Place, spec: specs.SourceSpec) -> polling.Repository:
    return repositories.opener(hub.mirrors, hub.workers)(SHOP, spec)


def request(revision: sources.Revision, *paths: str) -> polling.Request:
    return polling.Request(revision=revision, paths=paths, previous=None, fleet=(), covered=False)


async def resolved(hub: Place, origin: origins.Origin, *paths: str) -> polling.Resolved:
    repository = opened(hub, specs.SourceSpec(origin.url))
    return await repository.resolve(request(await repository.poll(""), *(paths or ("/",))))


async def test_all_content_of_a_catalog_is_sealed_once(hub: Place, origin: origins.Origin) -> None:
    same = origins.config_map("a")
    origin.commit({"one/a.yaml": same, "two/a.yaml": same})

    found = await resolved(hub, origin, "*")

    sealed = {blob.id: blob.data for blob in found.blobs}
    assert len(found.blobs) == len(sealed) == 3
    for entry in found.catalog.entries:
        plain = sealing.open_blob(origins.content(entry), bundles.INDEX_TAG, sealed[origins.content(entry)])
        (item,) = messages.INDEX.decode(plain).objects
        manifest = sealing.open_blob(item.manifest, bundles.MANIFEST_TAG, sealed[item.manifest])
        assert msgspec.json.decode(manifest)["metadata"] == {"name": "a"}


async def test_two_hubs_make_the_same_catalog(
    origin: origins.Origin, tmp_path: pathlib.Path, workers: pool.Pool
) -> None:
    origin.commit({f"apps/{name}/a.yaml": origins.config_map(name) for name in "abc"})
    found = []
    for name, git in (("one", None), ("two", shutil.which("git"))):
        opened = mirrors.Mirrors(tmp_path / name, environ=dict(os.environ), git=git)
        found.append(await resolved(Place(opened, workers), origin, "apps/*"))
        await opened.close()

    assert found[0] == found[1]
    assert catalogs.CATALOG.encode(found[0].catalog) == catalogs.CATALOG.encode(found[1].catalog)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (specs.SourceSpec("/no/such/repository"), sources.FailureKind.UNREACHABLE),
        (specs.SourceSpec("example.com:shop.git"), sources.FailureKind.UNREACHABLE),
        (specs.SourceSpec("git@example.com:shop.git"), sources.FailureKind.AUTHENTICATION),
        (
            specs.SourceSpec("https://example.com/x", credentials=specs.GitCredentials(password_env="UNSET_VARIABLE")),
            sources.FailureKind.AUTHENTICATION,
        ),
    ],
)
async def test_a_source_that_cannot_be_fetched_fails_by_kind(
    hub: Place, spec: specs.SourceSpec, kind: sources.FailureKind
) -> None:
    with pytest.raises(polling.SourceFailure) as caught:
        await opened(hub, spec).poll("")

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("files", "ref", "paths", "kind"),
    [
        (None, "", ("/",), sources.FailureKind.EMPTY),
        ({"a.yaml": "x"}, "gone", ("/",), sources.FailureKind.REF_VANISHED),
        ({"a.yaml": "x"}, "", ("apps/*",), sources.FailureKind.PATH_VANISHED),
        ({"README.md": "x"}, "", ("/",), sources.FailureKind.NO_BUNDLE),
    ],
)
async def test_a_source_that_says_nothing_fails_by_kind(
    hub: Place,
    origin: origins.Origin,
    files: origins.Files | None,
    ref: str,
    paths: tuple[str, ...],
    kind: sources.FailureKind,
) -> None:
    if files is not None:
        origin.commit(files)
    repository = opened(hub, specs.SourceSpec(origin.url))

    with pytest.raises(polling.SourceFailure) as caught:
        await repository.resolve(request(await repository.poll(ref), *paths))

    assert caught.value.kind == kind


@pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="no rancher/fleet-examples in FLOTILLA_TEST_INPUTS, nor beside this repository"
)
async def test_the_raw_example_of_fleet_gives_its_objects(hub: Place, origin: origins.Origin) -> None:
    files: dict[str, origins.Content] = {
        str(path.relative_to(EXAMPLES)): path.read_bytes() for path in EXAMPLES.rglob("*") if path.is_file()
    }
    origin.commit(files)

    found = await resolved(hub, origin, "multi-cluster/manifests")

    (entry,) = found.catalog.entries
    assert entry.errors == ()
    assert entry.warnings == ()
    (sealed,) = [blob for blob in found.blobs if blob.id == origins.content(entry)]
    index = messages.INDEX.decode(sealing.open_blob(origins.content(entry), bundles.INDEX_TAG, sealed.data))
    assert index.options.namespace == "fleet-mc-manifest-example"
    assert [str(item.object) for item in index.objects] == [
        "Service frontend",
        "Service redis-master",
        "Service redis-slave",
        "Deployment.apps frontend",
        "Deployment.apps redis-master",
        "Deployment.apps redis-slave",
    ]
