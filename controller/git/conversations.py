"""One exchange with one remote: who it is, who we are, how long it may take."""

import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from controller.git import credentials as credentials_
from controller.git import keys, limits, urls


class Conversation(msgspec.Struct, frozen=True):
    """One exchange with one remote."""

    url: urls.Url
    credentials: credentials_.Credentials | None
    limits: limits.Limits
    abandoned: threading.Event
    """Set when nobody waits for the answer any more."""
    identity: keys.Identity | None = None
    """Of an ssh remote."""
    authorities: bytes = b""
    """PEM bundle of the only CAs that are believed; empty: those that the machine trusts."""
    git: str | None = None
    """Path of the `git` command; None: there is none, or it is not to be used."""
    environ: Mapping[str, str] = {}
    clock: Callable[[], float] = time.monotonic

    @property
    def takes_command(self) -> bool:
        """Is this a remote that only the `git` command talks to?

        libgit2 shows neither host keys nor certificates to Python, and knows one set of both for a whole process.
        """
        return self.identity is not None or bool(self.authorities)
