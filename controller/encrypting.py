"""What one hub encrypts: its HTTP API, its nats-server, both or neither, by one certificate."""

import datetime
import pathlib
import ssl
import urllib.parse
from collections.abc import Callable

import msgspec

from controller import authority, keys, nats_server, settings, tls


class Encryption(msgspec.Struct, frozen=True):
    """Where TLS is spoken, and by what it is known."""

    http: bool
    certificates: tls.Certificates | None
    """None: nothing here speaks TLS."""
    nats: nats_server.Tls | None
    """For the embedded server."""
    ring_authority: pathlib.Path
    """Our own authority, which a server of our own that another process runs may show."""
    given_authority: str

    @property
    def context(self) -> ssl.SSLContext | None:
        """What the HTTP API shows; None: it speaks plain text."""
        return self.certificates.context if self.http and self.certificates is not None else None

    @property
    def authority(self) -> str:
        """What agents hold hub and NATS against, PEM; empty: what every machine trusts, or nothing is encrypted."""
        if self.certificates is not None:
            return self.certificates.files.authority_text
        if self.given_authority:
            return pathlib.Path(self.given_authority).read_text()
        return self.ring_authority.read_text() if self.ring_authority.exists() else ""

    @property
    def pin(self) -> str:
        """Of that authority, where HTTP is encrypted; empty: there is nothing to compare."""
        return self.certificates.files.pin if self.http and self.certificates is not None else ""

    def trust(self, url: str) -> ssl.SSLContext | None:
        """What a connection to this NATS URL holds the server against; None: it is plain."""
        if not url.startswith("tls:"):
            return None
        return ssl.create_default_context(cadata=self.authority or None)

    async def keep_fresh(self, server: nats_server.Server | None) -> None:
        """Renew the certificate while the hub runs, and have the embedded server show it, too."""
        if self.certificates is None:
            return
        shows = server if self.nats is not None else None
        await self.certificates.keep_fresh(shows.reload if shows is not None else lambda: None)


def of(chosen: settings.Settings, directory: pathlib.Path, *, clock: Callable[[], datetime.datetime]) -> Encryption:
    """What these settings ask for; raise TlsError or CertificateError if that cannot be."""
    choice = tls.Choice(chosen.tls, chosen.insecure_plain, chosen.tls_cert, chosen.tls_key, chosen.tls_ca)
    http = tls.is_wanted(choice, chosen.listen)
    nats = not chosen.nats_url and tls.is_wanted(choice, chosen.nats_listen)
    certificates = None
    if http or nats:
        names = tls.hosts(
            chosen.listen,
            chosen.nats_listen,
            *(one for one in (chosen.public_url, chosen.advertise) if one),
        )
        certificates = tls.Certificates(choice, directory, names, clock=clock)
    files = certificates.files if certificates is not None else None
    return Encryption(
        http=http,
        certificates=certificates,
        nats=nats_server.Tls(files.certificate, files.key) if nats and files is not None else None,
        ring_authority=directory / keys.DIRECTORY / authority.AUTHORITY_FILE,
        given_authority=chosen.tls_ca,
    )


def told(url: str, listen: str) -> str:
    """The URL of a server as others reach it. `listen`: the address of our own; empty: it is not ours."""
    parts = urllib.parse.urlsplit(url)
    return tls.url(parts.scheme, tls.reachable(listen), parts.port or 0) if listen else url
