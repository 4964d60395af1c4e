"""What people declare: the `spec` of each configuration document, as it stands in files, commands and events."""

import enum

import msgspec

from protocol import selectors


class ManagedBy(enum.StrEnum):
    """Who may change a declaration: what the file declares, the command line refuses to change."""

    FILE = "file"
    COMMAND = "command"


KNOWN_HOSTS_CHARACTERS_MAX = 16 * 1024
"""They stand in events, and one host needs a few hundred."""


class GitCredentials(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Where the hub finds who it is to a remote, and how it knows the remote; secrets themselves are never stored.

    Names of variables are of the hub's environment, paths are of the hub's machine.
    """

    username: str = ""
    """https: goes with the password; empty: `git`. With a token, the name that the forge wants (`oauth2`,
    `x-access-token`, `x-token-auth`), where it looks at one. ssh: the login, where the URL has none."""
    username_env: str = ""
    password_env: str = ""
    """Variable that holds the password or token."""
    password_file: str = ""
    """File that holds the password or token."""
    ssh_key_env: str = ""
    """Variable that holds a private key (OpenSSH or PEM)."""
    ssh_key_file: str = ""
    """File that holds a private key (OpenSSH or PEM)."""
    ssh_passphrase_env: str = ""
    """Variable that holds the passphrase of the private key; empty: it has none."""
    known_hosts: str = ""
    """Lines as of known_hosts (they are public): no other host key is believed."""
    known_hosts_file: str = ""
    """File of such lines; ssh wants one of both."""
    ca_file: str = ""
    """PEM bundle of the CAs that may sign the https server's certificate, in place of those the machine trusts."""


class SourceSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A Git repository and what of it goes where."""

    url: str
    ref: str = ""
    """Branch, tag or commit; empty: the remote's HEAD."""
    paths: tuple[str, ...] = ("/",)
    targets: tuple[selectors.Target, ...] = ()
    """Which clusters; required, unless `allClusters` says it aloud."""
    all_clusters: bool = False
    interval_s: float = 60.0
    rollout_policy: str = "default"
    credentials: GitCredentials | None = None


class StageSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A group of clusters that gets a revision together."""

    name: str
    selector: selectors.Selector = selectors.Selector()
    limit: int = 0
    """At most so many of the clusters that match, by name; 0: all. The rest go on to later stages."""
    max_concurrency: str = "25%"
    """Clusters in flight at once: a number, or a share of the stage's clusters, rounded up."""


class RolloutPolicy(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """How a revision makes its way through the fleet. Clusters that no stage matches form a last stage `rest`."""

    stages: tuple[StageSpec, ...] = ()
    """Empty: one canary first, then the rest."""
    max_concurrency: str = "25%"
    """For the stage `rest`."""
    max_failures: int = 0
    """The rollout halts once more clusters than this have failed."""
    progress_deadline_s: float = 600.0
    """A cluster that is not healthy so long after it was given the revision has failed."""


class GroupSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A name for a set of clusters."""

    selector: selectors.Selector
    values: dict[str, str] = {}
    """Variables that renderings may use as `${vars.KEY}`, where a cluster has none of its own. Of several groups that
    a cluster is in, the first by name wins."""


DEFAULT_POLICY = RolloutPolicy()
