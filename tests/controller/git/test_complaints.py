"""What `git` and `ssh` of other builds say when they fail, and what we make of it."""

import threading

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.git import complaints, conversations, credentials, errors, keys, limits, urls
from protocol import specs

KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
SECRET = "s3cr3t"


def conversation(url: str) -> conversations.Conversation:
    parsed = urls.parse(url)
    spec = specs.GitCredentials(ssh_key_env="KEY", known_hosts="x") if parsed.scheme == "ssh" else None
    return conversations.Conversation(
        url=parsed,
        credentials=credentials.Credentials("git", SECRET) if spec is None else None,
        limits=limits.Limits(),
        abandoned=threading.Event(),
        identity=keys.read(spec, url=parsed, environ={"KEY": KEY}),
        authorities=b"" if spec else b"pem",
    )


HTTPS = conversation("https://example.com/a.git")
SSH = conversation("git@example.com:a.git")
UNABLE = "fatal: unable to access 'https://example.com/a.git/': "


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        (UNABLE + "SSL certificate problem: unable to get local issuer certificate\n", errors.HostUntrusted),
        (UNABLE + "server certificate verification failed. CAfile: /x CRLfile: none\n", errors.HostUntrusted),
        (UNABLE + "SSL: no alternative certificate subject name matches target host name 'x'\n", errors.HostUntrusted),
        (UNABLE + "The requested URL returned error: 403\n", errors.AuthenticationFailed),
        (UNABLE + "The requested URL returned error: 301\n", errors.Unreachable),
        (UNABLE + "Could not resolve host: example.com\n", errors.Unreachable),
        ("fatal: could not read Username for 'https://example.com': terminal prompts disabled\n",
         errors.AuthenticationFailed),
        ("error: object file objects/ab/cd is empty\nfatal: loose object abcd is corrupt\n", errors.Corrupt),
        ("remote: error: object file objects/ab/cd is empty\nfatal: early EOF\n", errors.Unreachable),
        ("", errors.Unreachable),
    ],
)  # fmt: skip
def test_a_complaint_about_https_is_an_error_of_its_kind(complaint: str, kind: type[errors.GitError]) -> None:
    assert type(complaints.translated(complaint, HTTPS)) is kind


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        (
            "git@example.com: Permission denied (publickey,password).\r\nfatal: Could not read",
            errors.AuthenticationFailed,
        ),
        ("Received disconnect from 1.2.3.4: Too many authentication failures\n", errors.AuthenticationFailed),
        ("Host key verification failed.\r\n", errors.HostUntrusted),
        ("ssh_config: line 1: ssh: not found\nsh: 1: ssh: not found\n", errors.CommandMissing),
        ("kex_exchange_identification: Connection closed by remote host\n", errors.Unreachable),
        ("No user exists for uid 1001\r\nfatal: Could not read from remote repository.\n", errors.Unreachable),
    ],
)
def test_a_complaint_about_ssh_is_an_error_of_its_kind(complaint: str, kind: type[errors.GitError]) -> None:
    assert type(complaints.translated(complaint, SSH)) is kind


def test_the_reason_is_what_failed_without_progress_and_advice() -> None:
    said = (
        "debug1: Connecting to example.com\nremote: Counting objects:  50% (1/2)\rremote: Total 2 (delta 0)\r"
        "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\n"
        "Please make sure you have the correct access rights\nand the repository exists.\n"
    )

    assert str(complaints.translated(said, SSH)).endswith("cannot be fetched (ERROR: Repository not found.)")


@given(st.text(), st.sampled_from([HTTPS, SSH]))
def test_whatever_is_said_is_one_bounded_printable_error_without_the_secret(
    said: str, talk: conversations.Conversation
) -> None:
    told = str(complaints.translated(said + SECRET + said, talk))

    assert len(told) <= 2 * limits.MESSAGE_CHARACTERS_MAX
    assert not any(ord(character) < 32 for character in told)
    assert talk is SSH or SECRET not in told
