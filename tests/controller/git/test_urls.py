"""URLs of repositories: what is fetched, what is refused, and that no secret is ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.git import errors, urls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.com/shop.git", "https://example.com/shop.git"),
        ("https://example.com:8443/a/b", "https://example.com:8443/a/b"),
        ("http://127.0.0.1:3000/shop.git", "http://127.0.0.1:3000/shop.git"),
        ("file:///srv/git/shop.git", "file:///srv/git/shop.git"),
        ("/srv/my git/shop.git", "file:///srv/my%20git/shop.git"),
        ("ssh://git@example.com:2222/a/b.git", "ssh://git@example.com:2222/a/b.git"),
        ("ssh://[::1]:2222/a.git", "ssh://[::1]:2222/a.git"),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
    ],
)
def test_https_ssh_files_and_absolute_paths_are_fetched(text: str, shown: str) -> None:
    assert str(urls.parse(text)) == shown


def test_a_path_and_its_file_url_are_one_mirror() -> None:
    assert urls.parse("/srv/my git") == urls.parse("file:///srv/my%20git")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://ada:s3cr3t@example.com/shop.git", "passwordEnv"),
        ("https://s3cr3t@example.com/shop.git", "passwordEnv"),
        ("https://example.com/shop.git?private_token=s3cr3t", "query"),
        ("https://example.com/shop.git#s3cr3t", "fragment"),
        ("ssh://git:s3cr3t@example.com/shop.git", "holds a password"),
        ("ssh://git@example.com/shop.git?s3cr3t", "query"),
        ("ssh://git@example.com/", "no repository"),
        ("ssh:///s3cr3t", "no host"),
        ("ssh://-oProxyCommand=s3cr3t/x", "no host"),
        ("ssh://git@exa$(s3cr3t).com/x", "no host"),
        ("ssh://-l@example.com/s3cr3t", "login"),
        ("git+ssh://git@example.com/s3cr3t", "not a form of ssh"),
        ("git@-example.com:s3cr3t", "no host"),
        ("$(id)@example.com:s3cr3t", "login"),
        ("git@example.com:-s3cr3t", "dash"),
        ("example.com:s3cr3t/shop.git", "not a form of ssh"),
        ("git://example.com/s3cr3t", "scheme 'git'"),
        ("ext::sh -c s3cr3t", "blank"),
        ("--upload-pack=s3cr3t", "absolute path"),
        ("shop.git", "absolute path"),
        ("", "absolute path"),
        ("https:///s3cr3t", "no host"),
        ("https://exa mple.com/s3cr3t", "blank"),
        ("https://example.com:99999999/s3cr3t", "port"),
        ("https://[::1/s3cr3t", "malformed"),
        ("file://elsewhere/s3cr3t", "absolute path"),
        ("/srv/\0s3cr3t", "control character"),
        ("https://example.com/" + "s3cr3t" * 1000, "longer"),
    ],
)
def test_everything_else_is_refused_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(errors.InvalidUrl, match=reason) as caught:
        urls.parse(text)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("https://example.com/a", True),
        ("http://localhost/a", True),
        ("http://example.com/a", False),
        ("/srv/a", False),
        ("git@example.com:a", False),
    ],
)
def test_plain_http_keeps_secrets_only_within_the_machine(text: str, keeps: bool) -> None:
    assert urls.parse(text).keeps_secrets is keeps


def test_a_default_port_is_part_of_the_origin() -> None:
    assert urls.parse("https://example.com/a").origin == urls.parse("https://example.com:443/b").origin
    assert urls.parse("https://example.com/a").origin != urls.parse("http://example.com/a").origin


def test_an_ssh_url_names_its_login_host_and_port() -> None:
    urls_ = [urls.parse("ssh://ada@example.com:2222/a"), urls.parse("git@example.com:a"), urls.parse("ssh://[::1]/a")]

    assert [(url.user, url.host, url.port) for url in urls_] == [
        ("ada", "example.com", 2222), ("git", "example.com", 22), ("", "::1", 22),
    ]  # fmt: skip


@given(st.one_of(st.text(), st.from_regex(r"(ssh://)?[-a-z$@:.\[\]%/~]{1,30}", fullmatch=True)))
def test_whatever_is_taken_for_ssh_has_no_word_that_ssh_takes_for_an_option(text: str) -> None:
    try:
        url = urls.parse(text)
    except errors.InvalidUrl:
        return

    assert not url.text.startswith("-")
    if url.scheme == "ssh":
        assert url.host[:1] not in ("", "-")
        assert url.user[:1] != "-"
