"""The file that lets an agent in: where the hub's NATS is, who the agent is there, and whose signatures it trusts."""

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
