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
import re
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import msgspec

from controller import authority as pins
from controller import tls

FAILED, USAGE, NOT_FOUND, UNREACHABLE, UNAUTHORIZED = 1, 2, 3, 4, 5

TIMEOUT_S = 60.0
"""Longest wait for an answer: `source add` tries the remote before it saves."""

AUTHORITY_BYTES_MAX = 64 * 1024
"""Of what says that it is the hub, before it is believed: a few certificates."""

DEFAULT_URL = "http://127.0.0.1:8420"

LOGIN = "flotilla login URL --token-file FILE"
PLAIN = "FLOTILLA_INSECURE_PLAIN"

_PIN = re.compile(r"sha256:[0-9a-f]{64}")

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
    authority: str = ""
    """What the hub's certificate is held against, PEM; empty: the CAs that the machine trusts."""
    plain: bool = False
    """Whether the token may travel unencrypted beyond this machine."""


def context_file(environ: Mapping[str, str]) -> pathlib.Path:
    """Where `flotilla login` keeps the context (XDG Base Directory Specification)."""
    base = environ.get("XDG_CONFIG_HOME") or str(pathlib.Path.home() / ".config")
    return pathlib.Path(base) / "flotilla" / "context.json"


def find(url: str, token: str, *, environ: Mapping[str, str] = os.environ) -> Context:
    """The context in force; CommandError if there is no token anywhere."""
    path = context_file(environ)
    saved = _saved(path)
    chosen = (url or environ.get("FLOTILLA_URL", "") or saved.url or DEFAULT_URL).rstrip("/")
    # What was kept is the token and the authority of the hub that was kept, and of no other: whoever leads a command to
    # a hub of their own, by a variable or a flag, must not be shown the token.
    kept = saved if chosen == saved.url else Context(url="", token="")
    shown = token or environ.get("FLOTILLA_TOKEN", "") or kept.token
    if not shown:
        raise CommandError(
            f"no token for {chosen}: log in with '{LOGIN}', or set FLOTILLA_TOKEN",
            UNAUTHORIZED,
        )
    file = environ.get("FLOTILLA_CA_FILE", "")
    authority = read_authority(pathlib.Path(file)) if file else kept.authority
    plain = kept.plain or environ.get(PLAIN, "").lower() in ("1", "true", "yes")
    return Context(url=chosen, token=shown, authority=authority, plain=plain)


def check(url: str, *, plain: bool) -> None:
    """CommandError unless this can be a hub's URL, and a token does not leave this machine unencrypted unsaid."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise CommandError(f"hub {url}: not a URL (https://HOST:PORT)", USAGE)
    if parts.scheme == "http" and not plain and not tls.is_loopback(host):
        raise CommandError(
            f"hub {url}: http would send the token unencrypted beyond this machine; use https, or say that it must be "
            f"so (flotilla login --insecure-plain, or {PLAIN}=1)",
            USAGE,
        )


def read_authority(path: pathlib.Path) -> str:
    """The certificates in a file; CommandError if it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"authority {path}: cannot be read ({error})", USAGE) from error


def fetch_authority(url: str, pin: str) -> str:
    """The hub's own authority, from whoever answers: believed only where it has this pin. CommandError if not."""
    if not _PIN.fullmatch(pin):
        raise CommandError(
            f"--ca-pin {pin}: not sha256: and 64 hexadecimal digits, as 'flotilla hub' prints it at its first start",
            USAGE,
        )

    async def fetch() -> Any:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/api/v1/enroll/ca", ssl=False, allow_redirects=False) as response,
        ):
            _stay(url, response)
            data = b""
            while len(data) <= AUTHORITY_BYTES_MAX and (more := await response.content.read(AUTHORITY_BYTES_MAX)):
                data += more
            return _answer(response.status, data)

    try:
        found = str(asyncio.run(fetch())["authority"])
        shown = pins.pin(found)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _unreachable(url, error) from error
    except (pins.CertificateError, KeyError, TypeError) as error:
        raise CommandError(f"hub {url}: shows no authority of its own ({error})", UNREACHABLE) from error
    if shown != pin:
        raise CommandError(
            f"hub {url}: its authority has another pin ({shown}); nothing was sent. Somebody else answers there, or "
            "the pin is another hub's: 'flotilla hub' prints it at its first start, 'flotilla cluster token' each time",
            UNREACHABLE,
        )
    return found


def _unreachable(url: str, error: Exception, *, knows_authority: bool = False) -> CommandError:
    """Why the hub does not answer and, where it can be guessed, what to do about it."""
    reason = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError) and knows_authority:
        reason = (
            "the authority that was kept does not vouch for it; if the hub has another one now, "
            f"'{LOGIN} --ca-pin PIN' keeps that"
        )
    elif isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = (
            "nobody whom this machine trusts vouches for it; a hub with an authority of its own prints its --ca-pin"
        )
    elif isinstance(error, aiohttp.ServerDisconnectedError) and url.startswith("http://"):
        reason = "it hung up; does it speak https?"
    return CommandError(f"hub {url}: cannot be reached ({reason})", UNREACHABLE)


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
        """CommandError if the token would leave this machine unencrypted, and nobody said that it may."""
        check(context.url, plain=context.plain)
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

    def pages(self, after: str) -> Iterator[list[dict[str, Any]]]:
        """Pages of events as they come, for ever; each waits on the hub, not here. CommandError once the hub has
        another log."""
        while True:
            page = self.get("events", after=after, wait="30")
            after = page["place"]
            yield page["items"]

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self._context.token}", "X-Flotilla-User": _user()}
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        url = f"{self._context.url}/api/v1/{path}"
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.request(
                    method, url, params=query, json=body, ssl=_trust(self._context), allow_redirects=False
                ) as response,
            ):
                _stay(self._context.url, response)
                return _answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            known = bool(self._context.authority)
            raise _unreachable(self._context.url, error, knows_authority=known) from error


def _stay(url: str, response: aiohttp.ClientResponse) -> None:
    """CommandError where we are sent on: a hub sends nobody anywhere, and the token is for it alone."""
    if 300 <= response.status < 400:
        there = response.headers.get("Location", "nowhere")
        raise CommandError(
            f"hub {url}: answered {response.status} and sent us on to {there}; log in there", UNREACHABLE
        )


def _user() -> str:
    """Who runs the command, as a hint for the log; empty: the machine does not know, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def _trust(context: Context) -> ssl.SSLContext | bool:
    """What the hub's certificate is held against; True: what the machine trusts."""
    return ssl.create_default_context(cadata=context.authority) if context.authority else True


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
    if status == 401:
        raise CommandError(
            "hub: does not know this token (revoked, past its time, or another hub's): 'flotilla login' takes another",
            UNAUTHORIZED,
        )
    if status >= 400:
        detail = found.get("detail", f"hub: answered {status}")
        if status == 401:
            detail += f" (log in again: {LOGIN})"
        raise CommandError(detail, _CODES.get(status, FAILED))
    return found


def _saved(path: pathlib.Path) -> Context:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Context)
    except FileNotFoundError:
        return Context(url="", token="")
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(f"context {path}: cannot be read ({error})") from error
