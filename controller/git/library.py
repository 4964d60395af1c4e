"""libgit2: opening repositories, and talking to a remote with all our bounds. Every call here blocks.

libgit2 knows a time-out of single reads only; the deadline of a whole fetch, its size and its being given up are
checked in the callbacks that it makes while bytes arrive.
"""

import pathlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pygit2
import pygit2.callbacks
import pygit2.enums
import pygit2.remotes

from controller.git import complaints, errors, heads, limits, urls
from controller.git.conversations import Conversation

FAILURES = (pygit2.GitError, KeyError, ValueError, OSError)
"""All that pygit2 raises for what the world does; which it is says little about what happened."""

_STATUS = re.compile(r"status code: (\d{3})")
_CERTIFICATE = re.compile(r"SSL certificate is invalid|rejected certificate")
_NOT_FOUND = "status code: 404"
_AUTHENTICATION = re.compile(r"authentication (required|replays)|requires authentication")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")


def configure(bounds: limits.Limits) -> None:
    """Set what libgit2 keeps for the whole process."""
    pygit2.settings.server_connect_timeout = int(bounds.connect_s * 1000)
    pygit2.settings.server_timeout = int(bounds.idle_s * 1000)
    pygit2.settings.cache_max_size(limits.OBJECT_CACHE_BYTES)
    pygit2.settings.mwindow_file_limit = limits.OPEN_PACKS
    # A volume with a repository often belongs to another user; libgit2 runs no hooks that could make that matter.
    pygit2.settings.owner_validation = False
    # The machine's own Git configuration (`insteadOf`, proxies, credentials) must not change what a URL means.
    for level in (pygit2.enums.ConfigLevel.SYSTEM, pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG):
        pygit2.settings.search_path[level] = ""


def create(path: pathlib.Path) -> None:
    """Make an empty bare repository."""
    try:
        pygit2.init_repository(str(path), bare=True).free()
    except FAILURES as error:
        raise errors.Unstorable(f"mirror {path.name}: cannot be made ({_reason(error)})") from error


@contextmanager
def opened(path: pathlib.Path) -> Iterator[pygit2.Repository]:
    """A repository for one thread and one piece of work: pygit2's objects are not safe to share."""
    try:
        repository = pygit2.Repository(str(path))
    except FAILURES as error:
        raise errors.Corrupt(f"mirror {path.name}: cannot be opened ({_reason(error)})") from error
    try:
        yield repository
    finally:
        repository.free()


def list_heads(repository: pygit2.Repository, conversation: Conversation) -> heads.Heads:
    """What the remote advertises. Always a new connection: a `Remote` object that is used again misses new commits."""
    with _translated(conversation):
        remote = repository.remotes.create_anonymous(conversation.url.text)
        found = remote.list_heads(callbacks=_Callbacks(conversation), proxy=True)
    return heads.Heads(
        oids={head.name: str(head.oid) for head in found if head.name},
        head_branch=next((head.symref_target or "" for head in found if head.name == heads.HEAD), ""),
    )


def fetch(repository: pygit2.Repository, refspecs: list[str], conversation: Conversation) -> None:
    """Fetch into a mirror; raise one of our errors if it is not there in full."""
    with _translated(conversation):
        remote = repository.remotes.create_anonymous(conversation.url.text)
        remote.fetch(refspecs, callbacks=_Callbacks(conversation), proxy=True)


class _Callbacks(pygit2.callbacks.RemoteCallbacks):
    """Called by libgit2 while it talks to the remote."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation
        self._deadline = conversation.clock() + conversation.limits.fetch_s
        self._asked = False

    def credentials(
        self,
        url: str,
        username_from_url: str | None,  # noqa: ARG002  # libgit2's signature
        allowed_types: pygit2.enums.CredentialType,
    ) -> pygit2.UserPass:
        known = self._conversation.credentials
        if known is None:
            raise errors.AuthenticationFailed(f"{self._conversation.url}: the remote wants credentials")
        if self._asked:
            # libgit2 asks again when they were refused, and would do so until the server tires of it.
            raise errors.AuthenticationFailed(f"{self._conversation.url}: the remote refused the credentials")
        if not allowed_types & pygit2.enums.CredentialType.USERPASS_PLAINTEXT:
            raise errors.AuthenticationFailed(f"{self._conversation.url}: the remote wants another kind of credentials")
        self._check_origin(url)
        self._asked = True
        return pygit2.UserPass(known.username, known.reveal())

    def _check_origin(self, url: str) -> None:
        # libgit2 follows a redirect of the first request to any host, and then asks for credentials for that one.
        if urls.parse(url).origin != self._conversation.url.origin:
            raise errors.AuthenticationFailed(
                f"{self._conversation.url}: redirects to another server, which gets no credentials (use its URL)"
            )

    def transfer_progress(self, stats: pygit2.remotes.TransferProgress) -> None:
        self._check()
        if stats.received_bytes > self._conversation.limits.pack_bytes_max:
            bound = self._conversation.limits.pack_bytes_max
            raise errors.TooLarge(f"{self._conversation.url}: fetch stopped (more than {bound} bytes)")

    def sideband_progress(self, string: str) -> None:  # noqa: ARG002  # libgit2's signature
        self._check()

    def _check(self) -> None:
        if self._conversation.abandoned.is_set():
            raise errors.Abandoned(f"{self._conversation.url}: fetch given up (cancelled)")
        if self._conversation.clock() > self._deadline:
            bound = self._conversation.limits.fetch_s
            raise errors.Unreachable(f"{self._conversation.url}: fetch stopped (longer than {bound:g} s)")


@contextmanager
def _translated(conversation: Conversation) -> Iterator[None]:
    """Turn libgit2's errors into ours, by what their text says: the codes say nothing."""
    try:
        yield
    except FAILURES as error:
        reason = _reason(error)
        if conversation.credentials is not None:
            reason = conversation.credentials.scrub(reason)
        reason = reason[: limits.MESSAGE_CHARACTERS_MAX]  # not before: of a password, a part is too much as well
        if _CERTIFICATE.search(reason):
            detail = "not of a CA that this machine trusts, expired, or of another host"
            raise errors.HostUntrusted(complaints.untrusted(conversation.url, detail)) from None
        if _NOT_FOUND in reason:
            reason += ": no such repository, or no right to see it"
        # Not `from error`: its text is unscrubbed, and a traceback would print it.
        raise _meaning(error, reason)(f"{conversation.url}: cannot be fetched ({reason})") from None


def _meaning(error: Exception, reason: str) -> type[errors.GitError]:
    if isinstance(error, KeyError):
        # "Not found" is about our own objects: what a remote lacks, it says in words.
        return errors.Corrupt
    status = _STATUS.search(reason)
    if status is not None and status[1] in ("401", "403"):
        return errors.AuthenticationFailed
    if _AUTHENTICATION.search(reason):
        return errors.AuthenticationFailed
    return errors.Unreachable


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return _UNPRINTABLE.sub(" ", text)
