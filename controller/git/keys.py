"""ssh: the key that we show to a remote, and the host keys that we believe of it.

The key is read and, where it has a passphrase, opened here: `ssh` in its batch mode asks nobody. A key that cannot be
used is an error before anything is sent.
"""

import base64
import hashlib
from collections.abc import Mapping

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from controller.git import credentials, errors, places, urls
from protocol import specs

KEY_BYTES_MAX = 16 * 1024
"""An RSA key of 16,384 bits has 12.6 KiB; a larger file is not a key."""

KNOWN_HOSTS_BYTES_MAX = 1024 * 1024
"""Some ten thousand lines; of a file that the operator keeps."""

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class Identity:
    """A login with its private key, which no representation shows, and the hosts it may be shown to."""

    def __init__(self, user: str, key: Key, known_hosts: str) -> None:
        self.user = user
        self.known_hosts = known_hosts
        self.fingerprint = _fingerprint(key)
        """Of the public key, as `ssh-keygen -l` and the forges show it."""
        self._key = key

    def __repr__(self) -> str:
        return f"Identity(user={self.user!r}, fingerprint={self.fingerprint!r})"

    def reveal(self) -> bytes:
        """The private key without a passphrase, for the one file that `ssh` reads."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )


def read(spec: specs.GitCredentials | None, *, url: urls.Url, environ: Mapping[str, str]) -> Identity | None:
    """The key for `url`, None where it is not ssh; raise InvalidCredentials if there is none, or one of no use."""
    spec = spec or specs.GitCredentials()
    if url.scheme != "ssh":
        if any((spec.ssh_key_env, spec.ssh_key_file, spec.ssh_passphrase_env, spec.known_hosts, spec.known_hosts_file)):
            raise errors.InvalidCredentials(f"{url}: a key and known hosts are for ssh only")
        return None
    if bool(spec.ssh_key_env) == bool(spec.ssh_key_file):
        raise errors.InvalidCredentials(f"{url}: ssh takes a private key, named by one of sshKeyFile and sshKeyEnv")
    return Identity(_user(spec, url, environ), _key(spec, url, environ), _known_hosts(spec, url))


def _user(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> str:
    named = bool(spec.username or spec.username_env)
    user = credentials.username(spec, url, environ)
    if url.user and named and user != url.user:
        raise errors.InvalidCredentials(f"{url}: the URL and username name two logins (one is enough)")
    user = url.user or user
    if not urls.is_login(user):
        raise errors.InvalidCredentials(f"{url}: the username is not one that ssh could take")
    return user


def _known_hosts(spec: specs.GitCredentials, url: urls.Url) -> str:
    if bool(spec.known_hosts) == bool(spec.known_hosts_file):
        raise errors.InvalidCredentials(
            f"{url}: ssh takes the host keys to believe, by one of knownHosts and knownHostsFile "
            f"(ask the operator of {url.host} for them, or check what ssh-keyscan shows)"
        )
    if spec.known_hosts:
        return spec.known_hosts.rstrip("\n") + "\n"
    what = f"known hosts file {spec.known_hosts_file}"
    data = places.content(spec.known_hosts_file, "known hosts file", url, bytes_max=KNOWN_HOSTS_BYTES_MAX)
    return places.text(data, what, url)


def _key(spec: specs.GitCredentials, url: urls.Url, environ: Mapping[str, str]) -> Key:
    if spec.ssh_key_env:
        what = f"key of {spec.ssh_key_env}"
        data = places.variable(spec.ssh_key_env, url, environ).encode()
    else:
        what = f"key file {spec.ssh_key_file}"
        data = places.content(spec.ssh_key_file, "key file", url, bytes_max=KEY_BYTES_MAX)
    passphrase = places.variable(spec.ssh_passphrase_env, url, environ).encode() if spec.ssh_passphrase_env else None
    # What editors and secret stores do to the end of a text must not make a key unreadable.
    data = data.replace(b"\r\n", b"\n").strip() + b"\n"
    try:
        return _loaded(data, passphrase)
    except TypeError:
        reason = "has no passphrase, and sshPassphraseEnv names one"
        if passphrase is None:
            reason = "is protected by a passphrase (name it with sshPassphraseEnv)"
    except (ValueError, exceptions.UnsupportedAlgorithm):
        reason = "is none that can be used (a private key in OpenSSH or PEM form: Ed25519, ECDSA or RSA)"
        if passphrase is not None:
            reason = "cannot be opened (wrong passphrase, or not a private key)"
    # Outside of the except blocks: no cause may stand behind it that quotes what was read.
    raise errors.InvalidCredentials(f"{url}: {what} {reason}")


def _loaded(data: bytes, passphrase: bytes | None) -> Key:
    if data.startswith(_OPENSSH):
        key: object = serialization.load_ssh_private_key(data, passphrase)
    else:
        key = serialization.load_pem_private_key(data, passphrase)
    if isinstance(key, Key):
        return key
    # No TypeError: that is what cryptography raises for a passphrase that is missing or too many.
    raise ValueError("not a kind of key that ssh takes")


def _fingerprint(key: Key) -> str:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
