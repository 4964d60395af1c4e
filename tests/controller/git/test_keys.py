"""Keys and known hosts: found where the spec says, checked before anything is sent, shown nowhere."""

import pathlib

import asyncssh
import pytest

from controller.git import errors, keys, urls
from protocol import specs

URL = urls.parse("ssh://git@example.com/shop.git")
KEY = asyncssh.generate_private_key("ssh-ed25519")
PLAIN = KEY.export_private_key("openssh").decode()
LOCKED = KEY.export_private_key("openssh", passphrase="horse").decode()
HOSTS = "example.com ssh-ed25519 AAAA\n"
ENVIRON = {"KEY": PLAIN, "LOCKED": LOCKED, "PASS": "horse", "WRONG": "cow", "WHO": "ada", "NONE": "no key"}


def read(spec: specs.GitCredentials | None, url: urls.Url = URL) -> keys.Identity | None:
    return keys.read(spec, url=url, environ=ENVIRON)


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_key_of_any_usual_kind_is_read(tmp_path: pathlib.Path, algorithm: str, form: str) -> None:
    key = asyncssh.generate_private_key(algorithm)
    file = tmp_path / "key"
    file.write_bytes(key.export_private_key(form).strip().replace(b"\n", b"\r\n"))

    found = read(specs.GitCredentials(ssh_key_file=str(file), known_hosts=HOSTS))

    assert found is not None
    assert found.fingerprint == key.get_fingerprint()
    assert asyncssh.import_private_key(found.reveal()) == key


def test_a_passphrase_opens_its_key() -> None:
    found = read(specs.GitCredentials(ssh_key_env="LOCKED", ssh_passphrase_env="PASS", known_hosts=HOSTS))

    assert found is not None
    assert found.fingerprint == KEY.get_fingerprint()


def test_the_login_comes_from_the_url_or_the_username_or_is_git() -> None:
    bare = urls.parse("ssh://example.com/shop.git")
    spec = specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS)
    named = specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS, username_env="WHO")
    other = urls.parse("bob@example.com:shop.git")

    assert [one.user for one in (read(spec), read(spec, bare), read(named, bare), read(spec, other)) if one] == [
        "git", "git", "ada", "bob",
    ]  # fmt: skip


def test_no_representation_shows_the_key() -> None:
    found = read(specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS))

    assert found is not None
    assert "PRIVATE" not in f"{found} {found!r}"


def test_other_urls_have_no_key() -> None:
    assert read(None, urls.parse("https://example.com/a.git")) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (None, "sshKeyFile and sshKeyEnv"),
        (specs.GitCredentials(ssh_key_env="KEY", ssh_key_file="/x", known_hosts=HOSTS), "one of sshKeyFile"),
        (specs.GitCredentials(ssh_key_env="KEY"), "knownHosts and knownHostsFile"),
        (specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS, known_hosts_file="/x"), "knownHosts and"),
        (specs.GitCredentials(ssh_key_env="KEY", known_hosts_file="/no/such/file"), "No such file"),
        (specs.GitCredentials(ssh_key_env="UNSET", known_hosts=HOSTS), "UNSET is not set"),
        (specs.GitCredentials(ssh_key_env="NONE", known_hosts=HOSTS), "none that can be used"),
        (specs.GitCredentials(ssh_key_env="LOCKED", known_hosts=HOSTS), "sshPassphraseEnv"),
        (specs.GitCredentials(ssh_key_env="LOCKED", ssh_passphrase_env="WRONG", known_hosts=HOSTS), "wrong passphrase"),
        (specs.GitCredentials(ssh_key_env="KEY", ssh_passphrase_env="PASS", known_hosts=HOSTS), "no passphrase"),
        (specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS, username="ada"), "two logins"),
    ],
)
def test_what_cannot_be_used_names_the_setting_and_not_the_secret(
    spec: specs.GitCredentials | None, reason: str
) -> None:
    with pytest.raises(errors.InvalidCredentials, match=reason) as caught:
        read(spec)

    assert caught.value.__context__ is None or isinstance(caught.value.__context__, OSError)
    assert not any(value in str(caught.value) for value in ("horse", "cow", PLAIN.splitlines()[1]))


def test_a_login_that_ssh_would_take_for_an_option_is_refused() -> None:
    spec = specs.GitCredentials(ssh_key_env="KEY", known_hosts=HOSTS, username="-oProxyCommand=x")

    with pytest.raises(errors.InvalidCredentials, match="not one that ssh could take"):
        read(spec, urls.parse("ssh://example.com/shop.git"))


def test_a_key_beside_an_https_url_is_a_mistake() -> None:
    with pytest.raises(errors.InvalidCredentials, match="for ssh only"):
        read(specs.GitCredentials(ssh_key_env="KEY"), urls.parse("https://example.com/a.git"))
