"""How the commands reach the hub: flags win over the environment, the environment over the context file.

CommandError        says what went wrong, with the exit code that scripts can use
  1  refused, or failed      3  nothing has that name       5  the token is not right
  2  used wrongly            4  the hub cannot be reached
"""

import asyncio
import getpass
import json
import os
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import msgspec

FAILED, USAGE, NOT_FOUND, UNREACHABLE, UNAUTHORIZED = 1, 2, 3, 4, 5

TIMEOUT_S = 60.0
"""Longest wait for an answer: `source add` tries the remote before it saves."""

DEFAULT_URL = "http://127.0.0.1:8420"

_CODES = {401: UNAUTHORIZED, 403: UNAUTHORIZED, 404: NOT_FOUND, 422: FAILED}


class CommandError(Exception):
    """A command that did not do what it was asked; the message is for a person."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Context(msgspec.Struct, frozen=True):
    """Which hub, and the token for it."""

    url: str
    token: str


def context_file(environ: Mapping[str, str]) -> pathlib.Path:
    """Where `flotilla login` keeps the context (XDG Base Directory Specification)."""
    base = environ.get("XDG_CONFIG_HOME") or str(pathlib.Path.home() / ".config")
    return pathlib.Path(base) / "flotilla" / "context.json"


def find(url: str, token: str, *, environ: Mapping[str, str] = os.environ) -> Context:
    """The context in force; CommandError if there is no token anywhere."""
    path = context_file(environ)
    saved = _saved(path)
    chosen = url or environ.get("FLOTILLA_URL", "") or saved.url or DEFAULT_URL
    shown = token or environ.get("FLOTILLA_TOKEN", "") or saved.token
    if not shown:
        raise CommandError(
            "no token: log in with 'flotilla login URL --token-file FILE', or set FLOTILLA_TOKEN", UNAUTHORIZED
        )
    return Context(url=chosen.rstrip("/"), token=shown)


def save(context: Context, *, environ: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Keep the context in a file that only its owner reads."""
    path = context_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, msgspec.json.encode(context))
    return path


def write_private(path: pathlib.Path, content: bytes) -> None:
    """Write a secret: mode 0600 from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)


class Hub:
    """The hub's API, one blocking call at a time."""

    def __init__(self, context: Context, *, timeout_s: float = TIMEOUT_S) -> None:
        self._context = context
        self._timeout_s = timeout_s

    @property
    def url(self) -> str:
        """Where the hub is."""
        return self._context.url

    def get(self, path: str, **query: str) -> Any:
        """The decoded answer."""
        return asyncio.run(self._ask("GET", path, query, None))

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.get(path, **query, **({"after": after} if after else {}))
            found += page["items"]
            after = page.get("next") or ""
            if not after:
                return found

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer."""
        return asyncio.run(self._ask("POST", path, {}, body or {}))

    def delete(self, path: str, **query: str) -> Any:
        """The decoded answer."""
        return asyncio.run(self._ask("DELETE", path, query, None))

    def pages(self, after: int) -> Iterator[list[dict[str, Any]]]:
        """Pages of events as they come, for ever; each waits on the hub, not here."""
        while True:
            page = self.get("events", after=str(after), wait="30")
            after = page["next"]
            yield page["items"]

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self._context.token}", "X-Flotilla-User": getpass.getuser()}
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        url = f"{self._context.url}/api/v1/{path}"
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.request(method, url, params=query, json=body) as response,
            ):
                return _answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandError(f"hub {self._context.url}: cannot be reached ({error})", UNREACHABLE) from error


def quoted(name: str) -> str:
    """A name as one segment of a path."""
    return urllib.parse.quote(name, safe="")


def _answer(status: int, body: bytes) -> Any:
    if status == 204 or not body:
        return None
    try:
        found = json.loads(body)
    except ValueError as error:
        raise CommandError(f"hub: answered {status} with something that is not JSON", UNREACHABLE) from error
    if status >= 400:
        raise CommandError(found.get("detail", f"hub: answered {status}"), _CODES.get(status, FAILED))
    return found


def _saved(path: pathlib.Path) -> Context:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Context)
    except FileNotFoundError:
        return Context(url="", token="")
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(f"context {path}: cannot be read ({error})") from error
