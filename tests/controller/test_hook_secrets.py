"""The secrets of webhooks on the disk: nobody else reads them, and a new one ends the one before."""

import pathlib
import stat

import pytest

from controller import hook_secrets
from protocol import ids

SHOP = ids.SourceName("shop")


@pytest.fixture
def store(tmp_path: pathlib.Path) -> hook_secrets.HookSecrets:
    return hook_secrets.HookSecrets(tmp_path / "keys" / "hooks")


def test_a_source_has_no_hook_until_it_is_given_one(store: hook_secrets.HookSecrets) -> None:
    assert store.get(SHOP) is None
    assert not store.forget(SHOP)


def test_a_secret_is_kept_for_its_owner_alone(store: hook_secrets.HookSecrets, tmp_path: pathlib.Path) -> None:
    secret = store.renew(SHOP)
    file = tmp_path / "keys" / "hooks" / "shop.secret"

    assert store.get(SHOP) == secret
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert [one.name for one in file.parent.iterdir()] == ["shop.secret"]


def test_a_new_secret_ends_the_one_before(store: hook_secrets.HookSecrets) -> None:
    first = store.renew(SHOP)
    second = store.renew(SHOP)

    assert (store.get(SHOP) == second, first == second) == (True, False)
    assert store.forget(SHOP)
    assert store.get(SHOP) is None


@pytest.mark.parametrize("name", ["../signing", "a/b", "", "."])
def test_a_name_leads_nowhere_else(store: hook_secrets.HookSecrets, name: str) -> None:
    with pytest.raises(ids.InvalidNameError):
        store.get(ids.SourceName(name))


def test_what_cannot_be_written_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    store = hook_secrets.HookSecrets(tmp_path / "file")

    for attempt in (store.get, store.renew, store.forget):
        with pytest.raises(hook_secrets.HookSecretsError, match="hook of source shop"):
            attempt(SHOP)
