"""Whatever is asked, the hub makes no mistake, and answers as the document that describes it says."""

import asyncio

import aiohttp
import hypothesis
import yarl
from aiohttp import test_utils
from hypothesis import strategies as st

from controller.api import app
from protocol.events import rollouts as events
from tests.controller.api import documented, requesting
from tests.controller.api.conftest import TOKEN
from tests.fixtures import hub as hubs

KNOWN_FAILURES = {502, 503}
"""Of the world, told as such."""


async def busy() -> hubs.Hub:
    """A hub with something of everything."""
    hub = hubs.Hub()
    await hub.begin()
    catalog = await hub.resolve("shop", "web")
    cluster = await hub.add_cluster("edge-1", env="prod")
    hub.publish(cluster, 1, catalog)
    hub.say(cluster)
    await hub.roll_out(
        "shop", events.PlannedStage(name="canary", reason="first", max_concurrency=1, clusters=(cluster,))
    )
    return hub


async def answers(asked: list[requesting.Asked]) -> list[tuple[requesting.Asked, int, str]]:
    """What a hub says to these, one after the other."""
    made = app.make_app(await busy(), token=TOKEN)
    made.middlewares.insert(0, documented.middleware)
    found = []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        test_utils.TestServer(made) as server,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        for one in asked:
            url = yarl.URL(f"{server.make_url('')}{one.path}".replace("//api", "/api"), encoded=True)
            async with session.request(one.method, url, headers=one.headers, data=one.body or None) as answer:
                found.append((one, answer.status, await answer.text()))
    return found


@hypothesis.settings(max_examples=60, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(asked=st.lists(requesting.requests(), min_size=5, max_size=15))
def test_no_request_finds_a_mistake(asked: list[requesting.Asked]) -> None:
    found = asyncio.run(answers(asked))

    assert [one for one in found if one[1] >= 500 and one[1] not in KNOWN_FAILURES] == []
