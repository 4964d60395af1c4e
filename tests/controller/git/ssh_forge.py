"""A Git server over ssh: `git upload-pack` behind asyncssh, with a host key and login keys of its own."""

import asyncio
import contextlib
import os
import pathlib
import shlex
import signal
from collections.abc import AsyncIterator

import asyncssh

USER = "git"


class Login(asyncssh.SSHServer):
    """Lets in whoever has one of the keys."""

    def __init__(self, forge: "Forge") -> None:
        self._forge = forge

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._forge.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._forge.users.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.get_fingerprint() in self._forge.admitted


class Forge:
    """Serves all repositories of a directory; absolute paths and paths of the login's home are the same."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.port = 0
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.admitted: set[str] = set()
        """Fingerprints of the keys that may log in."""
        self.users: list[str] = []
        self.commands: list[str] = []
        self.silent = False
        """Takes commands and never answers."""
        self.connections: list[asyncssh.SSHServerConnection] = []
        self._serving: set[asyncio.Task[None]] = set()
        self.asked = asyncio.Event()
        """Set when a client waits for what will not come."""

    @property
    def host(self) -> str:
        """As known_hosts names it."""
        return "127.0.0.1" if self.port == asyncssh.DEFAULT_PORT else f"[127.0.0.1]:{self.port}"

    def url(self, name: str) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.port}/{name}"

    def known_hosts(self) -> str:
        """The line that makes a client believe this server."""
        return f"{self.host} {self.host_key.export_public_key().decode().strip()}\n"

    def admit(self) -> asyncssh.SSHKey:
        """A new key that may log in."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.admitted.add(key.get_fingerprint())
        return key

    async def end(self) -> None:
        """Leave nothing behind: neither a connection nor a child whose pipes the next test's loop would trip over."""
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def serve(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Answer one command; whatever ends the connection ends the answer."""
        task = asyncio.create_task(self._answer(process))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        await asyncio.wait([task])

    async def _answer(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        command = process.command or ""
        self.commands.append(command)
        if self.silent:
            self.asked.set()
            await process.stdin.read()
            process.exit(1)
            return
        program, path = shlex.split(command)
        repository = self.directory / path.lstrip("/")
        if program != "git-upload-pack" or not repository.is_dir():
            process.stderr.write(b"ERROR: Repository not found.\n")
            process.exit(1)
            return
        child = await asyncio.create_subprocess_exec(
            "git", "upload-pack", str(repository),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull},
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.TaskGroup() as group:
                questions = group.create_task(_copy(process.stdin, child.stdin))
                whole = await _copy(child.stdout, process.stdout)
                questions.cancel()
            if not whole:
                # Nobody reads on. Not `child.kill`, which may take the exit code from the loop that waits for it.
                os.kill(child.pid, signal.SIGKILL)
        finally:
            child.stdin.close()
            process.exit(await child.wait())


async def _copy(
    reader: "asyncssh.SSHReader[bytes] | asyncio.StreamReader",
    writer: "asyncssh.SSHWriter[bytes] | asyncio.StreamWriter",
) -> bool:
    """Pass on to the end; False if somebody went away before it."""
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return True
    return False


@contextlib.asynccontextmanager
async def running(directory: pathlib.Path, *, port: int = 0) -> AsyncIterator[Forge]:
    forge = Forge(directory)
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: Login(forge),
        server_host_keys=[forge.host_key],
        process_factory=forge.serve,
        encoding=None,
    )
    forge.port = server.get_port()
    try:
        yield forge
    finally:
        server.close()
        await forge.end()
        await server.wait_closed()
