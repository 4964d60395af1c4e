"""The wire format is what the golden file says: other people's logs and clusters hold these bytes."""

import json
from typing import Any

import msgspec
import pytest

from protocol import canonical, codec
from tests.contract import examples, regenerate

GOLDEN: dict[str, Any] = json.loads(regenerate.GOLDEN.read_text())


def test_every_type_has_its_golden_bytes() -> None:
    assert sorted(GOLDEN) == sorted(examples.every())


@pytest.mark.parametrize("tag", sorted(GOLDEN))
def test_a_type_is_written_as_it_always_was(tag: str) -> None:
    written = json.loads(canonical.encode(examples.every()[tag]))

    assert written == GOLDEN[tag]


@pytest.mark.parametrize("tag", sorted(GOLDEN))
def test_the_golden_bytes_are_still_read(tag: str) -> None:
    expected = examples.every()[tag]

    assert msgspec.json.decode(json.dumps(GOLDEN[tag]), type=type(expected)) == expected


@pytest.mark.parametrize("tag", sorted(GOLDEN))
def test_a_reader_of_today_ignores_a_field_of_tomorrow(tag: str) -> None:
    """Declarations of people (specs and selectors) are strict on purpose, but only below the message itself."""
    expected = examples.every()[tag]
    newer = {**GOLDEN[tag], "aFieldOfTomorrow": {"x": 1}}

    assert codec.Codec(type(expected)).decode(json.dumps(newer).encode()) == expected
