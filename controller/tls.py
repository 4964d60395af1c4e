"""Whether the hub and its nats-server speak TLS, by which certificate, and how that is kept fresh.

On the loopback plain text is enough; beyond it, it is refused unless somebody says aloud that it must be.
"""

import asyncio
import datetime
import ipaddress
import pathlib
import socket
import ssl
import urllib.parse
from collections.abc import Callable

import msgspec
import structlog

from controller import authority, errors, keys

WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - they are recognized, not listened on

logger = structlog.get_logger(__name__)


class TlsError(errors.Terminal):
    """A choice about TLS that makes no sense, or that nobody should make unawares."""


class Choice(msgspec.Struct, frozen=True):
    """What was said about TLS."""

    mode: str = "auto"
    """`auto`: on whatever listens beyond the loopback; `on`; `off`."""
    insecure_plain: bool = False
    certificate: str = ""
    """Files in PEM form; empty: our own authority signs."""
    key: str = ""
    authority: str = ""


def is_wanted(choice: Choice, host: str) -> bool:
    """Is TLS spoken where this address is listened on? Raise TlsError if plain text would leave the machine unsaid."""
    if choice.mode not in ("auto", "on", "off"):
        raise TlsError(f"tls {choice.mode!r}: none of 'auto', 'on' and 'off'")
    if bool(choice.certificate) != bool(choice.key):
        raise TlsError("tls: a certificate goes with its key")
    if choice.mode == "on":
        return True
    beyond = not is_loopback(host)
    if choice.mode == "off" and beyond and not choice.insecure_plain:
        raise TlsError(f"tls off: {host} is beyond this machine (--insecure-plain says that it must be so)")
    return choice.mode == "auto" and beyond and not choice.insecure_plain


def is_loopback(host: str) -> bool:
    """Does what is listened on there stay within the machine?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """The name by which others reach what listens on this address."""
    return socket.getfqdn() if host in WILDCARDS else host


def at_home(host: str) -> str:
    """The address by which this machine reaches it."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - recognized


def url(scheme: str, host: str, port: int) -> str:
    """A URL; the addresses of IPv6 stand in brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def hosts(*found: str) -> tuple[str, ...]:
    """The names and addresses in these URLs and addresses, for a certificate; the machine's own name for a wildcard."""
    names = []
    for one in found:
        host = (urllib.parse.urlsplit(one).hostname or "") if "://" in one else one
        if host or not one:
            names.append(reachable(host))
    return tuple(dict.fromkeys([*names, socket.gethostname()]))


class Certificates:
    """The certificate that hub and nats-server show, renewed while they run."""

    def __init__(
        self,
        choice: Choice,
        directory: pathlib.Path,
        names: tuple[str, ...],
        *,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """`directory`: the state directory, whose key ring is there. Raise CertificateError if they cannot be used."""
        self._choice = choice
        self._directory = directory
        self._names = names
        self._clock = clock
        self.files = self._look()
        self.context = authority.server_context(self.files)
        self._seen = self.files.certificate.read_bytes()

    @property
    def trust(self) -> ssl.SSLContext:
        """What our own connections hold the certificate against."""
        return authority.client_context(self.files)

    async def keep_fresh(self, renewed: Callable[[], None]) -> None:
        """Look every hour, for ever; `renewed` is called where another certificate is shown from then on."""
        while True:
            await asyncio.sleep(authority.LOOK_S)
            self.refresh(renewed)

    def refresh(self, renewed: Callable[[], None]) -> None:
        """Renew the certificate if it is due, or take up another that somebody put there."""
        try:
            files = self._look()
            shown = files.certificate.read_bytes()
            if shown == self._seen:
                return
            authority.load(self.context, files)
        except (authority.CertificateError, OSError) as error:
            logger.error("certificate not renewed", reason=str(error))  # noqa: TRY400 - the reason says it all
            return
        self._seen = shown
        logger.info("certificate renewed", ends_at=str(authority.ends_at(files)))
        renewed()

    def _look(self) -> authority.Files:
        choice = self._choice
        if not choice.certificate:
            ring = self._directory / keys.DIRECTORY
            return authority.own(ring, self._directory, self._names, at=self._clock())
        theirs = pathlib.Path(choice.authority) if choice.authority else None
        return authority.given(pathlib.Path(choice.certificate), pathlib.Path(choice.key), theirs)
