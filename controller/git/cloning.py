"""The first fetch of a repository by the `git` command: several times faster than libgit2 on a large one.

It is a shortcut: whatever goes wrong, the caller fetches again by libgit2, which also gives the reason. The command
gets an environment of its own, so that no configuration of the machine changes what it does, and the credentials in
it, never on the command line.
"""

import asyncio
import base64
import contextlib
import os
import pathlib
import signal
from collections.abc import Mapping

from controller.git import errors, library, limits

_PASSED_ON = (
    "PATH",
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What the way to the network needs; nothing else of our environment concerns Git."""

_LOW_SPEED_BYTES = 1000
"""Slower than this over the idle time counts as a stalled server."""


async def fetch(
    git: str,
    into: pathlib.Path,
    *,
    refspec: str,
    conversation: library.Conversation,
    environ: Mapping[str, str],
) -> bool:
    """Fetch `refspec` into the bare repository `into`; False if that did not work, for whatever reason."""
    url = conversation.url
    location = url.path if url.scheme == "file" else url.text
    arguments = ["--git-dir", str(into), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", location, refspec]
    process = await asyncio.create_subprocess_exec(
        git,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(conversation, environ),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(conversation.limits.fetch_s):
            return await _watched(process, into, conversation) == 0
    except TimeoutError as error:
        raise errors.Unreachable(f"{url}: clone stopped (longer than {conversation.limits.fetch_s:g} s)") from error
    finally:
        await _end(process)


async def _watched(process: asyncio.subprocess.Process, into: pathlib.Path, conversation: library.Conversation) -> int:
    """Wait for the end, or for too many bytes: Git itself has no bound for what a fetch may store."""
    ended = asyncio.ensure_future(process.wait())
    try:
        while not ended.done():
            await asyncio.wait([ended], timeout=limits.SIZE_CHECK_S)
            if await asyncio.to_thread(_size, into) > conversation.limits.pack_bytes_max:
                bound = conversation.limits.pack_bytes_max
                raise errors.TooLarge(f"{conversation.url}: clone stopped (more than {bound} bytes)")
        return ended.result()
    finally:
        ended.cancel()


def _size(into: pathlib.Path) -> int:
    total = 0
    for path in (into / "objects").rglob("*"):
        # Files come and go while Git works.
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind, nor the ones that it started (`git-remote-https`, `index-pack`)."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _environment(conversation: library.Conversation, environ: Mapping[str, str]) -> dict[str, str]:
    settings = _settings(conversation)
    counted = {f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(settings)}
    counted |= {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(settings)}
    return {
        **{name: environ[name] for name in _PASSED_ON if name in environ},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **counted,
    }


def _settings(conversation: library.Conversation) -> list[tuple[str, str]]:
    url = conversation.url
    settings = [
        ("protocol.allow", "never"),
        (f"protocol.{url.scheme}.allow", "always"),
        ("core.hooksPath", os.devnull),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("fetch.unpackLimit", "1"),  # one pack instead of loose objects
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", str(_LOW_SPEED_BYTES)),
        ("http.lowSpeedTime", str(int(conversation.limits.idle_s))),
    ]
    if conversation.credentials is not None:
        pair = f"{conversation.credentials.username}:{conversation.credentials.reveal()}"
        token = base64.b64encode(pair.encode()).decode()
        settings.append((f"http.{url}.extraHeader", f"Authorization: Basic {token}"))
    return settings
