"""The file that lets an agent in: where the hub's NATS is, who the agent is there, and whose signatures it trusts."""

import datetime

import msgspec

from protocol import ids


class Credentials(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag="Credentials"):
    """One cluster's credentials, as JSON. With `seed` it is a secret: mode 0600."""

    cluster: ids.ClusterId
    name: str
    """The cluster's human name."""
    nats_urls: tuple[str, ...]
    user_jwt: str
    trusted_keys: tuple[str, ...]
    """Public keys of hubs whose desired states the agent applies, 64 hexadecimal digits each."""
    seed: str = ""
    """The agent's user nkey (`SU…`); empty where the agent keeps it in a file of its own."""
    expires_at: datetime.datetime | None = None
    """When `user_jwt` ends, unless it is renewed before; None: never."""
    life_s: float | None = None
    """How long `user_jwt` is good from when it was made, in seconds; None: for ever."""
    hub_url: str = ""
    """Where the hub's API is, for an agent whose token has ended; empty: there is no such way back."""
    authority: str = ""
    """Certificates of the CAs that sign for the hub and its NATS, PEM; empty: those that the machine trusts."""
