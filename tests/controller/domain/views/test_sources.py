"""A source in one word, with the reason."""

import pytest

from controller.domain import retries, sources
from controller.domain.views import sources as views
from protocol.events import sources as events
from tests.controller.domain import examples
from tests.controller.domain.test_sources_at_random import declared, folded, resolved
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

PROBLEM = events.Problem(path="web/x.yaml", reason="not YAML", line=3)
GOOD = folded(declared(), resolved("a" * 40))
UNRELATED = folded(GOOD, events.RollbackSeen(name=examples.SHOP, commit="b" * 40, unrelated=True))
WAITS = (
    "moved to bbbbbbbbbbbb, which shares no history with the present commit; if that is meant: "
    f"flotilla source accept shop --commit {'b' * 40}"
)


@pytest.mark.parametrize(
    ("source", "state", "reason"),
    [
        (GOOD, views.State.RESOLVED, ""),
        (declared(), views.State.PENDING, "not resolved yet"),
        (
            folded(GOOD, events.ResolveFailed(examples.SHOP, events.FailureKind.UNREACHABLE, "no route")),
            views.State.FAILING,
            "unreachable: no route",
        ),
        (
            folded(declared(), resolved("a" * 40, problems=(PROBLEM,), problem_count=7)),
            views.State.DEGRADED,
            "7 problems: web/x.yaml:3: not YAML",
        ),
        (folded(declared(), resolved("a" * 40, problem_count=7)), views.State.DEGRADED, "7 problems: "),
        (
            folded(GOOD, events.RollbackSeen(name=examples.SHOP, commit="b" * 40, unrelated=False)),
            views.State.RESOLVED,
            "moved to bbbbbbbbbbbb, not forward; counts if the next poll agrees",
        ),
        (UNRELATED, views.State.WAITING, WAITS),
        (
            folded(UNRELATED, events.HistoryAccepted(name=examples.SHOP, commit="b" * 40, replaces="a" * 40)),
            views.State.WAITING,
            "unrelated history bbbbbbbbbbbb accepted; counts at the next poll",
        ),
        (declared(suspended="by command"), views.State.SUSPENDED, "by command"),
    ],
)
async def test_the_worst_that_is_known_is_the_word(
    fleet: Fleet, source: sources.Source, state: views.State, reason: str
) -> None:
    found = views.row(fleet.looking, source)

    assert (found.state, found.reason) == (state, reason)


async def test_a_row_names_the_ref_that_is_asked_for_or_the_one_that_was_found(fleet: Fleet) -> None:
    assert views.row(fleet.looking, declared()).ref == ""
    assert views.row(fleet.looking, GOOD).ref == "main"
    assert views.row(fleet.looking, GOOD).rollout == ""


async def test_the_detail_has_everything_that_is_wrong(fleet: Fleet) -> None:
    source = folded(GOOD, resolved("b" * 40, problems=(PROBLEM,), problem_count=1, warnings=(PROBLEM,)))

    found = views.detail(fleet.looking, source)

    assert (found.problems, found.warnings) == (["web/x.yaml:3: not YAML"], ["web/x.yaml:3: not YAML"])
    assert (found.failure, found.rollback_seen, found.source.revision) == (None, "", f"main@sha1:{'b' * 40}")


async def test_what_is_tried_again_says_when(fleet: Fleet) -> None:
    of_machine = events.Problem(path="web", reason="helm: ended by us after 60 s")
    source = folded(GOOD, resolved("b" * 40, problems=(of_machine, PROBLEM), problem_count=2))
    fleet.hub.tried_again[examples.SHOP] = {"web": retries.Retry("tree.inputs", 3, hubs.START)}

    found = views.detail(fleet.looking, source)

    assert found.problems == [
        f"web: helm: ended by us after 60 s (tried again at {hubs.START:%Y-%m-%dT%H:%M:%SZ})",
        "web/x.yaml:3: not YAML",
    ]
    assert found.source.reason == f"2 problems: {found.problems[0]}"


async def test_a_source_is_as_of_its_last_poll(fleet: Fleet) -> None:
    """Whatever it came to; not polled yet is no time at all."""
    before = views.row(fleet.looking, declared()).as_of
    fleet.hub.polled[examples.SHOP] = hubs.START

    assert (before, views.row(fleet.looking, declared()).as_of) == (None, hubs.START)
