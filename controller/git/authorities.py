"""The certificate authorities that an https remote's certificate must come from, where a source names its own."""

from cryptography import x509

from controller.git import errors, places, urls
from protocol import specs

BUNDLE_BYTES_MAX = 4 * 1024 * 1024
"""Mozilla's bundle of all public CAs has 0.2 MiB."""


def read(spec: specs.GitCredentials | None, url: urls.Url) -> bytes:
    """The PEM bundle for `url`, empty where none is named; raise InvalidCredentials if it cannot be used."""
    if spec is None or not spec.ca_file:
        return b""
    if url.scheme != "https":
        raise errors.InvalidCredentials(f"{url}: caFile is for https only")
    data = places.content(spec.ca_file, "CA bundle", url, bytes_max=BUNDLE_BYTES_MAX)
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise errors.InvalidCredentials(f"{url}: CA bundle {spec.ca_file}: no PEM certificate can be read") from error
    return data
