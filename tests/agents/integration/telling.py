"""What a hub is told of drift, for tests to wait for."""

from protocol import drifts, reports
from tests.agents.conftest import Place
from tests.agents.publisher import Publisher


def path_of(place: Place, name: str, plural: str = "configmaps", group: str = "api/v1") -> str:
    return f"/{group}/namespaces/{place.namespace}/{plural}/{name}"


async def delete(place: Place, path: str) -> None:
    metadata = (await place.find(path) or {})["metadata"]
    await place.api.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])


async def insist(place: Place, path: str) -> None:
    """A controller that wants a ConfigMap its own way, for ever."""
    while True:
        await place.until(path, lambda live: live["data"]["a"] == "1")
        await place.foreign.merge(path, {"data": {"a": "2"}})


async def detected(hub_of_test: Publisher, name: str, *, after: int = 0) -> drifts.Drift:
    """The first report that an object has drifted."""

    def is_meant(report: reports.DriftDetected) -> bool:
        return any(found.object.name == name for found in report.drifts)

    report = await hub_of_test.hear(reports.DriftDetected, is_meant, after=after)
    return next(found for found in report.drifts if found.object.name == name)


async def corrected(hub_of_test: Publisher, name: str, *, after: int = 0) -> drifts.Correction:
    """The first report that a drift of an object is over."""

    def is_meant(report: reports.DriftCorrected) -> bool:
        return any(one.drift.object.name == name for one in report.corrections)

    report = await hub_of_test.hear(reports.DriftCorrected, is_meant, after=after)
    return next(one for one in report.corrections if one.drift.object.name == name)


def drifted(hub_of_test: Publisher, *, after: int = 0) -> set[str]:
    """Everything that was said to have drifted, the beacon apart."""
    said = [report for report in hub_of_test.heard[after:] if isinstance(report, reports.DriftDetected)]
    return {found.object.name for report in said for found in report.drifts} - {"beacon"}
