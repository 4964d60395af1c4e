"""A Git server over HTTP: `git http-backend` behind Python's own server, with the faults of real forges on demand."""

import base64
import http.server
import os
import pathlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GIT = shutil.which("git")

ANSWER_S_MAX = 120.0
"""A silent server gives up after this: a client that waits so long has lost its own time-out."""


class Forge(http.server.ThreadingHTTPServer):
    """Serves all repositories of a directory."""

    daemon_threads = True

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.user = "git"
        self.password = ""
        """Not empty: asked for by basic authentication."""
        self.status = 0
        """Not 0: the answer to everything."""
        self.silent = False
        """Takes requests and never answers."""
        self.redirect = ""
        """Where everything has moved to."""
        self.body: bytes | None = None
        """Not None: what is sent instead of Git's answer."""
        self.requests: list[tuple[str, str]] = []
        """Path and Authorization header of each request."""
        self.half_packs = False
        """Sends half of a pack, and then nothing."""
        self.stalled = threading.Event()
        """Set when a client waits for what will not come."""
        self.released = threading.Event()

        self.encrypted = False

    def encrypt(self, certificate: pathlib.Path) -> None:
        """Speak TLS from now on, with a key and its certificate in one PEM file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.encrypted = True

    def url(self, name: str) -> str:
        scheme = "https" if self.encrypted else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what some tests are about."""


@contextmanager
def running(directory: pathlib.Path, *, certificate: pathlib.Path | None = None) -> Iterator[Forge]:
    forge = Forge(directory)
    if certificate is not None:
        forge.encrypt(certificate)
    thread = threading.Thread(target=forge.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        forge.released.set()
        forge.shutdown()
        thread.join()
        forge.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))) or self._chunks())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the standard library
        """Silence."""

    def _answer(self, body: bytes) -> None:
        authorization = self.headers.get("Authorization", "")
        self.server.requests.append((self.path, authorization))
        if self.server.silent:
            self._stall()
        elif self.server.redirect:
            self._send(302, b"", ("Location", self.server.redirect + self.path))
        elif self.server.status:
            self._send(self.server.status, self.server.body or b"")
        elif self.server.password and authorization != _basic(self.server.user, self.server.password):
            self._send(401, b"", ("WWW-Authenticate", 'Basic realm="forge"'))
        elif self.server.body is not None:
            self._send(200, self.server.body, ("Content-Type", "application/x-git-upload-pack-advertisement"))
        else:
            self._run(body)

    def _stall(self) -> None:
        self.server.stalled.set()
        self.server.released.wait(ANSWER_S_MAX)

    def _chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        found = []
        while size := int(self.rfile.readline(), 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(found)

    def _run(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.directory),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n")]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self._send(status, content, *((name, value) for name, value in headers if name != "Status"))

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.half_packs and self.command == "POST":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._stall()
        else:
            self.wfile.write(body)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
