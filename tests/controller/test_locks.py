"""A state directory is shared by hubs, or had by one backup alone."""

import pathlib

import pytest

from controller import locks


def test_hubs_share_a_directory_and_a_backup_wants_it_alone(tmp_path: pathlib.Path) -> None:
    refused = pytest.raises(locks.LockedError, match="a hub, its nats-server")
    with locks.shared(tmp_path), locks.shared(tmp_path), refused, locks.alone(tmp_path):
        pytest.fail("had alone beside hubs")
    with locks.alone(tmp_path):
        for other in (locks.shared, locks.alone):
            with pytest.raises(locks.LockedError, match="works on it"), other(tmp_path):
                pytest.fail("had beside a backup")
    with locks.shared(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [locks.FILE]


def test_a_directory_that_cannot_be_locked_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(locks.LockedError, match="cannot be locked"), locks.shared(tmp_path / "nowhere"):
        pytest.fail("locked what is not there")


def test_one_broker_runs_on_a_store(tmp_path: pathlib.Path) -> None:
    refused = pytest.raises(locks.LockedError, match="a nats-server runs on it")
    with locks.broker(tmp_path / "nats"), refused, locks.broker(tmp_path / "nats"):
        pytest.fail("two brokers on one store")
    with locks.broker(tmp_path / "nats"):
        assert (tmp_path / "nats" / locks.FILE).exists()
