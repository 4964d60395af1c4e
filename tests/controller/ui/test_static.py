"""The files of the page: what they may not do, how long they are, and how they are served."""

import re

import aiohttp
import pytest

from controller.ui import assets, security

FILES = sorted(path for path in assets.ROOT.rglob("*") if path.is_file())
LINES_MAX = 400
STATES = ("ready", "progressing", "outofsync", "degraded", "unknown", "suspended")
CONTRAST_MIN = 4.5
"""WCAG 2.2, level AA, for text of ordinary size."""


def test_files_are_short_enough_to_be_read_at_once() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in FILES}

    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


@pytest.mark.parametrize(
    "banned",
    [
        r"inner" r"HTML|outer" r"HTML|insertAdjacent" r"HTML|document\.write|DOMParser|createContextualFragment",
        r"\beval\(|new Function\(",
        r"https?://(?!www\.w3\.org/2000/svg|git\.example\.com|\$\{)",
        r"\sstyle=|\.style\b|\son\w+=",
    ],
    ids=["markup from text", "code from text", "third parties", "inline styles and handlers"],
)
def test_nothing_turns_text_into_markup_or_fetches_from_elsewhere(banned: str) -> None:
    assert [path.name for path in FILES if re.search(banned, path.read_text())] == []


def test_every_script_says_what_it_is() -> None:
    assert [path.name for path in FILES if path.suffix == ".js" and not path.read_text().startswith("// ")] == []


def test_every_module_that_is_imported_is_there() -> None:
    missing = [
        f"{path.name}: {name}"
        for path in FILES
        if path.suffix == ".js"
        for name in re.findall(r'from "([^"]+)"', path.read_text())
        if not (path.parent / name).is_file()
    ]

    assert missing == []


async def test_the_page_is_served_to_everybody(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        text = await answer.text()

    for path in re.findall(r'(?:src|href)="(/ui/[^"]+)"', text):
        async with browser.get(path) as answer:
            assert (path, answer.status) == (path, 200)


async def test_a_file_that_is_known_is_not_sent_again(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/ui/scripts/main.js") as answer:
        tag, kind = answer.headers["ETag"], answer.content_type
    async with browser.get("/ui/scripts/main.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read(), kind) == (304, b"", "text/javascript")


@pytest.mark.parametrize("path", ["/ui/no-such-file.js", "/ui/../serving.py", "/ui/%2e%2e/serving.py", "/ui/scripts"])
async def test_nothing_else_is_served(browser: aiohttp.ClientSession, path: str) -> None:
    async with browser.get(path) as answer:
        assert answer.status in (401, 404)


@pytest.mark.parametrize("path", ["/", "/ui/scripts/main.js", "/ui/session", "/api/v1/status", "/healthz", "/no"])
async def test_every_answer_is_hardened(browser: aiohttp.ClientSession, path: str) -> None:
    async with browser.get(path) as answer:
        found = {name: answer.headers.get(name) for name in security.HEADERS}

    assert found == security.HEADERS
    assert "unsafe" not in security.POLICY


def _tokens(theme: int) -> dict[str, str]:
    text = (assets.ROOT / "styles" / "tokens.css").read_text()
    return {name: pair[theme] for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", text)}


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_keeps_its_contrast(theme: int) -> None:
    colours = _tokens(theme)
    grounds = ("ground", "paper", "raised")
    pairs = [(text, ground) for text in ("text", "muted") for ground in grounds]
    pairs += [("accent", "ground"), ("accent", "paper"), ("danger", "paper"), ("on-accent", "accent")]
    pairs += [("on-danger", "danger"), ("paper", "outofsync"), ("paper", "progressing"), ("paper", "ready")]
    pairs += [(state, f"{state}-ground") for state in STATES]
    pairs += [(text, f"{state}-ground") for state in STATES for text in ("text", "muted")]

    weak = {pair: round(_contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}

    assert {pair: found for pair, found in weak.items() if found < CONTRAST_MIN} == {}


def test_all_modules_are_asked_for_at_once() -> None:
    text = (assets.ROOT / "index.html").read_text()
    named = re.findall(r'(?:rel="modulepreload" href|<script type="module" src|<script src)="/ui/([^"]+)"', text)

    assert sorted(named) == sorted(path.relative_to(assets.ROOT).as_posix() for path in FILES if path.suffix == ".js")
