"""Who we are to a remote: named in settings and events, read at the moment of use.

Only the *names* of an environment variable or a file are ever stored; the file is read at every poll, so that a
rotated token is taken up by itself.
"""

import base64
from collections.abc import Mapping

from controller.git import errors, places, urls
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
        return text.replace(self.basic(), "***").replace(self._password, "***")

    def basic(self) -> str:
        """Both as HTTP's basic authentication sends them."""
        return base64.b64encode(f"{self.username}:{self._password}".encode()).decode()


def read(spec: specs.GitCredentials | None, *, url: urls.Url, environ: Mapping[str, str]) -> Credentials | None:
    """The user and password to use for `url`, or None for none; raise InvalidCredentials if they cannot be had."""
    if spec is None or not (spec.username or spec.username_env or spec.password_env or spec.password_file):
        return None
    if url.scheme == "ssh":
        if spec.password_env or spec.password_file:
            raise errors.InvalidCredentials(f"{url}: ssh takes a key, no password (sshKeyFile or sshKeyEnv)")
        return None
    if not url.keeps_secrets:
        raise errors.InvalidCredentials(f"{url}: credentials are sent over https only")
    password = _password(spec, url, environ)
    if not password or not password.isprintable():
        raise errors.InvalidCredentials(f"{url}: the password is empty, or has several lines or control characters")
    return Credentials(username(spec, url, environ), password)


def username(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> str:
    """Who we are: as the spec says, or `git`."""
    if spec.username and spec.username_env:
        raise errors.InvalidCredentials(f"{url}: username and usernameEnv are both given (one is enough)")
    if spec.username_env:
        return places.variable(spec.username_env, url, environ)
    return spec.username or DEFAULT_USERNAME


def _password(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> str:
    if bool(spec.password_env) == bool(spec.password_file):
        raise errors.InvalidCredentials(f"{url}: credentials name one of passwordEnv and passwordFile")
    if spec.password_env:
        return places.variable(spec.password_env, url, environ)
    what = f"password file {spec.password_file}"
    data = places.content(spec.password_file, "password file", url, bytes_max=SECRET_BYTES_MAX)
    return places.text(data, what, url).removesuffix("\n").removesuffix("\r")
