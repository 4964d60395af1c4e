"""The hub's own authority and its servers' certificates: made once, renewed in time, and good for real TLS."""

import asyncio
import datetime
import pathlib
import ssl
import stat

import pytest
from cryptography import x509

from controller import authority

AT = datetime.datetime.now(datetime.UTC)
"""Certificates are held against the machine's clock by whoever connects."""

DAY = datetime.timedelta(days=1)


@pytest.fixture
def ring(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


def made(ring: pathlib.Path, *hosts: str, at: datetime.datetime = AT) -> authority.Files:
    return authority.own(ring, ring.parent, hosts, at=at)


def serial(files: authority.Files) -> int:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number


def test_the_authority_is_made_once_and_its_keys_are_private(ring: pathlib.Path) -> None:
    first = made(ring)
    pin, kept = first.pin, serial(first)
    again = made(ring, at=AT + DAY)

    assert (again.pin, serial(again)) == (pin, kept)
    assert pin.startswith("sha256:")
    for path in (ring / "ca.key", again.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_certificate_is_made_anew_before_it_ends_and_the_pin_stays(ring: pathlib.Path) -> None:
    first = made(ring)
    kept, pin = serial(first), first.pin
    just_before = authority.ends_at(first) - authority.RENEW_BEFORE

    assert serial(made(ring, at=just_before - DAY)) == kept
    renewed = made(ring, at=just_before)
    assert (serial(renewed) != kept, renewed.pin) == (True, pin)
    assert authority.ends_at(renewed) - just_before > authority.RENEW_BEFORE


def test_a_certificate_for_too_few_names_is_made_anew(ring: pathlib.Path) -> None:
    kept = serial(made(ring, "hub.example.com", "10.0.0.1"))

    assert serial(made(ring, "hub.example.com")) == kept
    assert serial(made(ring, "other.example.com")) != kept


@pytest.mark.parametrize("broken", ["server.key", "server.crt"])
def test_a_damaged_certificate_or_key_is_made_anew(ring: pathlib.Path, broken: str) -> None:
    files = made(ring)
    (files.key.parent / broken).write_text("damaged")

    authority.server_context(made(ring))


def test_a_damaged_authority_is_an_error_and_never_replaced(ring: pathlib.Path) -> None:
    made(ring)
    for name in ("ca.crt", "ca.key"):
        kept = (ring / name).read_bytes()
        (ring / name).write_text("damaged")
        with pytest.raises(authority.CertificateError):
            made(ring)
        assert (ring / name).read_text() == "damaged"
        (ring / name).write_bytes(kept)


async def shaken(context: ssl.SSLContext, trust: ssl.SSLContext, name: str) -> int:
    """The serial number that a server with this context shows to a client with this trust."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_clients_that_know_the_authority_accept_its_certificate_for_its_names_alone(ring: pathlib.Path) -> None:
    files = made(ring, "hub.example.com")
    trust = authority.client_context(files)
    trust.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    context = authority.server_context(files)

    for name in ("hub.example.com", "127.0.0.1", "localhost"):
        assert await shaken(context, trust, name) == serial(files)
    with pytest.raises(ssl.SSLCertVerificationError):
        await shaken(context, trust, "other.example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        await shaken(context, ssl.create_default_context(), "localhost")


async def test_a_running_server_shows_the_renewed_certificate(ring: pathlib.Path) -> None:
    files = made(ring)
    context, trust = authority.server_context(files), authority.client_context(files)
    before = await shaken(context, trust, "localhost")
    authority.load(context, made(ring, "another.example.com"))

    assert await shaken(context, trust, "localhost") == serial(files) != before


def test_somebody_elses_files_are_tried_at_once(ring: pathlib.Path, tmp_path: pathlib.Path) -> None:
    files = made(ring)
    theirs = authority.given(files.certificate, files.key, files.authority)

    assert (theirs.is_own, theirs.pin) == (False, files.pin)
    assert authority.given(files.certificate, files.key, None).pin == ""
    with pytest.raises(authority.CertificateError):
        authority.given(files.certificate, tmp_path / "nowhere", None)
    with pytest.raises(authority.CertificateError):
        authority.given(files.certificate, ring / "ca.key", None)
    with pytest.raises(authority.CertificateError):
        authority.pin("nothing")
