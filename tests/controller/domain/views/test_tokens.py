"""What is told of tokens."""

import datetime

from controller.domain import tokens as domain
from controller.domain.views import tokens
from protocol.events import tokens as events
from protocol.events.tokens import Scope
from tests.controller.domain.views.conftest import Fleet


async def test_tokens_are_told_with_their_end_and_the_event_that_issued_them(fleet: Fleet) -> None:
    soon = fleet.hub.now + datetime.timedelta(seconds=10)
    await fleet.hub.write(
        events.TokenIssued(name="grafana", scope=Scope.READ, digest=domain.digest("g")),
        events.TokenIssued(name="ci", scope=Scope.OPERATE, digest=domain.digest("c"), expires_at=soon),
    )
    fleet.hub.now = soon

    rows = [tokens.row(fleet.looking, one) for one in tokens.every(fleet.looking)]

    head = fleet.looking.event
    assert [(row.name, row.scope, row.expired, row.event) for row in rows] == [
        ("ci", Scope.OPERATE, True, head),
        ("grafana", Scope.READ, False, head - 1),
    ]
