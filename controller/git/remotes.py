"""Talking to a remote: by libgit2, or by the `git` command where only that is strict. Every call here blocks."""

import pathlib
import re

from controller.git import commands, complaints, errors, heads, library
from controller.git.conversations import Conversation

_FETCH = ["fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--"]
_HEAD_LINE = re.compile(r"(?P<oid>[0-9a-f]{40})\t(?P<name>\S+)")
_SYMREF_LINE = re.compile(r"ref: (?P<branch>\S+)\tHEAD")


def list_heads(path: pathlib.Path, conversation: Conversation) -> heads.Heads:
    """What the remote advertises; `path` is any repository."""
    if conversation.takes_command:
        return _parsed(_run(["ls-remote", "--symref", "--quiet", "--", conversation.url.text], path, conversation))
    with library.opened(path) as repository:
        return library.list_heads(repository, conversation)


def fetch(path: pathlib.Path, refspecs: list[str], conversation: Conversation) -> None:
    """Fetch into a mirror; raise one of our errors if it is not there in full."""
    if conversation.takes_command:
        _run([*_FETCH, conversation.url.text, *refspecs], path, conversation)
        return
    with library.opened(path) as repository:
        library.fetch(repository, refspecs, conversation)


def fetch_quickly(path: pathlib.Path, refspecs: list[str], conversation: Conversation) -> bool:
    """Fetch a whole repository by the `git` command, several times faster than libgit2 on a large one.

    A shortcut: False if it is not to be had or did not work, for whatever reason; libgit2 then gives the reason.
    """
    if conversation.git is None or conversation.takes_command:
        return False
    url = conversation.url
    location = url.path if url.scheme == "file" else url.text
    return commands.run([*_FETCH, location, *refspecs], conversation, growing=path).code == 0


def _run(arguments: list[str], path: pathlib.Path, conversation: Conversation) -> bytes:
    ended = commands.run(arguments, conversation, growing=path)
    if ended.code != 0:
        raise complaints.translated(ended.complaint, conversation)
    return ended.output


def _parsed(output: bytes) -> heads.Heads:
    oids: dict[str, str] = {}
    branch = ""
    for line in output.decode(errors="backslashreplace").splitlines():
        if symref := _SYMREF_LINE.fullmatch(line):
            branch = symref["branch"]
        elif head := _HEAD_LINE.fullmatch(line):
            oids[head["name"]] = head["oid"]
        elif not line.startswith("ref: "):
            raise errors.Unreachable("remote: its list of refs cannot be read (not SHA-1?)")
    return heads.Heads(oids=oids, head_branch=branch)
