"""The hub's HTTP API, as far as an agent needs it: to be let in, and to come back when its token has ended.

Whom it speaks to it knows by the authority that signed the hub's certificate: given whole, or by its pin (the SHA-256
of its public key), with which the authority itself is fetched, compared, and only then trusted with anything.
"""

import hashlib
import ipaddress
import ssl
import urllib.parse

import aiohttp
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agents import errors
from protocol import codec, enrolment, messages

PATH = "/api/v1/enroll"

TIMEOUT_S = 30.0
"""Of one request: the hub writes to its log before it answers, and may be busy."""

ANSWER_BYTES_MAX = 64 * 1024
"""Credentials have two kilobytes, and an authority's certificates a few."""


class Trust(msgspec.Struct, frozen=True):
    """How the hub is known."""

    authority: str = ""
    """Certificates, PEM; empty with an empty pin: those of the machine."""
    pin: str = ""
    """`sha256:` and 64 hexadecimal digits."""
    is_plain_allowed: bool = False
    """Whether a token may travel unencrypted beyond this machine."""


class _Authority(msgspec.Struct):
    authority: str = ""


class _Nonce(msgspec.Struct):
    nonce: str


class _Problem(msgspec.Struct):
    detail: str = ""


class HubApi:
    """One hub."""

    def __init__(self, url: str, trust: Trust) -> None:
        """Raise SetupError if the hub could not be known, or would be spoken to in the clear."""
        self._url = url.rstrip("/")
        self._trust = trust
        self._authority = trust.authority
        parts = urllib.parse.urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.SetupError(f"hub {url}: not an http or https URL")
        if parts.scheme == "http" and not trust.is_plain_allowed and not _is_loopback(parts.hostname):
            raise errors.SetupError(f"hub {url}: unencrypted beyond this machine (--insecure-plain allows it)")
        self._is_tls = parts.scheme == "https"

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    async def enrol(self, request: enrolment.EnrolRequest) -> enrolment.EnrolAnswer:
        """Credentials, or word to wait; raise HubRefused or HubUnavailable."""
        return self._read(messages.ENROL_ANSWER, await self._post("", messages.ENROL_REQUEST.encode(request)))

    async def nonce(self) -> str:
        """Something to sign at once."""
        try:
            return msgspec.json.decode(await self._post("/nonce", b"{}"), type=_Nonce).nonce
        except msgspec.MsgspecError as error:
            raise errors.HubUnavailable(f"hub {self._url}: no understandable answer ({error})") from error

    async def renew(self, signed: enrolment.SignedRenewal) -> enrolment.RenewAnswer:
        """Fresh credentials; raise HubRefused or HubUnavailable."""
        return self._read(messages.RENEW_ANSWER, await self._post("/renew", messages.SIGNED_RENEWAL.encode(signed)))

    async def _post(self, path: str, body: bytes) -> bytes:
        return await self._ask("POST", path, body, await self._context())

    async def _context(self) -> ssl.SSLContext | bool:
        """What the hub's certificate is held against."""
        if not self._is_tls:
            return True
        if self._trust.pin and not self._authority:
            self._authority = await self._pinned()
        return ssl.create_default_context(cadata=self._authority) if self._authority else True

    async def _pinned(self) -> str:
        """The authority whose pin we know, from whoever answers: nothing is told to it but the question."""
        answer = await self._ask("GET", "/ca", None, False)
        try:
            authority = msgspec.json.decode(answer, type=_Authority).authority
            found = [pin_of(certificate) for certificate in x509.load_pem_x509_certificates(authority.encode())]
        except (msgspec.MsgspecError, ValueError) as error:
            raise errors.HubUnavailable(f"hub {self._url}: showed no authority ({error})") from error
        if self._trust.pin not in found:
            raise errors.HubRefused(f"hub {self._url}: its authority has another pin ({', '.join(found) or 'none'})")
        return authority

    async def _ask(self, method: str, path: str, body: bytes | None, trust: ssl.SSLContext | bool) -> bytes:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        headers = {"Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(
                    method, f"{self._url}{PATH}{path}", data=body, ssl=trust, allow_redirects=False
                ) as response,
            ):
                data = await response.content.read(ANSWER_BYTES_MAX)
                while more := await response.content.read(ANSWER_BYTES_MAX):
                    data += more
                    if len(data) > ANSWER_BYTES_MAX:
                        raise errors.HubUnavailable(f"hub {self._url}: an answer of more than {ANSWER_BYTES_MAX} bytes")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.HubUnavailable(f"hub {self._url}: {error or 'no answer in time'}") from error
        if response.status in (200, 201, 202):
            return data
        raise _refusal(self._url, response.status, data)

    def _read(self, reader: codec.Codec[codec.T], data: bytes) -> codec.T:
        try:
            return reader.decode(data)
        except codec.DecodeError as error:
            raise errors.HubUnavailable(f"hub {self._url}: no understandable answer ({error})") from error


def pin_of(certificate: x509.Certificate) -> str:
    """The SHA-256 of a certificate's public key, as pins have it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = certificate.public_key().public_bytes(serialization.Encoding.DER, form)
    return f"sha256:{hashlib.sha256(public).hexdigest()}"


def _refusal(url: str, status: int, data: bytes) -> errors.AgentError:
    try:
        detail = msgspec.json.decode(data, type=_Problem).detail
    except msgspec.MsgspecError:
        detail = ""
    message = f"hub {url}: {detail or 'no reason given'} ({status})"
    return errors.HubUnavailable(message) if status == 429 or status >= 500 else errors.HubRefused(message)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
