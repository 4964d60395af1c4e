"""Who we are to a remote: named in settings and events, read at the moment of use.

Only the *names* of an environment variable or a file are ever stored; the file is read at every poll, so that a
rotated token is taken up by itself.
"""

import os
import pathlib
from collections.abc import Mapping

from controller.git import errors, urls
from protocol import specs

SECRET_BYTES_MAX = 16 * 1024
"""Tokens are at most a few KiB (a JWT); a larger file is not a token."""

DEFAULT_USERNAME = "git"
"""With a token the name is not looked at by GitHub, GitLab and Gitea, but it must not be empty."""


class Credentials:
    """A user and a password, which no representation shows."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self._password = password

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    def reveal(self) -> str:
        """The password, for the one call that sends it."""
        return self._password

    def scrub(self, text: str) -> str:
        """`text` without the password, in case a server repeats what it was sent."""
        return text.replace(self._password, "***")


def read(spec: specs.GitCredentials | None, *, url: urls.Url, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials to use for `url`, or None for none; raise InvalidCredentials if they cannot be had."""
    if spec is None or spec == specs.GitCredentials():
        return None
    if not url.keeps_secrets:
        raise errors.InvalidCredentials(f"{url}: credentials are sent over https only")
    password = _password(spec, url, environ)
    if not password or not password.isprintable():
        raise errors.InvalidCredentials(f"{url}: the password is empty, or has several lines or control characters")
    return Credentials(_username(spec, url, environ), password)


def _username(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> str:
    if spec.username and spec.username_env:
        raise errors.InvalidCredentials(f"{url}: username and usernameEnv are both given (one is enough)")
    if spec.username_env:
        return _variable(spec.username_env, url, environ)
    return spec.username or DEFAULT_USERNAME


def _password(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> str:
    if bool(spec.password_env) == bool(spec.password_file):
        raise errors.InvalidCredentials(f"{url}: credentials name one of passwordEnv and passwordFile")
    if spec.password_env:
        return _variable(spec.password_env, url, environ)
    return _from_file(pathlib.Path(spec.password_file), url)


def _variable(name: str, url: urls.Url, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise errors.InvalidCredentials(f"{url}: environment variable {name} is not set")
    return environ[name]


def _from_file(path: pathlib.Path, url: urls.Url) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "cannot be read"
        raise errors.InvalidCredentials(f"{url}: password file {path}: {reason}") from error
    if len(data) > SECRET_BYTES_MAX:
        raise errors.InvalidCredentials(f"{url}: password file {path}: more than {SECRET_BYTES_MAX} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # The decode error would quote the bytes: it must not become the cause that a traceback prints.
        raise errors.InvalidCredentials(f"{url}: password file {path}: not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")
