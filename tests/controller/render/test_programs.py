"""Which helm and kustomize are taken, tried with programs that only say a version."""

import pathlib

import pytest

from controller.render import errors, programs


@pytest.fixture(autouse=True)
def _no_wheel(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.sysconfig, "get_path", lambda _: str(tmp_path / "wheel"))


def _program(directory: pathlib.Path, name: str, says: str, code: int = 0) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    (directory / name).chmod(0o755)


@pytest.mark.parametrize(
    ("on_path", "of_wheel", "taken"),
    [
        ("v3.20.2+g8fb76d6", "v3.17.3", "bin v3.20.2"),
        ("v4.1.0", "v3.17.3", "bin v4.1.0"),
        ("v3.12.0", "v3.17.3", "wheel v3.17.3"),
        ("v3.19.0", "v3.17.3", "bin v3.19.0"),
        ("", "v3.17.3", "wheel v3.17.3"),
        ("v3.9.0", "", "bin v3.9.0"),
    ],
)
def test_a_helm_of_the_floor_on_path_goes_first_then_the_newer_one(
    tmp_path: pathlib.Path, on_path: str, of_wheel: str, taken: str
) -> None:
    for directory, version in (("bin", on_path), ("wheel", of_wheel)):
        if version:
            _program(tmp_path / directory, "helm", version)

    found = programs.find_helm(str(tmp_path / "bin"))

    assert f"{found.path.parent.name} {found.identity.removeprefix('helm/')}" == taken


def test_without_a_helm_it_says_what_to_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingError, match=r"^helm is not installed on the hub \(put helm 3\.20\.2 or later"):
        programs.find_helm(str(tmp_path))


def test_kustomize_goes_before_kubectl(tmp_path: pathlib.Path) -> None:
    _program(tmp_path / "bin", "kubectl", '{"clientVersion": {}, "kustomizeVersion": "v5.5.0"}')
    before = programs.find_kustomize(str(tmp_path / "bin"))
    _program(tmp_path / "bin", "kustomize", "v5.8.1")
    after = programs.find_kustomize(str(tmp_path / "bin"))

    assert (before.identity, before.arguments) == ("kubectl-kustomize/v5.5.0", ("kustomize",))
    assert (after.identity, after.arguments) == ("kustomize/v5.8.1", ("build",))


@pytest.mark.parametrize(("says", "code"), [("v5.8.1", 1), ("(devel)", 0), ("", 0)])
def test_a_program_that_says_no_version_is_not_taken(tmp_path: pathlib.Path, says: str, code: int) -> None:
    _program(tmp_path / "bin", "kustomize", says, code)
    _program(tmp_path / "bin", "kubectl", says, code)

    with pytest.raises(errors.MissingError, match="kustomize is not installed on the hub"):
        programs.find_kustomize(str(tmp_path / "bin"))
