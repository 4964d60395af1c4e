"""Where the values of credentials lie: variables of the hub's environment, and files on its machine.

Errors name the variable or the file, never what it holds.
"""

import os
import pathlib
from collections.abc import Mapping

from controller.git import errors, urls


def variable(name: str, url: urls.Url, environ: Mapping[str, str]) -> str:
    """The value of an environment variable; raise InvalidCredentials if it is not set."""
    if name not in environ:
        raise errors.InvalidCredentials(f"{url}: environment variable {name} is not set")
    return environ[name]


def content(path: str, what: str, url: urls.Url, *, bytes_max: int) -> bytes:
    """What a file holds; raise InvalidCredentials, which says that it is `what`, if it cannot be had."""
    try:
        with pathlib.Path(path).open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "cannot be read"
        raise errors.InvalidCredentials(f"{url}: {what} {path}: {reason}") from error
    if len(data) > bytes_max:
        raise errors.InvalidCredentials(f"{url}: {what} {path}: more than {bytes_max} bytes")
    return data


def text(data: bytes, what: str, url: urls.Url) -> str:
    """A file's bytes as text; raise InvalidCredentials if they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        # The decode error would quote the bytes: it must not become the cause that a traceback prints.
        raise errors.InvalidCredentials(f"{url}: {what}: not UTF-8") from None
