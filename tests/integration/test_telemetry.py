"""A commit is one trace, from the fetch to every cluster's health, in the OTLP that hub and agents really send."""

import json
import pathlib
from collections.abc import AsyncIterator

import pytest

from tests.fixtures import collector as collectors
from tests.fixtures import content, processes
from tests.fixtures.collector import Collector, Span

pytestmark = [pytest.mark.nats, pytest.mark.timeout(900)]

SPEC = {"paths": ["apps/*", "platform/*"], "allClusters": True, "intervalS": 1.0}
BUNDLES = ("apps/checkout", "apps/storefront", "platform/agents", "platform/policies")
HUB, AGENT = "flotilla-hub", "flotilla-agent"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector, and the standard's variables as an operator sets them."""
    async with collectors.running() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "500")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        yield found


async def deploy(realm: processes.Realm) -> str:
    commit = realm.repository.merge(content.first(), "first", at=processes.bootstrap.utc_now())
    body = {"name": processes.SOURCE, "spec": {"url": realm.repository.url, **SPEC}}
    await realm.ask(lambda: realm.api.post("sources", body))
    await realm.rolled_out(commit)
    return commit


async def test_a_commit_is_one_trace_through_hub_and_agents(tmp_path: pathlib.Path, collector: Collector) -> None:
    async with processes.realm(tmp_path) as realm:
        commit = await deploy(realm)

        async def all_healthy() -> bool:
            root = root_of(collector, commit)
            healthy = {span.attributes["k8s.cluster.uid"] for span in collector.of("healthy")}
            return root is not None and len(healthy) == len(processes.CLUSTERS) and is_whole(collector, root.trace)

        await processes.until("spans of both clusters", all_healthy)
        root = root_of(collector, commit)
        assert root is not None
        family = {span.id: span for span in collector.spans if span.trace == root.trace}

        for name in ("verify", "apply", "healthy"):
            spans = [span for span in family.values() if span.name == name]
            assert len({span.attributes["k8s.cluster.uid"] for span in spans}) == len(processes.CLUSTERS)
            assert {ancestors(span, family)[1:] for span in spans} == {
                ("publish DESIRED", "append LOG", "resolve", "commit")
            }
        assert {ancestors(span, family) for span in family.values() if span.name == "git fetch"} == {
            ("git fetch", "commit")
        }
        rendered = [span for span in family.values() if span.name == "render"]
        assert {span.attributes["flotilla.bundle"] for span in rendered} == {
            f"{processes.SOURCE}/{path}" for path in BUNDLES
        }
        assert {ancestors(span, family) for span in rendered} == {("render", "resolve", "commit")}
        rollout = [span for span in family.values() if "RolloutStarted" in str(span.attributes.get("flotilla.events"))]
        assert [ancestors(span, family) for span in rollout] == [("append LOG", "append LOG", "resolve", "commit")]


async def test_messages_are_linked_as_the_conventions_say(tmp_path: pathlib.Path, collector: Collector) -> None:
    async with processes.realm(tmp_path, names=("east",)) as realm:
        await deploy(realm)

        async def verified() -> bool:
            sent = {span.id for span in collector.of("publish DESIRED")}
            return any(span.parent in sent for span in collector.of("verify"))

        await processes.until("a verified state", verified)
        sent = {span.id: span for span in collector.of("publish DESIRED")}
        for span in collector.of("verify"):
            if span.parent not in sent:
                continue  # what it follows is on its way: hub and agent tell their spans each in its time
            assert (span.service, span.kind) == (AGENT, "CONSUMER")
            assert span.links == (span.parent,)
            assert sent[span.parent].kind == "PRODUCER"
            assert sent[span.parent].service == HUB
            assert span.attributes["messaging.system"] == "nats"


async def test_metrics_of_hub_and_agents_arrive_and_no_secret_does(
    tmp_path: pathlib.Path, collector: Collector
) -> None:
    async with processes.realm(tmp_path, names=("east",)) as realm:
        await deploy(realm)

        async def measured() -> bool:
            wanted = {
                f"{HUB}/flotilla_renders",
                f"{HUB}/flotilla_clusters",
                f"{AGENT}/flotilla.agent.pass.duration",
            }
            return wanted <= collector.metrics.keys() and bool(whole(collector))

        await processes.until("metrics", measured)
        secrets = secrets_of(realm)

    assert collector.metrics[f"{AGENT}/flotilla.agent.hub.connected"]["gauge"]["dataPoints"]
    assert not [body for body in collector.bodies if any(secret in body for secret in secrets)]


async def test_a_hub_that_starts_anew_goes_on_in_the_trace(tmp_path: pathlib.Path, collector: Collector) -> None:
    async with processes.realm(tmp_path, names=("east",)) as realm:
        await realm.agents["east"].pause()
        commit = realm.repository.merge(content.first(), "first", at=processes.bootstrap.utc_now())
        body = {"name": processes.SOURCE, "spec": {"url": realm.repository.url, **SPEC}}
        await realm.ask(lambda: realm.api.post("sources", body))

        async def resolved() -> bool:
            return any("RevisionResolved" in str(span.attributes.get("flotilla.events")) for span in collector.spans)

        await processes.until("the resolved commit", resolved)
        await realm.hub.pause()
        await realm.hub.resume()
        await realm.agents["east"].resume()
        await realm.rolled_out(commit)

        async def healthy() -> bool:
            return bool(collector.of("healthy"))

        await processes.until("a healthy cluster", healthy)
        began = next(
            span for span in collector.spans if "RevisionResolved" in str(span.attributes.get("flotilla.events"))
        )
        assert {span.trace for span in collector.of("healthy")} == {began.trace}


def secrets_of(realm: processes.Realm) -> list[bytes]:
    """The agent's seed and the admin token."""
    seed = json.loads((realm.directory / "east.json").read_text())["seed"].encode()
    return [seed, pathlib.Path(realm.hub.said["tokenFile"]).read_bytes().strip()]


def root_of(collector: Collector, commit: str) -> Span | None:
    """The commit's first span."""
    found = [span for span in collector.of("commit") if span.attributes["vcs.ref.head.revision"] == commit]
    return found[0] if found else None


def is_whole(collector: Collector, trace: str) -> bool:
    """Has every span of a trace come that another one follows? Hub and agents tell theirs each in its time."""
    family = [span for span in collector.spans if span.trace == trace]
    return {span.parent for span in family if span.parent} <= {span.id for span in family}


def ancestors(span: Span, family: dict[str, Span]) -> tuple[str, ...]:
    """The names from a span up to its root."""
    names = [span.name]
    while span.parent:
        span = family[span.parent]
        names.append(span.name)
    return tuple(names)


def whole(collector: Collector) -> list[object]:
    found = collector.metrics[f"{HUB}/flotilla_renders"]["sum"]["dataPoints"]
    return [one for one in found if one.get("asDouble", 0) > 0]
