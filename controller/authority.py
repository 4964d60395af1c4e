"""The hub's own certificate authority, and the certificates that its HTTP API and its nats-server show.

The authority is made at the first start and stands in the key ring: agents know the hub by it, or by its pin, the
SHA-256 of its public key, which is the same in every certificate of it. Certificates of servers live for months only
and are made anew while the hub runs; whoever brings their own renews them, and the files are read again.
"""

import datetime
import hashlib
import ipaddress
import os
import pathlib
import ssl
import tempfile
from collections.abc import Iterable

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller import errors

AUTHORITY_LIFE = datetime.timedelta(days=10 * 365)
"""Ten years: its end ends the trust of every agent, and a person must have seen that coming."""

SERVER_LIFE = datetime.timedelta(days=90)
RENEW_BEFORE = datetime.timedelta(days=30)
"""A third of its life: a hub that is restarted once a month never shows an old one."""

LOOK_S = 3600.0
"""How often the certificate is looked at: 30 days are left when it is renewed."""

CLOCK_SKEW = datetime.timedelta(hours=1)
"""An agent whose clock is behind must not refuse a fresh certificate."""

AUTHORITY_FILE = "ca.crt"
"""In the key ring, beside its key."""

DIRECTORY = "tls"
"""Of the servers' certificates, in the hub's state directory."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class CertificateError(errors.Terminal):
    """A certificate or key that cannot be read, made or used."""


class Files(msgspec.Struct, frozen=True):
    """A server's certificate chain and key, and the authority that clients hold them against, all PEM."""

    certificate: pathlib.Path
    key: pathlib.Path
    authority: pathlib.Path | None
    """None: those that every machine trusts."""
    is_own: bool
    """Made here, and renewed here."""

    @property
    def authority_text(self) -> str:
        """The authority's certificates; empty: those that every machine trusts."""
        return _read(self.authority).decode() if self.authority is not None else ""

    @property
    def pin(self) -> str:
        """`sha256:…` of the first authority's public key; empty: there is none."""
        return pin(self.authority_text) if self.authority is not None else ""


def own(keys: pathlib.Path, directory: pathlib.Path, hosts: Iterable[str], *, at: datetime.datetime) -> Files:
    """A certificate for these names and addresses, signed by our own authority; both are made where they are missing,
    do not fit or end soon. `keys`: the key ring's directory, `directory`: the state directory."""
    certificate, key = _authority(keys, at)
    place = directory / DIRECTORY
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = Files(place / "server.crt", place / "server.key", keys / AUTHORITY_FILE, is_own=True)
    wanted = sorted({*hosts, *LOOPBACK})
    if not _is_good(files, certificate, wanted, at):
        _make_server(files, certificate, key, hosts=wanted, at=at)
    return files


def given(certificate: pathlib.Path, key: pathlib.Path, authority: pathlib.Path | None) -> Files:
    """Somebody else's; raise CertificateError if they cannot be used."""
    files = Files(certificate, key, authority, is_own=False)
    server_context(files)
    return files


def server_context(files: Files) -> ssl.SSLContext:
    """What a server shows; `load` shows another certificate to whoever comes later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load(context, files)
    return context


def load(context: ssl.SSLContext, files: Files) -> None:
    """Read the files (again)."""
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(f"certificate {files.certificate}: cannot be used with {files.key} ({error})") from error


def client_context(files: Files) -> ssl.SSLContext:
    """What the hub's own connections hold the server's certificate against."""
    return ssl.create_default_context(cadata=files.authority_text or None)


def pin(authority: str) -> str:
    """The pin of the first certificate of an authority."""
    try:
        first = x509.load_pem_x509_certificates(authority.encode())[0]
    except (ValueError, IndexError) as error:
        raise CertificateError(f"authority: no certificate in PEM ({error})") from error
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = first.public_key().public_bytes(serialization.Encoding.DER, form)
    return f"sha256:{hashlib.sha256(public).hexdigest()}"


def ends_at(files: Files) -> datetime.datetime:
    """When the server's certificate ends."""
    return _certificate(files.certificate).not_valid_after_utc


def _authority(keys: pathlib.Path, at: datetime.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Ours, made unless it is there. The key comes first: a certificate without one would be of no use."""
    key_file, file = keys / "ca.key", keys / AUTHORITY_FILE
    if not key_file.exists():
        _write(key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
    key = _key(key_file)
    if not file.exists():
        name = _name("flotilla hub CA")
        made = (
            _builder(name, name, key.public_key(), at=at, life=AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(file, made.public_bytes(serialization.Encoding.PEM))
    return _certificate(file), key


def _is_good(files: Files, authority: x509.Certificate, hosts: list[str], at: datetime.datetime) -> bool:
    """Does it stand for all these names, signed by this authority, for long enough, with its key beside it?"""
    if not files.certificate.exists() or not files.key.exists():
        return False
    try:
        found = _certificate(files.certificate)
        found.verify_directly_issued_by(authority)
        is_pair = found.public_key() == _key(files.key).public_key()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, another one is made
        return False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return is_pair and set(hosts) <= covered and found.not_valid_after_utc - at > RENEW_BEFORE


def _make_server(
    files: Files,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    *,
    hosts: list[str],
    at: datetime.datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = (
        _builder(_name("flotilla hub"), authority.subject, key.public_key(), at=at, life=SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write(files.key, _pem(key))
    _write(files.certificate, made.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    at: datetime.datetime,
    life: datetime.timedelta,
) -> x509.CertificateBuilder:
    # Python 3.13 and later refuse a chain without the identifiers of its keys (VERIFY_X509_STRICT).
    return (
        x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - CLOCK_SKEW)
        .not_valid_after(at + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:  # not an address: a name
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain)


def _key(path: pathlib.Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"key {path}: is none ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"key {path}: is of another kind than those made here")
    return key


def _certificate(path: pathlib.Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise CertificateError(f"certificate {path}: is none ({error})") from error


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read ({error.strerror})") from error


def _write(path: pathlib.Path, content: bytes) -> None:
    """Durably and whole, for the owner alone."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mkstemp makes it 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(temporary).replace(path)
    except OSError as error:
        raise CertificateError(f"{path}: cannot be written ({error.strerror})") from error
