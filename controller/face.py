"""The running hub as the API sees it."""

import datetime
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

from controller import bootstrap, entrance, errors, hook_secrets, keys, transact
from controller.api import face
from controller.configuration import watching
from controller.domain import catalogs, observed, publications, readmission, retries
from controller.domain.views import diffs, gauges
from controller.git import errors as git_errors
from controller.git import mirrors
from protocol import bundles, ids, specs
from protocol.canonical import Digest
from protocol.events import log

HOOKS = "hooks"
"""Where the secrets of webhooks stand in the key ring's directory: a backup of the keys has them, too."""


class Face:
    """Implements `face.HubFace` over the parts of a hub."""

    def __init__(self, hub: bootstrap.Hub, configuration: watching.Configuration | None) -> None:
        self._hub = hub
        self.configuration = configuration
        self._hooks = hook_secrets.HookSecrets(hub.directory / keys.DIRECTORY / HOOKS)

    @property
    def transactor(self) -> transact.Transactor:
        """The folded world and the way to change it."""
        return self._hub.shared.transactor

    @property
    def observed(self) -> Mapping[ids.ClusterId, observed.Observed]:
        """What the clusters said."""
        return self._hub.shared.observed

    @property
    def published(self) -> Mapping[ids.ClusterId, publications.Publication]:
        """What was published for them."""
        return self._hub.shared.published

    @property
    def catalogs(self) -> Mapping[Digest, catalogs.Catalog]:
        """The catalogs that are in memory."""
        return self._hub.shared.library.catalogs

    @property
    def roots(self) -> Mapping[Digest, bundles.ClusterRoot]:
        """The roots that are in memory."""
        return self._hub.shared.library.roots

    @property
    def agent_keys(self) -> Mapping[str, str]:
        """The agents' public keys that the configuration file names, by cluster name."""
        return self.configuration.agent_keys if self.configuration is not None else {}

    @property
    def polled(self) -> Mapping[ids.SourceName, datetime.datetime]:
        """When each source was last polled, with whatever outcome."""
        return self._hub.shared.polled

    @property
    def tried_again(self) -> Mapping[ids.SourceName, retries.Retries]:
        """The bundles that could not be rendered for now, and when they are tried again."""
        return self._hub.shared.tried_again

    @property
    def strangers(self) -> Mapping[ids.ClusterId, readmission.Stranger]:
        """Agents of accounts that the log does not know."""
        return self._hub.shared.strangers

    @property
    def silence(self) -> datetime.timedelta:
        """A cluster that was not heard for so long is offline."""
        return datetime.timedelta(seconds=self._hub.shared.timing.silence_s)

    @property
    def version(self) -> int:
        """Grows whenever something was observed or published, mere heartbeats aside."""
        return self._hub.shared.version

    def clock(self) -> datetime.datetime:
        """Now."""
        return self._hub.shared.clock()

    def problems(self) -> Sequence[str]:
        """Why the hub is not ready."""
        found = [] if self._hub.doors.hub.is_up else ["nats: not connected (the hub tries again by itself)"]
        server = self._hub.server
        if server is not None and server.problem:
            found.append(f"nats-server: is being started again ({server.problem})")
        if self.transactor.trouble:
            found.append(self.transactor.trouble)
        recovering = self._hub.shared.world.fleet.recovering
        if recovering:
            found.append(f"recovery: nothing is published ({recovering})")
        if self.configuration is not None:
            found += [self.configuration.problem] if self.configuration.problem else []
        return found

    @property
    def lag_s(self) -> float:
        """How late the event loop came at most in the last minute."""
        return self._hub.lag.worst_s

    @property
    def counts(self) -> gauges.Counts:
        """What the reactors counted since the hub started."""
        return self._hub.shared.counts

    @property
    def measures(self) -> face.Measures:
        """Who may read the metrics, and how much they tell."""
        chosen = self._hub.settings
        return face.Measures(open=chosen.metrics_open, named_clusters_max=chosen.metrics_clusters_max)

    def metrics(self, more: Sequence[gauges.Gauge]) -> bytes:
        """All metrics and these, in the text format of Prometheus."""
        return self._hub.metrics.exposition(more)

    def hook_secret(self, source: ids.SourceName) -> str | None:
        """The secret of a source's webhook; None: it has none."""
        return self._hooks.get(source)

    def renew_hook(self, source: ids.SourceName) -> str:
        """Give a source's webhook a new secret."""
        return self._hooks.renew(source)

    def forget_hook(self, source: ids.SourceName) -> bool:
        """Take no webhook of the source any more; return whether there was one."""
        return self._hooks.forget(source)

    def wake(self, source: ids.SourceName) -> None:
        """Poll this source now."""
        self._hub.polling.wake(source)

    async def diff(self, source: str, cluster: str, *, time_s: float) -> diffs.Diff:
        """What the source would change on one cluster, or (empty) on all, asked of the clusters themselves."""
        return await self._hub.asking.diff(source, cluster, time_s=time_s)

    async def indexes(self, digests: Collection[Digest]) -> Sequence[bundles.BundleIndex]:
        """The contents of bundles."""
        await self._hub.shared.library.need_indexes(digests)
        return [self._hub.shared.library.indexes[digest] for digest in sorted(digests)]

    async def catalogs_named(self, digests: Collection[Digest]) -> face.Catalogs:
        """Catalogs, old ones too."""
        await self._hub.shared.library.need_catalogs(digests)
        return {digest: self._hub.shared.library.catalogs[digest] for digest in digests}

    async def test_access(self, spec: specs.SourceSpec) -> face.Access:
        """Ask the remote for its ref, with the source's credentials."""
        try:
            target = await self._hub.mirrors.test_access(mirrors.Remote(spec.url, spec.credentials), spec.ref)
        except git_errors.GitError as error:
            raise errors.Transient(str(error)) from error
        return face.Access(ref=target.short, commit=target.oid)

    async def open_account(self, name: str, former: ids.ClusterId | None, *, anew: bool = False) -> ids.ClusterId:
        """Make a new cluster's NATS account known, open the one again that it had before it was removed, or find the
        one that it had by a log that is lost: that stands as it is."""
        shared = self._hub.shared
        if former is None and not anew:
            found = readmission.account_of(name, shared.world, shared.accounts, shared.strangers)
            if found is not None:
                return found
        if former is None:
            return await self._hub.doors.tenancy.add(name, at=self.clock())
        await self._hub.entrance.open(self.transactor.world.clusters[former])
        return former

    async def close_account(self, cluster: ids.ClusterId) -> None:
        """End a cluster's account: live connections drop."""
        await self._hub.doors.tenancy.remove(cluster, at=self.clock())

    @property
    def entrance(self) -> entrance.Entrance:
        """Who is let in."""
        return self._hub.entrance

    async def events(self, after: int) -> AsyncGenerator[face.LoggedEvent, None]:
        """The log after a sequence, up to its present end."""
        async for stored in self._hub.doors.log.read(after):
            record = log.RECORD.decode(stored.body)
            yield face.LoggedEvent(sequence=stored.sequence, subject=stored.subject, record=record, body=stored.body)
