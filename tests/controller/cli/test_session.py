"""Which hub a command asks, and what it shows to it."""

import pathlib

import pytest

from controller.cli import session

HUB = "https://hub.example:8420"


@pytest.fixture
def environ(tmp_path: pathlib.Path) -> dict[str, str]:
    """With a context that was kept."""
    found = {"XDG_CONFIG_HOME": str(tmp_path)}
    session.save(session.Context(url=HUB, token="kept", authority="PEM"), environ=found)
    return found


@pytest.mark.parametrize("url", ["", HUB, f"{HUB}/"])
def test_the_token_that_was_kept_is_shown_to_the_hub_that_was_kept(environ: dict[str, str], url: str) -> None:
    assert session.find(url, "", environ=environ) == session.Context(url=HUB, token="kept", authority="PEM")


@pytest.mark.parametrize("by_flag", [True, False])
def test_another_hub_is_shown_nothing_that_was_kept(environ: dict[str, str], by_flag: bool) -> None:
    other = "https://other.example"
    flag, variable = (other, {}) if by_flag else ("", {"FLOTILLA_URL": other})
    with pytest.raises(session.CommandError, match=f"no token for {other}") as refused:
        session.find(flag, "", environ={**environ, **variable})

    assert refused.value.code == session.UNAUTHORIZED
    assert session.find(other, "said", environ=environ) == session.Context(url=other, token="said")
