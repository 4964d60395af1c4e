"""Charts with what they depend on: vendored, beside them, or from a real repository on the loopback."""

import base64
import contextlib
import functools
import hashlib
import http.server
import io
import json
import pathlib
import subprocess
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from controller.render import chart_logins, chart_store, charts, commits, errors, helm, programs
from tests.controller import repositories
from tests.controller.render.conftest import Workbench

LIBRARY = {
    "Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.2.0\n",
    "templates/lib.yaml": repositories.config_map("lib-{{ .Chart.Version }}"),
}


def _commit(bench: Workbench, files: repositories.Files) -> commits.Commit:
    return commits.Commit(bench.reader, bench.revision(files).tree)


def _depending(repository: str, version: str = "1.2.0") -> dict[str, repositories.Content]:
    entry = f"dependencies:\n- {{name: lib, version: {version}, repository: '{repository}'}}\n"
    return {
        "web/Chart.yaml": f"apiVersion: v2\nname: web\nversion: 1.0.0\n{entry}",
        "web/templates/a.yaml": repositories.config_map("a"),
    }


def _below(directory: str, files: dict[str, str]) -> dict[str, repositories.Content]:
    return {f"{directory}/{path}": content for path, content in files.items()}


def _lock(repository: str, version: str = "1.2.0") -> dict[str, repositories.Content]:
    return {"web/Chart.lock": f"dependencies:\n- {{name: lib, version: {version}, repository: '{repository}'}}\n"}


def test_a_vendored_dependency_is_part_of_the_chart(bench: Workbench) -> None:
    files = {**_depending("https://example.com"), **_below("web/charts/lib", LIBRARY)}

    chart = charts.from_commit(_commit(bench, files), "web")

    assert "charts/lib/Chart.yaml" in chart.files
    assert chart.resolved == ()


def test_a_dependency_in_the_repository_comes_from_the_commit(bench: Workbench) -> None:
    files = {**_depending("file://../lib"), **_below("lib", LIBRARY)}

    chart = charts.from_commit(_commit(bench, files), "web")

    assert sorted(path for path in chart.files if path.startswith("charts/")) == [
        "charts/lib/Chart.yaml",
        "charts/lib/templates/lib.yaml",
    ]


def test_a_packed_chart_of_the_commit_is_unpacked(bench: Workbench) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        member = tarfile.TarInfo("lib/Chart.yaml")
        member.size = 10
        archive.addfile(member, io.BytesIO(b"name: lib\n"))

    chart = charts.from_commit(_commit(bench, {"vendor/lib.tgz": target.getvalue()}), "vendor/lib.tgz")

    assert chart.files == {"Chart.yaml": b"name: lib\n"}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"web/x": ""}, r"^web: holds no Chart\.yaml$"),
        ({"web/Chart.yaml": "a: ["}, r"^web/Chart\.yaml: "),
        ({"web/Chart.yaml": "dependencies: [1]"}, r"^web/Chart\.yaml: dependencies: Expected `object`"),
        (_depending("https://example.com"), "is neither in charts/ nor locked"),
        ({**_depending("@lib"), **_lock("@lib")}, "'@lib' is a name on somebody's machine"),
        (_depending("file://../../lib"), "leads out of the repository"),
        (_depending("file://../web"), "its dependencies lead back to web"),
    ],
)
def test_a_chart_that_is_not_whole_is_an_error(bench: Workbench, files: repositories.Files, reason: str) -> None:
    with pytest.raises(errors.UnreadableError, match=reason):
        charts.from_commit(_commit(bench, files), "web")


def test_a_few_charts_that_say_billions_are_too_many(bench: Workbench) -> None:
    files: dict[str, repositories.Content] = {"c7/Chart.yaml": "name: c7\nversion: 1.0.0\n"}
    for level in range(7):
        again = f"- {{name: c{level + 1}, repository: 'file://../c{level + 1}'}}\n" * 20
        files[f"c{level}/Chart.yaml"] = f"name: c{level}\nversion: 1.0.0\ndependencies:\n{again}"

    with pytest.raises(errors.UnreadableError, match=r"^c0: depends on more than 1000 charts$"):
        charts.from_commit(_commit(bench, files), "c0")


def test_without_a_store_nothing_is_fetched(bench: Workbench) -> None:
    files = {**_depending("https://example.com"), **_lock("https://example.com")}

    with pytest.raises(errors.MissingError, match="nothing is fetched here"):
        charts.from_commit(_commit(bench, files), "web")


def test_the_closure_of_a_chart_is_what_of_the_commit_it_follows_from(bench: Workbench) -> None:
    files = {**_depending("file://../lib"), **_below("lib", LIBRARY), "other/x": ""}
    before = charts.closure(_commit(bench, files), "web")

    assert [path for path, _ in before] == ["lib", "web"]
    assert charts.closure(_commit(bench, {**files, "other/x": "2"}), "web") == before
    assert charts.closure(_commit(bench, {**files, "lib/y": "2"}), "web") != before


def test_a_chart_of_the_commit_that_is_gone_is_part_of_the_closure(bench: Workbench) -> None:
    found = charts.closure(_commit(bench, _depending("file://../lib")), "web")

    assert ("lib", commits.ABSENT) in found


def test_whether_a_chart_asks_about_the_cluster_is_seen(bench: Workbench) -> None:
    plain = {"web/Chart.yaml": "name: web\n", "web/templates/a.yaml": "a: {{ .Values.a }}\n"}
    asking = {**plain, "web/charts/lib/templates/b.yaml": "a: {{ $.Capabilities.KubeVersion.Minor }}\n"}
    bound = {**plain, "web/Chart.yaml": "name: web\nkubeVersion: '>=1.20'\n"}
    beside = {**_depending("file://../lib"), "lib/Chart.yaml": "name: lib\n", "lib/templates/b": "{{ .Capabilities }}"}

    found = [charts.traits(_commit(bench, files), "web").capabilities for files in (plain, asking, bound, beside)]

    assert found == [False, True, True, True]


USER, PASSWORD = "ada", "s3cr3t:of/ada@home"


class Guard:
    """Lets in who shows the login, if it asks for one, and looks at what the machine shows of whoever asks."""

    def __init__(self) -> None:
        self.asks = False
        self.programs: set[str] = set()
        """That ran while somebody asked, as their arguments are shown to everybody."""

    def lets_in(self, request: http.server.BaseHTTPRequestHandler) -> bool:
        if not self.asks:
            return True
        self.programs |= set(filter(None, map(_arguments, pathlib.Path("/proc").glob("[0-9]*"))))
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") == f"Basic {basic}":
            return True
        body = f"{request.headers.get('Authorization')} is not let in".encode()
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="charts"')
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)
        return False

    def shown(self) -> list[str]:
        """The runs of helm that the machine showed."""
        return [one for one in self.programs if "helm\0pull\0" in one or "helm\0repo\0" in one]


def _arguments(process: pathlib.Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""  # it has ended


def _with_login(address: str, password: str = PASSWORD) -> str:
    return address.replace("//", f"//{USER}:{urllib.parse.quote(password, safe='')}@")


def _secrets(password: str = PASSWORD) -> tuple[str, ...]:
    """The password, in every form in which it might be shown."""
    basic = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return password, urllib.parse.quote(password, safe=""), basic


def _told(directory: pathlib.Path) -> str:
    """All that the store keeps, names of files included."""
    return "".join(f"{path} {path.read_bytes()!r}" for path in directory.rglob("*") if path.is_file())


class Repository:
    """A chart repository that a real HTTP server gives out."""

    def __init__(self, root: pathlib.Path, helm: programs.Program) -> None:
        self._root = root
        self._helm = helm
        self.paths: list[str] = []
        self.guard = Guard()
        handler = functools.partial(_Handler, self.paths, self.guard, directory=str(root))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, files: dict[str, str], version: str) -> None:
        source = self._root.parent / f"source-{version}"
        for path, content in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(content)
        package = [self._helm.path, "package", source, "--version", version, "--destination", self._root]
        subprocess.run(package, check=True, capture_output=True, timeout=60)
        index = [self._helm.path, "repo", "index", self._root, "--url", self.url]
        subprocess.run(index, check=True, capture_output=True, timeout=60)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, paths: list[str], guard: "Guard", *args: Any, **options: Any) -> None:
        self._paths = paths  # first: the constructor of the class above serves the request
        self._guard = guard
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        self._paths.append(self.path)
        if self._guard.lets_in(self):
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the signature of http.server
        """Nothing: the paths are kept."""


@pytest.fixture
def repository(tmp_path: pathlib.Path, helm_program: programs.Program) -> Iterator[Repository]:
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository", helm_program)
    made.add(LIBRARY, "1.2.0")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: pathlib.Path, helm_program: programs.Program) -> Iterator[chart_store.Store]:
    with chart_store.Store(tmp_path / "store", helm_program, environ={}) as made:
        yield made


@pytest.mark.helm
def test_a_locked_dependency_is_fetched_in_its_version(
    bench: Workbench, repository: Repository, store: chart_store.Store, helm_engine: programs.Engine
) -> None:
    repository.add(LIBRARY, "1.3.0")
    files = {**_depending(repository.url, "^1.0.0"), **_lock(repository.url)}

    chart = charts.from_commit(_commit(bench, files), "web", store)
    output = helm.template(helm_engine, chart, helm.Release(name="shop"))

    assert b"name: lib-1.2.0" in output.documents
    assert [(one.chart, one.version, len(one.digest)) for one in output.resolved] == [("lib", "1.2.0", 64)]


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
def test_a_chart_of_a_repository_is_templated(
    repository: Repository, store: chart_store.Store, helm_engine: programs.Engine
) -> None:
    chart = charts.from_repository(store, chart_store.Remote("lib", repository.url))

    assert b"name: lib-1.2.0" in helm.template(helm_engine, chart, helm.Release(name="shop")).documents


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
    remote = chart_store.Remote("lib", _with_login(repository.url), version)

    fetched = store.fetch(remote)

    assert fetched.archive == (tmp_path / "repository" / "lib-1.2.0.tgz").read_bytes()
    assert {one.split("\0")[1] for one in repository.guard.shown()} == {"repo", "pull"}
    everything = [*repository.guard.programs, str(fetched.resolved), fetched.warning, str(remote)]
    everything.append(_told(tmp_path / "store"))
    assert [secret for secret in _secrets() if secret in "".join(everything)] == []


@pytest.mark.helm
def test_a_login_that_is_refused_is_named_without_its_password(
    repository: Repository, store: chart_store.Store
) -> None:
    repository.guard.asks = True

    with pytest.raises(errors.MissingError) as raised:
        store.fetch(chart_store.Remote("lib", _with_login(repository.url, "wr0ng@"), "1.2.0"))

    assert raised.value.reason.startswith(f"chart lib 1.2.0 of {repository.url}: helm repo update: gives no index (")
    assert "401" in raised.value.reason
    everything = "".join([*repository.guard.programs, raised.value.reason])
    assert [secret for secret in _secrets("wr0ng@") if secret in everything] == []


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


class _Registry(http.server.BaseHTTPRequestHandler):
    """As much of an OCI registry as a pull of one chart asks for."""

    def __init__(self, objects: dict[str, tuple[str, bytes]], guard: Guard, *args: Any) -> None:
        self._objects = objects
        self._guard = guard
        super().__init__(*args)

    def do_GET(self) -> None:
        if not self._guard.lets_in(self):
            return
        kind, content = self._objects.get(self.path.partition("?")[0], ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Docker-Content-Digest", _digest(content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the signature of http.server
        """Nothing."""


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _registry(archive: bytes) -> dict[str, tuple[str, bytes]]:
    """Path → media type and content, for `charts/lib` 1.2.0."""
    kinds = ("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    blobs = (json.dumps({"name": "lib", "version": "1.2.0", "apiVersion": "v2"}).encode(), archive)
    config, layer = (
        {"mediaType": kind, "digest": _digest(blob), "size": len(blob)} for kind, blob in zip(kinds, blobs, strict=True)
    )
    manifest_kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": manifest_kind, "config": config, "layers": [layer]}
    ).encode()
    base = "/v2/charts/lib"
    tags = json.dumps({"name": "charts/lib", "tags": ["1.2.0"]}).encode()
    return {
        "/v2/": ("application/json", b"{}"),
        f"{base}/tags/list": ("application/json", tags),
        f"{base}/manifests/1.2.0": (manifest_kind, manifest),
        f"{base}/manifests/{_digest(manifest)}": (manifest_kind, manifest),
        **{f"{base}/blobs/{_digest(blob)}": ("application/octet-stream", blob) for blob in blobs},
    }


@contextlib.contextmanager
def _oci(archive: bytes, guard: Guard) -> Iterator[str]:
    """The address of `charts/lib` in a registry."""
    handler = functools.partial(_Registry, _registry(archive), guard)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"oci://127.0.0.1:{server.server_port}/charts/lib"
        server.shutdown()
        serving.join()


@pytest.mark.helm
@pytest.mark.parametrize("version", ["1.2.0", "^1.0.0"])
@pytest.mark.parametrize("asks", [False, True])
def test_a_chart_of_an_oci_registry_is_fetched(
    repository: Repository, tmp_path: pathlib.Path, helm_program: programs.Program, version: str, asks: bool
) -> None:
    archive = (tmp_path / "repository" / "lib-1.2.0.tgz").read_bytes()
    guard = Guard()
    guard.asks = asks
    with _oci(archive, guard) as address:
        given = _with_login(address) if asks else address
        with chart_store.Store(tmp_path / "oci", helm_program, environ={}, plain_http=True) as store:
            fetched = store.fetch(chart_store.Remote(given, "", version))

    assert (fetched.resolved.chart, fetched.resolved.version, fetched.archive) == (address, "1.2.0", archive)
    assert bool(guard.shown()) is asks
    everything = "".join([*guard.programs, _told(tmp_path / "oci")])
    assert [secret for secret in _secrets() if secret in everything] == []


@pytest.mark.helm
def test_a_registry_that_refuses_a_login_tells_no_password(
    tmp_path: pathlib.Path, helm_program: programs.Program
) -> None:
    guard = Guard()
    guard.asks = True
    with (
        _oci(b"", guard) as address,
        chart_store.Store(tmp_path / "oci", helm_program, environ={}, plain_http=True) as store,
        pytest.raises(errors.MissingError) as raised,
    ):
        store.fetch(chart_store.Remote(_with_login(address, "wr0ng@"), "", "1.2.0"))

    assert raised.value.reason.startswith(f"chart {address} 1.2.0: helm pull: ")
    everything = "".join([*guard.programs, raised.value.reason])
    assert [secret for secret in _secrets("wr0ng@") if secret in everything] == []
