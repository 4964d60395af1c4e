"""Who may do what on NATS: one account per cluster, tied to the hub's by exports that bind the importer's own id.

A shared account with permissions per subject is no isolation: a client that may publish to one subject reaches any
other through the reply subject (nats-server#8274). Between accounts, only what is exported passes.
"""

import datetime

from controller.domain import jwts
from protocol import ids, streams, subjects

AGENT_CONNECTIONS_MAX = 16
"""One agent, its successor during an upgrade, and a person's look; more is a runaway and would cost the server."""

AGENT_SUBSCRIPTIONS_MAX = 64
"""An agent has its live subject and one inbox; the rest is slack for other clients of the same credentials."""

AGENT_IMPORTS = 6

_INBOX = "_INBOX.>"
_STREAM = "stream"
_SERVICE = "service"
_POSITION_IN_REPORT = 4  # flotilla.v1.report.<cluster>
_POSITION_IN_DESIRED_GET = 9  # $JS.API.DIRECT.GET.DESIRED.flotilla.v1.desired.<cluster>

_UNLIMITED_STORAGE = jwts.AccountLimits(
    mem_storage=jwts.UNLIMITED, disk_storage=jwts.UNLIMITED, streams=jwts.UNLIMITED, consumer=jwts.UNLIMITED
)

_EXPORTS = (
    jwts.Export(name="live", subject=subjects.LIVE, type=_STREAM, account_token_position=_POSITION_IN_REPORT),
    jwts.Export(
        name="desired",
        subject=subjects.direct_get(streams.DESIRED.name, subjects.DESIRED),
        type=_SERVICE,
        response_type="Stream",
        account_token_position=_POSITION_IN_DESIRED_GET,
    ),
    # No position: names of blobs are public and tell nothing, what is stored under them is sealed.
    jwts.Export(
        name="blobs",
        subject=subjects.direct_get(streams.BLOBS.name, subjects.BLOBS),
        type=_SERVICE,
        response_type="Stream",
    ),
    jwts.Export(name="reports", subject=subjects.REPORTS, type=_SERVICE, account_token_position=_POSITION_IN_REPORT),
    jwts.Export(name="beats", subject=subjects.BEATS, type=_SERVICE, account_token_position=_POSITION_IN_REPORT),
    jwts.Export(name="renewals", subject=subjects.RENEWALS, type=_SERVICE, account_token_position=_POSITION_IN_REPORT),
)


def system_account() -> jwts.Account:
    """The server's own account: claims are pushed and connections are seen there."""
    return jwts.Account(name="SYS", limits=jwts.AccountLimits())


def hub_account() -> jwts.Account:
    """The hub's account: it holds the streams and exports, once for ever, what a cluster may reach."""
    return jwts.Account(name="HUB", limits=_UNLIMITED_STORAGE, exports=_EXPORTS)


def cluster_account(cluster: ids.ClusterId, *, name: str, hub: str) -> jwts.Account:
    """A cluster's account: no storage, no exports, and imports of the hub's exports for its own id."""
    subject_of = {
        "live": subjects.live(cluster),
        "desired": subjects.direct_get(streams.DESIRED.name, subjects.desired(cluster)),
        "blobs": subjects.direct_get(streams.BLOBS.name, subjects.BLOBS),
        "reports": f"{subjects.ROOT}.report.{cluster}.>",
        "beats": subjects.beat(cluster),
        "renewals": subjects.renew(cluster),
    }
    imports = tuple(
        jwts.Import(name=export.name, subject=subject_of[export.name], account=hub, type=export.type)
        for export in _EXPORTS
    )
    limits = jwts.AccountLimits(
        exports=0,
        wildcards=False,
        imports=AGENT_IMPORTS,
        conn=AGENT_CONNECTIONS_MAX,
        payload=streams.MESSAGE_BYTES_MAX,
    )
    return jwts.Account(name=name, limits=limits, imports=imports)


def hub_user(name: str) -> jwts.User:
    """A user that may do anything within its account: the hub in HUB, and in SYS."""
    return jwts.User(name=name, publish=(">",), subscribe=(">",))


TOKEN_LIFETIME = datetime.timedelta(hours=24)
"""Of the token of an agent that enrolled. It renews after about two thirds: a hub may be away for a third of a day, and
what leaks is worth little for long."""


def agent_user(cluster: ids.ClusterId, *, name: str, expires_at: datetime.datetime | None = None) -> jwts.User:
    """A cluster's agent: it sends reports, beats, renewals and two kinds of direct get, and hears its inbox and live
    subject. `expires_at`: None for a credentials file, which nobody renews."""
    return jwts.User(
        name=name,
        publish=(
            f"{subjects.ROOT}.report.{cluster}.>",
            subjects.beat(cluster),
            subjects.renew(cluster),
            subjects.direct_get(streams.DESIRED.name, subjects.desired(cluster)),
            subjects.direct_get(streams.BLOBS.name, subjects.BLOBS),
        ),
        subscribe=(_INBOX, subjects.live(cluster)),
        subscriptions_max=AGENT_SUBSCRIPTIONS_MAX,
        payload_bytes_max=streams.MESSAGE_BYTES_MAX,
        expires_at=expires_at,
    )
