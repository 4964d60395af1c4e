"""Credentials: found where the spec says, read at every use, and shown nowhere."""

import base64
import pathlib

import pytest

from controller.git import credentials, errors, urls
from protocol import specs

URL = urls.parse("https://example.com/shop.git")
SECRET = "s3cr3t"


def read(spec: specs.GitCredentials | None, **environ: str) -> credentials.Credentials | None:
    return credentials.read(spec, url=URL, environ=environ)


def test_nothing_named_is_nobody() -> None:
    assert read(None) is None
    assert read(specs.GitCredentials()) is None


def test_a_token_needs_no_username() -> None:
    found = read(specs.GitCredentials(password_env="TOKEN"), TOKEN=SECRET)

    assert found is not None
    assert (found.username, found.reveal()) == (credentials.DEFAULT_USERNAME, SECRET)


def test_a_username_may_come_from_the_environment() -> None:
    found = read(specs.GitCredentials(username_env="WHO", password_env="TOKEN"), WHO="ada", TOKEN=SECRET)

    assert found is not None
    assert found.username == "ada"


def test_a_file_is_read_anew_each_time(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "token"
    spec = specs.GitCredentials(password_file=str(file))
    for token in ("old", "new"):
        file.write_text(f"{token}\n")
        found = read(spec)
        assert found is not None
        assert found.reveal() == token


def test_no_representation_shows_the_password() -> None:
    found = read(specs.GitCredentials(password_env="TOKEN"), TOKEN=SECRET)

    assert SECRET not in f"{found} {found!r}"
    assert found is not None
    assert found.scrub(f"bad token {SECRET}!") == "bad token ***!"
    assert (
        found.scrub(f"bad header Basic {base64.b64encode(f'git:{SECRET}'.encode()).decode()}") == "bad header Basic ***"
    )


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (specs.GitCredentials(password_env="UNSET"), "UNSET is not set"),
        (specs.GitCredentials(username="ada"), "passwordEnv and passwordFile"),
        (specs.GitCredentials(password_env="TOKEN", password_file="/x"), "passwordEnv and passwordFile"),
        (specs.GitCredentials(username="a", username_env="B", password_env="TOKEN"), "both"),
        (specs.GitCredentials(password_env="EMPTY"), "empty"),
        (specs.GitCredentials(password_env="LINES"), "several lines"),
        (specs.GitCredentials(password_file="/no/such/file"), "No such file"),
    ],
)
def test_what_cannot_be_read_names_the_setting_and_not_the_secret(spec: specs.GitCredentials, reason: str) -> None:
    with pytest.raises(errors.InvalidCredentials, match=reason) as caught:
        read(spec, TOKEN=SECRET, EMPTY="", LINES=f"{SECRET}\n{SECRET}")

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff" + SECRET.encode(), SECRET.encode() * 10_000])
def test_a_file_that_is_no_token_is_refused_without_its_content(tmp_path: pathlib.Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(errors.InvalidCredentials) as caught:
        read(specs.GitCredentials(password_file=str(file)))

    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["http://example.com/shop.git", "/srv/git/shop.git"])
def test_a_password_is_not_sent_where_others_read_it(url: str) -> None:
    with pytest.raises(errors.InvalidCredentials, match="https only"):
        credentials.read(specs.GitCredentials(password_env="TOKEN"), url=urls.parse(url), environ={"TOKEN": SECRET})
