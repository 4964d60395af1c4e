"""The secrets of webhooks, one file for each source, beside the hub's keys.

They cannot be kept as digests: who checks a signature must have the key. They are never in the log.
"""

import os
import pathlib
import secrets
import tempfile
from collections.abc import Callable

from controller import errors
from controller.domain import hooks
from protocol import ids

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


class HookSecretsError(errors.Terminal):
    """A file that cannot be read or written."""


class HookSecrets:
    """By the names of sources."""

    def __init__(self, directory: pathlib.Path, *, randomness: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """`directory`: made when it is needed, readable by its owner alone."""
        self._directory = directory
        self._randomness = randomness

    def get(self, source: ids.SourceName) -> str | None:
        """The secret of a source's hook; None: it has no hook."""
        try:
            return self._file(source).read_text().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HookSecretsError(f"hook of source {source}: cannot be read ({error.strerror})") from error

    def renew(self, source: ids.SourceName) -> str:
        """Make a new secret; the one before is good no more."""
        secret = hooks.new_secret(self._randomness(hooks.SECRET_BYTES))
        path = self._file(source)
        try:
            self._directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")  # mkstemp makes it 0600
            with os.fdopen(handle, "w") as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                file.write(secret + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise HookSecretsError(f"hook of source {source}: cannot be written ({error.strerror})") from error
        return secret

    def forget(self, source: ids.SourceName) -> bool:
        """Take no hook of this source any more; return whether there was one."""
        try:
            self._file(source).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HookSecretsError(f"hook of source {source}: cannot be removed ({error.strerror})") from error
        return True

    def _file(self, source: ids.SourceName) -> pathlib.Path:
        return self._directory / f"{ids.dns_label(source, 'source')}.secret"
