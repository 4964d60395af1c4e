"""What people declare: the `spec` of each configuration document, as it stands in files, commands and events."""

import enum

import msgspec

from protocol import selectors


class ManagedBy(enum.StrEnum):
    """Who may change a declaration: what the file declares, the command line refuses to change."""

    FILE = "file"
    COMMAND = "command"


class GitCredentials(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Where the hub finds the user and password (or token) of a remote; the values themselves are never stored."""

    username: str = ""
    username_env: str = ""
    password_env: str = ""
    """Name of an environment variable of the hub."""
    password_file: str = ""
    """Path of a file on the hub's machine."""


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
