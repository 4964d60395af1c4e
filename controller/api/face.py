"""The hub, as far as the API needs it."""

import datetime
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from controller import entrance, transact
from controller.domain import catalogs, observed, publications, readmission, retries
from controller.domain.views import diffs, gauges
from protocol import bundles, ids, specs
from protocol.canonical import Digest
from protocol.events import log

Catalogs = Mapping[Digest, catalogs.Catalog]


class Access(msgspec.Struct, frozen=True, rename="camel"):
    """What a remote answered when it was tried."""

    ref: str
    commit: str


class Measures(msgspec.Struct, frozen=True):
    """What the settings say about `/metrics`."""

    open: bool = False
    """Nobody has to show a token."""
    named_clusters_max: int = gauges.NAMED_CLUSTERS_MAX
    """Clusters that go by their names, if there are no more."""


class LoggedEvent(msgspec.Struct, frozen=True):
    """One event of the log, where it stands."""

    sequence: int
    subject: str
    record: log.Record
    body: bytes
    """The record as it is stored."""


class HubFace(Protocol):
    """What the API needs of the hub. Everything that can fail raises an errors.HubError."""

    @property
    def transactor(self) -> transact.Transactor:
        """The folded world and the way to change it."""

    @property
    def observed(self) -> Mapping[ids.ClusterId, observed.Observed]:
        """What the clusters said."""

    @property
    def published(self) -> Mapping[ids.ClusterId, publications.Publication]:
        """What was published for them."""

    @property
    def catalogs(self) -> Mapping[Digest, catalogs.Catalog]:
        """At least the present catalog of every source."""

    @property
    def roots(self) -> Mapping[Digest, bundles.ClusterRoot]:
        """At least the root of every published state."""

    @property
    def agent_keys(self) -> Mapping[str, str]:
        """The agents' public keys that the configuration file names, by cluster name."""

    @property
    def polled(self) -> Mapping[ids.SourceName, datetime.datetime]:
        """When each source was last polled, with whatever outcome, since the hub started."""

    @property
    def tried_again(self) -> Mapping[ids.SourceName, retries.Retries]:
        """The bundles that could not be rendered for now, and when they are tried again."""

    @property
    def strangers(self) -> Mapping[ids.ClusterId, readmission.Stranger]:
        """Agents of accounts that the log does not know."""

    @property
    def silence(self) -> datetime.timedelta:
        """A cluster that was not heard for so long is offline."""

    @property
    def version(self) -> int:
        """Grows whenever something was observed or published, mere heartbeats aside."""

    def clock(self) -> datetime.datetime:
        """Now."""

    def problems(self) -> Sequence[str]:
        """Why the hub is not ready, one line each; none: it is. No secrets, no paths: anybody may ask."""

    @property
    def lag_s(self) -> float:
        """How late the hub's event loop came at most in the last minute, in seconds."""

    @property
    def counts(self) -> gauges.Counts:
        """What the reactors counted since the hub started."""

    @property
    def measures(self) -> Measures:
        """Who may read the metrics, and how much they tell."""

    def metrics(self, more: Sequence[gauges.Gauge]) -> bytes:
        """All metrics and these, in the text format of Prometheus (`metrics.CONTENT_TYPE`)."""

    def hook_secret(self, source: ids.SourceName) -> str | None:
        """The secret of a source's webhook; None: it has none."""

    def renew_hook(self, source: ids.SourceName) -> str:
        """Give a source's webhook a new secret."""

    def forget_hook(self, source: ids.SourceName) -> bool:
        """Take no webhook of the source any more; return whether there was one."""

    def wake(self, source: ids.SourceName) -> None:
        """Poll this source now."""

    async def diff(self, source: str, cluster: str, *, time_s: float) -> diffs.Diff:
        """What the source would change on one cluster, or (empty) on all, asked of the clusters themselves."""

    async def indexes(self, digests: Collection[Digest]) -> Sequence[bundles.BundleIndex]:
        """The contents of bundles."""

    async def catalogs_named(self, digests: Collection[Digest]) -> Catalogs:
        """Catalogs, old ones too."""

    async def test_access(self, spec: specs.SourceSpec) -> Access:
        """Ask the remote for its ref, with the source's credentials."""

    async def open_account(self, name: str, former: ids.ClusterId | None, *, anew: bool = False) -> ids.ClusterId:
        """Make a new cluster's NATS account known, or open the one again that the cluster had before it was removed;
        tokens that were issued for it before stay revoked. One that an earlier log knew by this name is taken back as
        it is, unless the cluster is to begin `anew`; raise a Rejection if that cannot be."""

    async def close_account(self, cluster: ids.ClusterId) -> None:
        """End a cluster's account: live connections drop. It is ended again at every start of the hub."""

    @property
    def entrance(self) -> entrance.Entrance:
        """Who is let in."""

    def events(self, after: int) -> AsyncGenerator[LoggedEvent, None]:
        """The log after a sequence, up to its present end."""
