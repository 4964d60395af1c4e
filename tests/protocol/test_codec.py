"""Bytes to messages: old bytes stay readable, foreign bytes are an error and never a crash."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, messages
from protocol.codec import Codec, DecodeError, Raw
from protocol.events import log

EVERY_CODEC: list[Codec[Any]] = [
    messages.STATE,
    messages.SIGNED,
    messages.DELETIONS,
    messages.ROOT,
    messages.INDEX,
    messages.REPORT,
    messages.BEAT,
    log.RECORD,
]


class Circle(msgspec.Struct, frozen=True, tag="Circle.v3"):
    """What circles are today."""

    diameter: int
    colour: str = "black"


class Square(msgspec.Struct, frozen=True, tag="Square"):
    """Never changed."""

    side: int


def _doubled(raw: Raw) -> Raw:
    return {"type": "Circle.v2", "diameter": 2 * raw["radius"]}


def _coloured(raw: Raw) -> Raw:
    return {**raw, "type": "Circle.v3", "colour": "white"}


SHAPES: Codec[Circle | Square] = Codec(Circle | Square, {"Circle": _doubled, "Circle.v2": _coloured})


def test_what_is_encoded_is_decoded_to_the_same() -> None:
    assert SHAPES.decode(SHAPES.encode(Circle(diameter=4))) == Circle(diameter=4)


def test_an_old_message_is_led_through_every_upcaster_up_to_today() -> None:
    assert SHAPES.decode(b'{"type":"Circle","radius":2}') == Circle(diameter=4, colour="white")


def test_a_message_from_the_middle_of_the_chain_takes_the_rest_of_it() -> None:
    assert SHAPES.decode(b'{"type":"Circle.v2","diameter":4}') == Circle(diameter=4, colour="white")


def test_a_present_message_is_not_touched_by_upcasters() -> None:
    assert SHAPES.decode(b'{"type":"Square","side":3}') == Square(side=3)


def test_an_upcaster_that_meets_a_body_of_another_shape_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="Circle cannot be read"):
        SHAPES.decode(b'{"type":"Circle","radios":2}')


@pytest.mark.parametrize("tag", [[], {}, None, 1, True])
def test_a_tag_that_is_no_text_is_a_decode_error(tag: object) -> None:
    with pytest.raises(DecodeError):
        SHAPES.decode(json.dumps({"type": tag}).encode())


def test_upcasters_that_lead_in_a_circle_are_a_decode_error() -> None:
    endless: Codec[Square] = Codec(
        Square, {"a": lambda raw: {**raw, "type": "b"}, "b": lambda raw: {**raw, "type": "a"}}
    )

    with pytest.raises(DecodeError, match="more than 64 upcasts"):
        endless.decode(b'{"type":"a"}')


def test_an_unknown_tag_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="Triangle"):
        SHAPES.decode(b'{"type":"Triangle"}')


def test_an_unknown_field_is_ignored() -> None:
    assert SHAPES.decode(b'{"type":"Square","side":3,"angle":90}') == Square(side=3)


def test_every_wire_message_ignores_fields_of_a_later_version() -> None:
    beat = {
        "type": "Beat",
        "root": "",
        "later": {"anything": [1]},
        "origin": {
            "cluster": "A",
            "boot": 1,
            "number": 1,
            "at": "2026-01-01T00:00:00Z",
            "epoch": 1,
            "generation": 1,
            "logHead": {"sequence": 0, "hash": "", "later": 1},
            "later": None,
        },
    }

    assert messages.BEAT.decode(json.dumps(beat).encode()).origin.boot == 1


@pytest.mark.parametrize("data", [b"[" * 100_000, b"1" * 5_000, b"\xff\xfe", b'"\\ud800"', b"", b"null", b"1e999"])
@pytest.mark.parametrize("one", [*EVERY_CODEC, SHAPES])
def test_hostile_bytes_are_a_decode_error(one: Codec[Any], data: bytes) -> None:
    with pytest.raises(DecodeError):
        one.decode(data)


@given(data=st.binary(max_size=400), which=st.sampled_from([*EVERY_CODEC, SHAPES]))
def test_any_bytes_are_a_message_or_a_decode_error(data: bytes, which: Codec[Any]) -> None:
    with contextlib.suppress(DecodeError):
        which.decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TAGS = st.sampled_from(["Circle", "Circle.v2", "Circle.v3", "Square", "Hello", "Applied", "ClusterRoot", "Deletions"])
FIELDS = st.sampled_from(["radius", "side", "origin", "bundles", "items", "root", "event", "previous", "at", "id"])


@given(
    tag=TAGS,
    fields=st.dictionaries(FIELDS, json_values, max_size=6),
    which=st.sampled_from([*EVERY_CODEC, SHAPES]),
)
def test_any_json_under_a_known_tag_is_a_message_or_a_decode_error(
    tag: str, fields: dict[str, object], which: Codec[Any]
) -> None:
    data = json.dumps({**fields, "type": tag}).encode()

    with contextlib.suppress(DecodeError):
        which.decode(data)


def test_the_tag_of_a_message_is_the_one_on_the_wire() -> None:
    assert codec.tag_of(Circle(diameter=1)) == "Circle.v3"


def test_what_is_no_wire_type_has_no_tag() -> None:
    class Untagged(msgspec.Struct):
        pass

    with pytest.raises(AssertionError, match="Untagged is not a tagged wire type"):
        codec.tag_of(Untagged())
