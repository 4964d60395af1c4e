"""Chart repositories and OCI registries on the loopback, which may ask for a login and look at who comes."""

import base64
import contextlib
import functools
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

from controller.render import programs
from tests.controller import repositories

LIBRARY = {
    "Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.2.0\n",
    "templates/lib.yaml": repositories.config_map("lib-{{ .Chart.Version }}"),
}


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


def with_login(address: str, password: str = PASSWORD) -> str:
    return address.replace("//", f"//{USER}:{urllib.parse.quote(password, safe='')}@")


def secrets(password: str = PASSWORD) -> tuple[str, ...]:
    """The password, in every form in which it might be shown."""
    basic = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return password, urllib.parse.quote(password, safe=""), basic


def told(directory: pathlib.Path) -> str:
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


def _contents(archive: bytes) -> dict[str, tuple[str, bytes]]:
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
def registry(archive: bytes, guard: Guard) -> Iterator[str]:
    """The address of `charts/lib` in a registry."""
    handler = functools.partial(_Registry, _contents(archive), guard)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"oci://127.0.0.1:{server.server_port}/charts/lib"
        server.shutdown()
        serving.join()
