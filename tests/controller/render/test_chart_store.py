"""Charts from real repositories and registries on the loopback: what is fetched, kept, let go, and shown to nobody."""

import os
import pathlib
from collections.abc import Iterator

import pytest

from controller.render import chart_logins, chart_store, errors, programs
from tests.controller.render.chart_servers import LIBRARY, Guard, Repository, registry, secrets, told, with_login


@pytest.mark.helm
def test_an_exact_version_is_fetched_once_and_for_all(repository: Repository, store: chart_store.Store) -> None:
    remote = chart_store.Remote("lib", repository.url, "1.2.0")
    first = store.fetch(remote)
    asked = len(repository.paths)
    repository.add({**LIBRARY, "templates/more.yaml": ""}, "1.2.0")

    second = store.fetch(remote)

    assert second == first
    assert len(repository.paths) == asked
    repository.close()
    assert store.fetch(remote) == first


@pytest.mark.helm
def test_a_range_is_asked_anew_and_holds_while_nobody_answers(repository: Repository, store: chart_store.Store) -> None:
    remote = chart_store.Remote("lib", repository.url, ">=1.2.0 <2")
    before = store.fetch(remote)
    repository.add(LIBRARY, "1.4.0")

    after = store.fetch(remote)
    repository.close()
    offline = store.fetch(remote)

    assert (before.resolved.version, after.resolved.version) == ("1.2.0", "1.4.0")
    assert offline.archive == after.archive
    assert "version 1.4.0 of before is used" in offline.warning


@pytest.mark.helm
def test_what_nobody_gives_is_missing_and_names_no_password(repository: Repository, store: chart_store.Store) -> None:
    url = repository.url.replace("//", "//ada:sec@ret@")

    with pytest.raises(errors.MissingError) as raised:
        store.fetch(chart_store.Remote("lib", url, "9.9.9"))

    assert raised.value.reason.startswith(f"chart lib 9.9.9 of {repository.url}: helm pull: exit code 1: Error: ")
    assert "ret@" not in raised.value.reason


@pytest.mark.helm
def test_a_kept_archive_that_the_disk_spoiled_is_fetched_anew(
    repository: Repository, store: chart_store.Store, tmp_path: pathlib.Path
) -> None:
    remote = chart_store.Remote("lib", repository.url, "1.2.0")
    first = store.fetch(remote)
    (tmp_path / "store" / "archives" / f"{first.resolved.digest}.tgz").write_bytes(b"spoiled")

    assert store.fetch(remote) == first


@pytest.mark.helm
def test_of_archives_that_are_too_many_the_one_used_longest_ago_goes(
    repository: Repository, tmp_path: pathlib.Path, helm_program: programs.Program
) -> None:
    repository.add(LIBRARY, "1.3.0")
    repository.add(LIBRARY, "1.4.0")
    two = 2 * max(path.stat().st_size for path in (tmp_path / "repository").glob("*.tgz"))
    with chart_store.Store(tmp_path / "store", helm_program, environ={}, bytes_max=two) as store:
        one, other, third = (
            chart_store.Remote("lib", repository.url, version) for version in ("1.2.0", "1.3.0", "1.4.0")
        )
        used = {path: used_at for used_at, path in enumerate(_archives(store, tmp_path, one, other))}
        for path, used_at in used.items():
            os.utime(path, (used_at, used_at))
        store.fetch(one)  # it was fetched first, and is used last

        store.fetch(third)
        asked = len(repository.paths)
        store.fetch(one)
        store.fetch(third)
        assert len(repository.paths) == asked
        again = store.fetch(other)

    assert len(repository.paths) > asked
    assert (again.resolved.version, again.warning) == ("1.3.0", "")


def _archives(
    store: chart_store.Store, directory: pathlib.Path, *remotes: chart_store.Remote
) -> Iterator[pathlib.Path]:
    for remote in remotes:
        yield directory / "store" / "archives" / f"{store.fetch(remote).resolved.digest}.tgz"


@pytest.mark.helm
def test_another_archive_for_the_same_version_is_told(
    repository: Repository, store: chart_store.Store, tmp_path: pathlib.Path
) -> None:
    remote = chart_store.Remote("lib", repository.url, "1.2.0")
    before = store.fetch(remote).resolved.digest
    (tmp_path / "store" / "archives" / f"{before}.tgz").unlink()
    repository.add({**LIBRARY, "templates/new.yaml": "a: b\n"}, "1.2.0")

    fetched = store.fetch(remote)

    assert fetched.resolved.digest != before
    assert fetched.warning.endswith(f"its repository gives another archive than before ({before[:12]} then)")
    assert store.fetch(remote).warning == ""


def test_answers_are_bounded_and_files_that_nobody_finished_go_first(tmp_path: pathlib.Path) -> None:
    for number in range(5):
        (tmp_path / f"tmp{number}").write_text("x")
        os.utime(tmp_path / f"tmp{number}", (number, number))

    chart_store.prune(tmp_path, files_max=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp3", "tmp4"]
    chart_store.prune(tmp_path, bytes_max=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp4"]


@pytest.mark.helm
@pytest.mark.parametrize(
    ("chart", "repo"),
    [("lib", ""), ("lib", "file:///charts"), ("../lib", "https://example.com"), ("--help", "https://example.com")],
)
def test_an_address_that_is_none_is_refused(store: chart_store.Store, chart: str, repo: str) -> None:
    with pytest.raises(errors.UnreadableError, match=r"not the name of a chart|no repository is given"):
        store.fetch(chart_store.Remote(chart, repo, "1.0.0"))


@pytest.mark.parametrize(
    ("chart", "repo", "is_allowed"),
    [
        ("lib", "https://charts.example.com/stable", True),
        ("lib", "https://charts.example.com/stable/more/", True),
        ("lib", "https://ada:se@cret@charts.example.com/stable", True),
        ("oci://example.com/charts/lib", "", True),
        ("lib", "https://charts.example.com", False),
        ("lib", "https://charts.example.com/stable2", False),
        ("lib", "https://charts.example.com/stable/../other", False),
        ("lib", "https://charts.example.com/stable/%2e%2e/other", False),
        ("lib", "https://charts.example.com.evil.example/stable", False),
        ("lib", "https://evil.example?@charts.example.com/stable", False),
        ("lib", "https://evil.example#@charts.example.com/stable", False),
        ("lib", "http://charts.example.com/stable", False),
        ("lib", "http://169.254.169.254", False),
        ("oci://example.com/other/lib", "", False),
    ],
)
def test_charts_come_from_no_address_but_those_that_the_hub_allows(
    tmp_path: pathlib.Path, chart: str, repo: str, *, is_allowed: bool
) -> None:
    absent = programs.Program(pathlib.Path("/nowhere/helm"), "helm/v0")
    allowed = ("https://charts.example.com/stable/", "oci://example.com/charts")

    with (
        chart_store.Store(tmp_path, absent, environ={}, allowed=allowed) as store,
        pytest.raises(errors.UnreadableError) as raised,
    ):
        store.fetch(chart_store.Remote(chart, repo, "1.0.0"))

    assert ("not among the hub's chartRepositories" in raised.value.reason) is not is_allowed
    assert ("cannot be started" in raised.value.reason) is is_allowed


@pytest.mark.helm
@pytest.mark.parametrize("version", ["1.2.0", "^1.0.0", ""])
def test_a_login_reaches_a_repository_and_nothing_that_anybody_sees(
    repository: Repository, store: chart_store.Store, tmp_path: pathlib.Path, version: str
) -> None:
    repository.guard.asks = True
    remote = chart_store.Remote("lib", with_login(repository.url), version)

    fetched = store.fetch(remote)

    assert fetched.archive == (tmp_path / "repository" / "lib-1.2.0.tgz").read_bytes()
    assert {one.split("\0")[1] for one in repository.guard.shown()} == {"repo", "pull"}
    everything = [*repository.guard.programs, str(fetched.resolved), fetched.warning, str(remote)]
    everything.append(told(tmp_path / "store"))
    assert [secret for secret in secrets() if secret in "".join(everything)] == []


@pytest.mark.helm
def test_a_login_that_is_refused_is_named_without_its_password(
    repository: Repository, store: chart_store.Store
) -> None:
    repository.guard.asks = True

    with pytest.raises(errors.MissingError) as raised:
        store.fetch(chart_store.Remote("lib", with_login(repository.url, "wr0ng@"), "1.2.0"))

    assert raised.value.reason.startswith(f"chart lib 1.2.0 of {repository.url}: helm repo update: gives no index (")
    assert "401" in raised.value.reason
    everything = "".join([*repository.guard.programs, raised.value.reason])
    assert [secret for secret in secrets("wr0ng@") if secret in everything] == []


@pytest.mark.parametrize(("chart", "repo"), [("lib", "https://ada:s3/cr3t@a.example/x"), ("oci://ada:s3/cr3t@a/x", "")])
def test_a_password_that_ends_the_address_too_early_is_not_shown(
    store: chart_store.Store, chart: str, repo: str
) -> None:
    with pytest.raises(errors.UnreadableError, match=r"%2F") as raised:
        store.fetch(chart_store.Remote(chart, repo, "1.0.0"))

    assert "cr3t" not in raised.value.reason


@pytest.mark.parametrize("host", ["a.example", "localhost:8080", "[::1]:5000", "[2001:db8::1]", "ada:a%2Fb@h:1"])
def test_common_addresses_are_plain(host: str) -> None:
    assert chart_logins.is_plain(f"https://{host}/stable/x@y")
    assert chart_logins.is_plain(f"oci://{host}")


def test_an_address_is_parted_from_its_login() -> None:
    found = chart_logins.split("https://ada:a%40b@charts.example.com:8443/stable/x@y")

    assert found is not None
    assert (found.address, found.host) == ("https://charts.example.com:8443/stable/x@y", "charts.example.com:8443")
    assert (found.username, found.password) == ("ada", "a@b")
    assert chart_logins.split("https://charts.example.com/x@y") is None
    assert found.hidden("ada a@b a%40b YWRhOmFAYg==") == "ada … … …"
    token = chart_logins.split("oci://t0ken@example.com")
    assert token is not None
    assert (token.username, token.password, token.hidden("my t0ken")) == ("t0ken", "", "my …")


@pytest.mark.helm
@pytest.mark.parametrize("version", ["1.2.0", "^1.0.0"])
@pytest.mark.parametrize("asks", [False, True])
def test_a_chart_of_an_oci_registry_is_fetched(
    repository: Repository, tmp_path: pathlib.Path, helm_program: programs.Program, version: str, asks: bool
) -> None:
    archive = (tmp_path / "repository" / "lib-1.2.0.tgz").read_bytes()
    guard = Guard()
    guard.asks = asks
    with registry(archive, guard) as address:
        given = with_login(address) if asks else address
        with chart_store.Store(tmp_path / "oci", helm_program, environ={}, plain_http=True) as store:
            fetched = store.fetch(chart_store.Remote(given, "", version))

    assert (fetched.resolved.chart, fetched.resolved.version, fetched.archive) == (address, "1.2.0", archive)
    assert bool(guard.shown()) is asks
    everything = "".join([*guard.programs, told(tmp_path / "oci")])
    assert [secret for secret in secrets() if secret in everything] == []


@pytest.mark.helm
def test_a_registry_that_refuses_a_login_tells_no_password(
    tmp_path: pathlib.Path, helm_program: programs.Program
) -> None:
    guard = Guard()
    guard.asks = True
    with (
        registry(b"", guard) as address,
        chart_store.Store(tmp_path / "oci", helm_program, environ={}, plain_http=True) as store,
        pytest.raises(errors.MissingError) as raised,
    ):
        store.fetch(chart_store.Remote(with_login(address, "wr0ng@"), "", "1.2.0"))

    assert raised.value.reason.startswith(f"chart {address} 1.2.0: helm pull: ")
    everything = "".join([*guard.programs, raised.value.reason])
    assert [secret for secret in secrets("wr0ng@") if secret in everything] == []
