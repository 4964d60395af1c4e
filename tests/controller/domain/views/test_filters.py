"""Which members of a list are asked for."""

import datetime

import pytest

from controller.domain import rejections
from controller.domain.views import bundles, filters, freshness
from protocol import selectors, specs, status
from protocol.events import fleet as fleet_events
from tests.controller.domain.views.conftest import Fleet

IN, NOT_IN = selectors.Operator.IN, selectors.Operator.NOT_IN
EXISTS, ABSENT = selectors.Operator.EXISTS, selectors.Operator.DOES_NOT_EXIST


@pytest.mark.parametrize(
    ("text", "key", "operator", "values"),
    [
        ("env=prod", "env", IN, ("prod",)),
        ("env == prod", "env", IN, ("prod",)),
        ("env!=prod", "env", NOT_IN, ("prod",)),
        ("env=", "env", IN, ("",)),
        ("example.com/env", "example.com/env", EXISTS, ()),
        ("!canary", "canary", ABSENT, ()),
        ("tier in (web, api)", "tier", IN, ("web", "api")),
        ("tier notin (web)", "tier", NOT_IN, ("web",)),
    ],
)
def test_a_requirement_is_read_as_kubectl_reads_it(
    text: str, key: str, operator: selectors.Operator, values: tuple[str, ...]
) -> None:
    expected = selectors.Expression(key=key, operator=operator, values=values)

    assert filters.selector(text).match_expressions == (expected,)


def test_requirements_are_told_apart_by_commas_outside_of_parentheses() -> None:
    found = filters.selector("tier in (web, api), env=prod,!canary").match_expressions

    assert [one.key for one in found] == ["tier", "env", "canary"]


@pytest.mark.parametrize("text", ["", "=prod", "a in web", "a,,b", "a in (b", ",".join(["a"] * 33), "a=b c"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(rejections.Invalid, match="label selector"):
        filters.selector(text)


def names(fleet: Fleet, **wish: object) -> list[str]:
    return [one.name for one in filters.members(fleet.looking, filters.Wish(**wish))]  # type: ignore[arg-type]


async def test_clusters_are_found_by_what_they_are(fleet: Fleet) -> None:
    prod = specs.GroupSpec(selector=selectors.Selector(match_labels={"env": "prod"}))
    await fleet.hub.write(fleet_events.GroupDeclared(name="production", spec=prod, managed_by=specs.ManagedBy.COMMAND))

    assert names(fleet) == ["a", "b"]
    assert names(fleet, labels=filters.selector("env=prod")) == ["a"]
    assert names(fleet, labels=filters.selector("!env")) == ["b"]
    assert names(fleet, group="production") == ["a"]
    assert names(fleet, text="ENV=PR") == ["a"]
    assert names(fleet, text="production") == ["a"]
    assert names(fleet, text=fleet.b.lower()) == ["b"]


async def test_clusters_are_found_by_what_they_should_have(fleet: Fleet) -> None:
    other = await fleet.hub.resolve("other", "db")
    fleet.hub.publish(fleet.b, 5, other)

    assert names(fleet, source="shop") == ["a"]
    assert names(fleet, source="other") == ["b"]
    assert names(fleet, bundle="shop/web") == ["a"]


async def test_clusters_are_found_by_how_they_are(fleet: Fleet) -> None:
    fleet.hub.say(fleet.b, health=status.Health.DEGRADED)
    fleet.hub.now += datetime.timedelta(seconds=1)

    assert names(fleet, health=status.Health.DEGRADED) == ["b"]
    assert names(fleet, health=status.Health.DEGRADED, sync=status.Sync.OUT_OF_SYNC) == []
    assert names(fleet, sync=status.Sync.SYNCED) == ["a", "b"]
    assert names(fleet, connection=freshness.Connection.ONLINE) == ["a", "b"]
    assert names(fleet, connection=freshness.Connection.NEVER) == []


async def test_bundles_are_found_by_where_they_are_and_how(fleet: Fleet) -> None:
    fleet.hub.say(fleet.b, health=status.Health.DEGRADED)
    looking = fleet.looking
    web = bundles.get(looking, "shop/web")

    def found(state: bundles.State | None, cluster: str) -> bool:
        return filters.bundles_in(looking, web, state, cluster)

    assert found(None, "")
    assert found(None, "a")
    assert found(bundles.State.FAILED, "")
    assert found(bundles.State.FAILED, "b")
    assert not found(bundles.State.FAILED, "a")
    assert not found(None, "nobody")
