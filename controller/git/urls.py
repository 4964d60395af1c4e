"""URLs of repositories: which are fetched, and how they are shown.

A URL is shown in logs, errors and events, so it must not hold a secret; one that does is refused before it gets there.
"""

import re
import urllib.parse

import msgspec

from controller.git import errors

_SCP_LIKE = re.compile(r"[^/\s:]+@?[^/\s:]*:(?!//)")
"""`git@host:path`, ssh in the form of scp."""

_SCP = re.compile(r"(?P<user>[^/@:]+)@(?P<host>[^/@:\[\]]+|\[[^/@\]]+\]):(?P<path>.+)", re.DOTALL)

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:]+")
"""Names that `ssh` can take for nothing else, above all for no option."""

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

URL_CHARACTERS_MAX = 2048
"""What browsers and Git servers take; a longer one is a mistake."""

_PORTS = {"http": 80, "https": 443, "ssh": 22}

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Url(msgspec.Struct, frozen=True):
    """A checked URL without secrets."""

    text: str
    scheme: str
    """`https`, `http`, `ssh` or `file`."""
    host: str = ""
    path: str = ""
    """Of a file URL: the directory, decoded."""

    port: int = 0
    user: str = ""
    """Of an ssh URL: the login, which is no secret (`git`); empty: the URL names none."""

    def __str__(self) -> str:
        return self.text

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who answers: the same scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def keeps_secrets(self) -> bool:
        """May a password travel there? Plain http is read by everybody on the way, unless it does not leave here."""
        return self.scheme == "https" or (self.scheme == "http" and self.host in LOOPBACK)


def parse(text: str) -> Url:
    """Check a URL or an absolute path; raise InvalidUrl with the reason, never with the secret."""
    if len(text) > URL_CHARACTERS_MAX:
        raise errors.InvalidUrl(f"url: longer than {URL_CHARACTERS_MAX} characters")
    if text.startswith("/"):
        return _file(text)
    if _UNPRINTABLE.search(text):
        raise errors.InvalidUrl("url: holds a blank or a control character")
    try:
        parts = urllib.parse.urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise errors.InvalidUrl("url: cannot be read (a malformed host or port)") from error
    if parts.scheme == "file":
        return _file_url(parts)
    if parts.scheme in ("http", "https"):
        return _web(parts)
    if parts.scheme == "ssh":
        return _ssh(parts)
    scp = _SCP.fullmatch(text)
    if scp is not None:
        return _scp(scp)
    raise errors.InvalidUrl(_unsupported(text, parts.scheme))


def is_login(text: str) -> bool:
    """Can it be the name of who logs in by ssh?"""
    return _USER.fullmatch(text) is not None


def _unsupported(text: str, scheme: str) -> str:
    if scheme in ("git+ssh", "ssh+git") or ("." in scheme and _SCP_LIKE.match(text)):
        return "url: not a form of ssh that is taken (ssh://git@host:port/path, or git@host:path)"
    if not scheme:
        return "url: neither https://… nor ssh://… nor git@host:path nor file://… nor an absolute path"
    return f"url: scheme {scheme!r} is not supported (https, http, ssh, file)"


def _file(path: str) -> Url:
    if "\0" in path or "\n" in path:
        raise errors.InvalidUrl("url: holds a control character")
    return Url(text=f"file://{urllib.parse.quote(path)}", scheme="file", path=path)


def _file_url(parts: urllib.parse.SplitResult) -> Url:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise errors.InvalidUrl("url: a file URL names an absolute path, file:///…")
    return _file(urllib.parse.unquote(parts.path))


def _web(parts: urllib.parse.SplitResult) -> Url:
    host = parts.hostname or ""
    if not host:
        raise errors.InvalidUrl("url: names no host")
    if "@" in parts.netloc:
        raise errors.InvalidUrl(
            f"url of {host}: holds credentials (take them out, and name them with username and passwordEnv or "
            "passwordFile)"
        )
    if parts.query or parts.fragment:
        raise errors.InvalidUrl(f"url of {host}: holds a query or a fragment (a repository's URL has none)")
    port = parts.port or _PORTS[parts.scheme]
    return Url(text=urllib.parse.urlunsplit(parts), scheme=parts.scheme, host=host, port=port)


def _ssh(parts: urllib.parse.SplitResult) -> Url:
    host = parts.hostname or ""
    _check_login(parts.username, host)
    if parts.password is not None:
        raise errors.InvalidUrl(f"url of {host}: holds a password (take it out, and name a key with sshKeyFile)")
    if parts.query or parts.fragment:
        raise errors.InvalidUrl(f"url of {host}: holds a query or a fragment (a repository's URL has none)")
    if parts.path.strip("/") == "":
        raise errors.InvalidUrl(f"url of {host}: names no repository")
    text = urllib.parse.urlunsplit(parts)
    return Url(text=text, scheme="ssh", host=host, port=parts.port or _PORTS["ssh"], user=parts.username or "")


def _scp(match: re.Match[str]) -> Url:
    user, host = match["user"], match["host"].strip("[]")
    _check_login(user, host)
    if match["path"].startswith("-"):
        raise errors.InvalidUrl(f"url of {host}: the path begins with a dash")
    # Shown as written: `host:path` is relative to the login's home, `ssh://host/path` is not.
    return Url(text=match[0], scheme="ssh", host=host, port=_PORTS["ssh"], user=user)


def _check_login(user: str | None, host: str) -> None:
    if not _HOST.fullmatch(host):
        raise errors.InvalidUrl("url: names no host that ssh could take")
    if user is not None and not is_login(user):
        raise errors.InvalidUrl(f"url of {host}: the login is not one that ssh could take")
