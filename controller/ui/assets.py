"""The files of the page, as they lie in the package: read once, served with their digest as ETag.

There is no build step: what a browser is given is what stands in `static`.
"""

import hashlib
import pathlib
from collections.abc import Mapping

import msgspec
from aiohttp import web

from controller.api import problems

ROOT = pathlib.Path(__file__).with_name("static")
INDEX = "index.html"

KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Content types by ending; a file with another one is not served."""


class Asset(msgspec.Struct, frozen=True):
    """One file, ready to be sent."""

    body: bytes
    kind: str
    tag: str


Assets = Mapping[str, Asset]
"""By path below `static`."""

ASSETS: web.AppKey[Assets] = web.AppKey("assets")


def load() -> Assets:
    """All files of the page: some hundred kilobytes."""
    found = sorted(path for path in ROOT.rglob("*") if path.suffix in KINDS)
    return {path.relative_to(ROOT).as_posix(): _read(path) for path in found}


async def index(request: web.Request) -> web.Response:
    """The page itself; its views are named behind the `#`, which no server sees."""
    return _sent(request, INDEX)


async def asset(request: web.Request) -> web.Response:
    """A script, a style sheet or a picture of the page."""
    return _sent(request, request.match_info["path"])


def _read(path: pathlib.Path) -> Asset:
    body = path.read_bytes()
    return Asset(body=body, kind=KINDS[path.suffix], tag=hashlib.sha256(body).hexdigest()[:32])


def _sent(request: web.Request, path: str) -> web.Response:
    found = request.app[ASSETS].get(path)
    if found is None:
        raise problems.ProblemError(404, "not-found", f"page: it has no file {path!r}")
    # Asked for anew each time: a hub that was upgraded must not be shown by the scripts of the one before.
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if any(tag.value in (found.tag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.body, content_type=found.kind, charset="utf-8", headers=headers)
