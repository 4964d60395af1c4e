"""A missing part is a skip, and a failure where it was asked for."""

import pytest

from tests import requirements


def test_a_missing_part_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(requirements.VARIABLE, "nats")

    with pytest.raises(pytest.skip.Exception, match=r"^kube: there is no go$"):
        requirements.require("kube", "there is no go")


def test_a_missing_part_that_was_asked_for_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(requirements.VARIABLE, "nats, kube")

    with pytest.raises(pytest.fail.Exception, match=r"names kube, but there is no go$"):
        requirements.require("kube", "there is no go")
