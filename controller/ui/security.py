"""What keeps other sites and other people's text from acting in a person's name."""

import urllib.parse

from aiohttp import web

from controller.api import origins, problems

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, nothing inline: a manifest's text that became markup could still do nothing."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer, the API's too: a browser may be led to any address."""

SERVER = "flotilla"
"""In place of the versions of Python and aiohttp, which are nobody's business."""


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that no answer goes without."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = SERVER


def require_same_origin(request: web.Request) -> None:
    """Refuse, with a ProblemError, what a browser did not send from this page itself.

    A browser says where a request comes from, and no page can make it lie. The host is compared, not the scheme: a
    proxy may speak TLS for the hub.
    """
    site, origin = request.headers.get("Sec-Fetch-Site", ""), request.headers.get("Origin", "")
    if site and site != "same-origin":
        raise problems.ProblemError(403, "forbidden", f"session: asked for by another site (Sec-Fetch-Site: {site})")
    if origin and _host(origin) != request.host:
        raise problems.ProblemError(403, "forbidden", f"session: asked for by another site (Origin: {origin})")
    if not site and not origin:
        raise problems.ProblemError(403, "forbidden", "session: only a browser has one; programs show a bearer token")


def port(request: web.Request) -> int:
    """The port that the request was sent to, by its own word; 0: it names none that makes sense."""
    try:
        return urllib.parse.urlsplit(f"//{request.host}").port or 80
    except ValueError:
        return 0


def is_private(request: web.Request) -> bool:
    """Does the browser speak TLS, to us or to a proxy before us? Its origin says so: a cookie of such a session must
    not travel in the clear."""
    return origins.is_secure(request) or request.headers.get("Origin", "").startswith("https:")


def _host(origin: str) -> str:
    """The host of an origin; empty: it is no URL."""
    try:
        return urllib.parse.urlsplit(origin).netloc
    except ValueError:
        return ""
