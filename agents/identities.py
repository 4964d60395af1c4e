"""Who the agent is: its key, what the hub gave it for the key, and where both are kept.

The key is stored before anybody hears of it: an agent that is killed while it enrols goes on as the same one. Outside
of the cluster it is kept in a file that only its owner reads, inside in a Secret, so that a pod that moves keeps it.
"""

import asyncio
import base64
import datetime
import os
from pathlib import Path
from typing import Any, Protocol

import msgspec
import nkeys

from agents import errors, keys
from agents.kube import access, client
from agents.kube import errors as kube_errors
from protocol import credentials as wire
from protocol import naming

SECRET_NAME = "flotilla-agent-identity"  # noqa: S105 - an object's name
SECRET_KEY = "identity.json"  # noqa: S105 - a field's name
SECRETS = f"/api/v1/namespaces/{naming.NAMESPACE}/secrets"
FILE_NAME = "identity.json"


class Stored(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One agent's identity. It is a secret."""

    seed: str
    """The agent's user nkey (`SU…`)."""
    token: str = ""
    """SHA-256 of the token that the key is to be enrolled with, or was: another token means another enrolment."""
    credentials: wire.Credentials | None = None
    """None: the hub has not let the key in yet."""
    received_at: datetime.datetime | None = None
    """When the credentials came, by the agent's own clock."""
    next_seed: str = ""
    """Of the key that is to take this one's place; the hub may have taken it already."""

    def __repr__(self) -> str:
        return f"Stored({self.public_key})"

    @property
    def public_key(self) -> str:
        return public_key(self.seed)


class Keeper(Protocol):
    """Where an identity is kept."""

    async def load(self) -> Stored | None:
        """As it was saved last; None: never. Raise SetupError if it cannot be understood, or an error of the place."""

    async def save(self, stored: Stored) -> None:
        """Durably and whole, or not at all."""


class FileKeeper:
    """In a file (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Stored | None:
        try:
            text = await asyncio.to_thread(self._path.read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.SetupError(f"{self._path}: cannot be read ({error.strerror})") from error
        return _decoded(text, str(self._path))

    async def save(self, stored: Stored) -> None:
        try:
            await asyncio.to_thread(_replace, self._path, msgspec.json.encode(stored))
        except OSError as error:
            raise errors.DiskFailed(f"{self._path}: cannot be written ({error.strerror})") from error


class SecretKeeper:
    """In a Secret of the cluster itself. It asks rarely, and opens a session each time."""

    def __init__(self, way: access.Access, limits: client.Limits) -> None:
        self._access = way
        self._limits = limits

    async def load(self) -> Stored | None:
        try:
            found = await self._ask(lambda api: api.get(f"{SECRETS}/{SECRET_NAME}"))
        except (kube_errors.NotFound, kube_errors.NamespaceMissing):
            return None
        held = (found.get("data") or {}).get(SECRET_KEY, "")
        return _decoded(base64.b64decode(held), f"Secret {naming.NAMESPACE}/{SECRET_NAME}") if held else None

    async def save(self, stored: Stored) -> None:
        data = {SECRET_KEY: base64.b64encode(msgspec.json.encode(stored)).decode()}
        try:
            await self._ask(lambda api: api.merge(f"{SECRETS}/{SECRET_NAME}", {"data": data}))
        except kube_errors.NotFound:
            await self._ask(lambda api: api.create(SECRETS, _secret(data)))

    async def _ask(self, question: Any) -> dict[str, Any]:
        session = access.Session(self._access)
        try:
            await session.open()
            found: dict[str, Any] = await question(client.Client(session, self._limits))
            return found
        finally:
            await session.close()


def new_seed() -> str:
    """A fresh user nkey."""
    return bytes(nkeys.encode_seed(os.urandom(keys.SEED_BYTES), nkeys.PREFIX_BYTE_USER)).decode()


def public_key(seed: str) -> str:
    """The public half of a seed (`U…`)."""
    return str(nkeys.from_seed(bytearray(seed.encode())).public_key.decode())


def sign(seed: str, data: bytes) -> bytes:
    """The 64 bytes of the seed's signature."""
    pair = nkeys.from_seed(bytearray(seed.encode()))
    try:
        return bytes(pair.sign(data))
    finally:
        pair.wipe()


def _decoded(text: bytes, where: str) -> Stored:
    try:
        stored = msgspec.json.decode(text, type=Stored)
        stored.public_key  # noqa: B018 - raises if the seed is none
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise errors.SetupError(f"{where}: holds no identity of an agent") from None  # the reason may quote the seed
    except (nkeys.NkeysError, ValueError):
        raise errors.SetupError(f"{where}: holds no user seed") from None
    return stored


def _secret(data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": SECRET_NAME, "namespace": naming.NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
