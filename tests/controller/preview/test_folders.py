"""Objects as files: one for each, and never outside the directory."""

import os
import pathlib
from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from controller.preview import folders
from protocol import ids
from tests.controller.preview.test_texts import config_map, shown


def written(directory: pathlib.Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def named(name: str, **said: Any) -> Any:
    return shown({**config_map({}), "metadata": {"name": name}}, **said)


def test_a_secret_is_for_its_owner_alone(tmp_path: pathlib.Path) -> None:
    secret = msgspec.structs.replace(named("a").object, group="", kind="Secret")

    folders.write(tmp_path / "out", [named("a", object=secret)])

    (file,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o077 == 0


def test_each_object_has_a_file_of_its_own(tmp_path: pathlib.Path) -> None:
    where = ids.ObjectId("apps", "Deployment", "shop", "a")
    count = folders.write(tmp_path / "out", [named("a"), named("b", object=where), named("c", is_hook=True)])

    assert count == 3
    names = ["ConfigMap_a.yaml", "ConfigMap_c.yaml", "Deployment.apps_shop_a.yaml"]
    assert written(tmp_path / "out") == [f"shop/a/{name}" for name in names]


def test_two_of_one_name_are_told_apart(tmp_path: pathlib.Path) -> None:
    folders.write(tmp_path / "out", [named("a"), named("A"), named("a", file="b/x.yaml")])

    assert len(written(tmp_path / "out")) == 3


@hypothesis.given(st.text() | st.sampled_from(["../../x", "/etc/x", "..", ".", "a/b", "x" * 5000, "\0", "a\nb", "é"]))
def test_a_name_leads_nowhere_else(name: str) -> None:
    found = folders.safe(name)

    assert found == os.path.basename(found)
    assert found not in ("", ".", "..")
    assert (len(found) <= folders.NAME_BYTES_MAX, found.isascii(), "\0" in found) == (True, True, False)


def test_names_that_lead_elsewhere_stay_inside(tmp_path: pathlib.Path) -> None:
    hostile = [named("../../../up"), named("/etc/passwd"), named("a", bundle=ids.BundleId("shop/../../up"))]
    folders.write(tmp_path / "out", hostile)

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(written(tmp_path / "out")) == 3


def test_a_directory_that_holds_something_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "old.yaml").write_text("x")

    with pytest.raises(folders.UnwritableError, match="not empty"):
        folders.write(tmp_path, [named("a")])


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "out").write_text("x")

    with pytest.raises(folders.UnwritableError, match="cannot be written"):
        folders.write(tmp_path / "out", [msgspec.structs.replace(named("a"))])
