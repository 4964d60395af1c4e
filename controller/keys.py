"""The hub's key ring: every private key it has, in one directory that only its owner can read.

Losing it loses the fleet's trust: agents know the operator's accounts and the signing key. It belongs in every backup.
A key is made once, at the first start, and loaded ever after; a cluster's account is added at run time.
"""

import base64
import os
import pathlib
import secrets
import stat
import tempfile
from collections.abc import Callable

import nkeys
from cryptography import exceptions
from cryptography.hazmat.primitives.asymmetric import ed25519

from controller import errors
from protocol import ids, signing

KEY_BYTES = 32
"""Ed25519, NATS's and ours alike."""

DIRECTORY = "keys"
"""Where the ring stands in the hub's state directory."""

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_OPEN_BITS = stat.S_IRWXG | stat.S_IRWXO

Randomness = Callable[[int], bytes]


class KeysError(errors.Terminal):
    """A key file that cannot be read, is open to others, or holds no key."""


class Identity:
    """One NATS nkey: its public id for everybody, its seed for nobody but the signer."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: the nkey's text form, `S…`."""
        self._seed = seed
        self.id: str = nkeys.from_seed(bytearray(seed)).public_key.decode()

    def __repr__(self) -> str:
        return f"Identity({self.id})"

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        signature: bytes = nkeys.from_seed(bytearray(self._seed)).sign(data)
        return signature


class KeyRing:
    """The keys of one hub. Clusters' account keys are loaded when asked for: there may be thousands."""

    def __init__(self, directory: pathlib.Path, *, randomness: Randomness = secrets.token_bytes) -> None:
        """Load the ring in `directory`, making what is missing; raise KeysError if a key file is not as it must be."""
        self._directory = self.directory = directory
        self._randomness = randomness
        _private_directory(directory)
        _private_directory(directory / "clusters")
        self.operator = self._identity("operator.nk", nkeys.PREFIX_BYTE_OPERATOR)
        self.system = self._identity("system.nk", nkeys.PREFIX_BYTE_ACCOUNT)
        self.hub = self._identity("hub.nk", nkeys.PREFIX_BYTE_ACCOUNT)
        self.system_user = self._identity("system-user.nk", nkeys.PREFIX_BYTE_USER)
        self.hub_user = self._identity("hub-user.nk", nkeys.PREFIX_BYTE_USER)
        self.signer = signing.Signer(self._signing_seed())

    def __repr__(self) -> str:
        return f"KeyRing(operator={self.operator.id}, hub={self.hub.id})"

    def new_cluster(self) -> Identity:
        """Make and store the account key of a new cluster; its public id is the cluster's id."""
        seed = nkeys.encode_seed(self._randomness(KEY_BYTES), nkeys.PREFIX_BYTE_ACCOUNT)
        identity = Identity(seed)
        _write(self._cluster_file(ids.ClusterId(identity.id)), seed)
        return identity

    def cluster(self, cluster: ids.ClusterId) -> Identity:
        """The account key of a cluster; raise KeysError if this ring has none, or another's, under its name."""
        path = self._cluster_file(cluster)
        identity = _parse(path, _read(path), nkeys.PREFIX_BYTE_ACCOUNT)
        if identity.id != cluster:
            raise KeysError(f"{path.name}: holds the key of another account ({identity.id})")
        return identity

    def clusters(self) -> list[ids.ClusterId]:
        """Every cluster that has an account key here, in the order of ids."""
        return sorted(ids.ClusterId(path.stem) for path in (self._directory / "clusters").glob("A*.nk"))

    def _cluster_file(self, cluster: ids.ClusterId) -> pathlib.Path:
        return self._directory / "clusters" / f"{ids.cluster_id(cluster)}.nk"

    def _identity(self, name: str, prefix: int) -> Identity:
        path = self._directory / name
        if not path.exists():
            _write(path, nkeys.encode_seed(self._randomness(KEY_BYTES), prefix))
        return _parse(path, _read(path), prefix)

    def _signing_seed(self) -> bytes:
        path = self._directory / "signing.key"
        if not path.exists():
            _write(path, self._randomness(KEY_BYTES).hex().encode())
        try:
            seed = bytes.fromhex(_read(path).decode())
        except ValueError:
            seed = b""
        if len(seed) != KEY_BYTES:
            raise KeysError(f"{path.name}: not a signing key ({KEY_BYTES * 2} hexadecimal digits are)")
        return seed


def _parse(path: pathlib.Path, seed: bytes, prefix: int) -> Identity:
    try:
        found, _ = nkeys.decode_seed(bytearray(seed))
        if found == prefix:
            return Identity(seed)
    except (nkeys.NkeysError, ValueError):
        # The library's own message may quote the seed: it is neither chained nor shown.
        raise KeysError(f"{path.name}: not an nkey seed") from None
    raise KeysError(f"{path.name}: an nkey of another kind (its seed is for something else)")


def _private_directory(path: pathlib.Path) -> None:
    try:
        path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise KeysError(f"key directory {path}: cannot be made ({error.strerror})") from error
    if mode & _OPEN_BITS:
        raise KeysError(f"key directory {path}: open to others ({stat.filemode(mode)}; chmod 700)")


def _read(path: pathlib.Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OPEN_BITS:
                raise KeysError(f"key file {path}: open to others ({stat.filemode(mode)}; chmod 600)")
            return file.read().strip()
    except OSError as error:
        raise KeysError(f"key file {path}: cannot be read ({error.strerror})") from error


def _write(path: pathlib.Path, content: bytes) -> None:
    """Durably and whole, or not at all; a key that already stands there is never replaced."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                file.write(content + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike a rename it never replaces a key
        except FileExistsError:
            return  # another process of this hub was first: its key counts
        finally:
            os.unlink(temporary)
        _sync_directory(path.parent)
    except OSError as error:
        raise KeysError(f"key file {path}: cannot be written ({error.strerror})") from error


def _sync_directory(path: pathlib.Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_user(*, randomness: Randomness = secrets.token_bytes) -> tuple[str, str]:
    """A fresh user nkey: its seed (`SU…`) and its public key (`U…`). The seed belongs to whoever will use it."""
    seed = nkeys.encode_seed(randomness(KEY_BYTES), nkeys.PREFIX_BYTE_USER)
    return seed.decode(), nkeys.from_seed(seed).public_key.decode()


def verify(public_key: str, data: bytes, signature: bytes) -> bool:
    """Did the holder of this public nkey sign the data? What is no key signed nothing."""
    try:
        raw = base64.b32decode(public_key + "=" * (-len(public_key) % 8))
        key = ed25519.Ed25519PublicKey.from_public_bytes(raw[1:-2])
        key.verify(signature, data)
    except (ValueError, exceptions.InvalidSignature):
        return False
    return raw[-2:] == bytes(nkeys.crc16_checksum(bytearray(raw[:-2])))
