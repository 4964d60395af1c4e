"""Where the page cannot run, it says so, and what can be done: it is never blank."""

import pytest

from tests.fixtures.browser import NewWindow

pytestmark = [pytest.mark.browser]


async def test_a_browser_that_is_too_old_is_told_which_would_do(address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.page.add_init_script("delete Map.groupBy")
    await window.open()

    said = await (await window.sees("#too-old")).inner_text()
    assert "Chrome or Edge 123, Firefox 121, Safari 17.5" in said
    assert "Yours lacks Map.groupBy." in said
    assert "flotilla status" in said
    assert not await window.page.locator("main").is_visible()


async def test_a_browser_without_scripts_is_told_what_to_do(address: str, new_window: NewWindow) -> None:
    window = await new_window(address, java_script_enabled=False)
    await window.open()

    assert "needs JavaScript" in await (await window.sees("noscript")).inner_text()
    assert not await window.page.locator(".loading").is_visible()


@pytest.mark.parametrize("script", ["main.js", "views/fleet.js"])
async def test_a_script_that_does_not_arrive_is_told(address: str, new_window: NewWindow, script: str) -> None:
    window = await new_window(address)
    await window.page.route(f"**/scripts/{script}", lambda route: route.abort())
    await window.open()

    await window.sees("#not-loaded", "did not arrive")
    window.forgive("ERR_FAILED")


async def test_a_browser_that_keeps_nothing_shows_the_page(address: str, new_window: NewWindow) -> None:
    window = await new_window(address)
    await window.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    await window.open()

    await window.sees("h1", "Sign in")
