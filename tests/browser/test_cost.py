"""What the page costs with many clusters: the work follows the change."""

import pytest

from protocol import status
from tests.browser.conftest import TOKEN
from tests.browser.test_page import CELL, fleet_of
from tests.fixtures import hub as hubs
from tests.fixtures.browser import NewWindow, Window

pytestmark = [pytest.mark.browser]

MANY = 80
"""More than cells carry ages for."""

WATCH = """() => {
  window.touched = new Set();
  const note = (node) => (node.nodeType === 1 ? node : node.parentElement)?.closest("li")?.dataset.key;
  const everything = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver((changes) => changes.forEach((one) => touched.add(note(one.target) ?? "the grid")))
    .observe(document.querySelector("[data-grid]"), everything);
}"""

DRAW_AGAIN = "() => document.querySelector('[data-filter=q]').dispatchEvent(new Event('input', { bubbles: true }))"

RENEWED = """async (name) => {
  const api = await import("/ui/scripts/api.js");
  const before = await api.list("clusters?limit=1000");
  const after = await api.renewed(before, [name]);
  const others = after.items.filter((row, place) => row !== before.items[place]).map((row) => row.name);
  return [others, await api.renewed(before, ["no-such"])];
}"""


@pytest.fixture
async def window(hub: hubs.Hub, address: str, new_window: NewWindow) -> Window:
    """Signed in, on many clusters."""
    await fleet_of(hub, *(f"prod-{number:03}" for number in range(1, MANY + 1)))
    made = await new_window(address)
    await made.sign_in(TOKEN)
    await made.page.wait_for_function(f"() => document.querySelectorAll('{CELL}').length === {MANY}")
    await made.sees(".connection", "live")
    return made


async def test_only_the_cell_of_a_cluster_that_changed_is_drawn(window: Window, hub: hubs.Hub) -> None:
    await window.runs(WATCH)
    await window.runs(DRAW_AGAIN)
    hub.say(hubs.account(7), health=status.Health.DEGRADED)

    await window.sees(f"{CELL}.degraded", "prod-007")
    assert await window.runs("() => [...touched]") == ["prod-007"]


async def test_what_was_drawn_may_change_again_and_back(window: Window, hub: hubs.Hub) -> None:
    for health, state in ((status.Health.DEGRADED, "degraded"), (status.Health.HEALTHY, "ready")) * 2:
        hub.say(hubs.account(7), health=health)
        await window.sees(f"{CELL}.{state}", "prod-007")

    await window.page.get_by_label("Group by").select_option("env")
    await window.sees("h3", "env=prod")
    assert await window.page.locator(CELL).count() == MANY


async def test_one_cluster_can_be_asked_for_without_the_others(window: Window) -> None:
    assert await window.runs(RENEWED, "prod-007") == [["prod-007"], None]


async def test_a_change_while_the_stream_was_away_is_seen(window: Window, hub: hubs.Hub) -> None:
    await window.page.context.set_offline(True)
    await window.sees(".connection", "not connected")
    hub.say(hubs.account(9), health=status.Health.DEGRADED)
    await window.page.context.set_offline(False)

    await window.sees(f"{CELL}.degraded", "prod-009")
    await window.sees(".connection", "live")
    window.forgive("ERR_INTERNET_DISCONNECTED|ERR_NETWORK|ERR_FAILED")
