"""The streams as they must be, and what is said when they are not."""

import msgspec
import pytest

from controller.broker import api, doors
from controller.broker import streams as broker_streams
from protocol import streams
from tests.fixtures import nats as rigs

WANTED = streams.REPORTS
CONFIG = msgspec.to_builtins(WANTED) | {"subjects": list(WANTED.subjects)}


def test_what_was_asked_for_does_not_differ() -> None:
    served = CONFIG | {
        "max_age": 0,
        "max_msgs": -1,
        "compression": "none",
        "consumer_limits": {},
        "metadata": {"_nats.ver": "2.15.1"},
        "allow_msg_counter": False,
        "persist_mode": "default",
    }

    assert broker_streams.differing(WANTED, served) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_rollup_hdrs", True),
        ("allow_msg_ttl", True),
        ("allow_msg_counter", True),
        ("allow_msg_schedules", True),
        ("allow_batched", True),
        ("allow_atomic", True),
        ("max_age", 3600),
        ("max_bytes", 1000),
        ("sealed", True),
        ("no_ack", True),
        ("mirror", {"name": "X"}),
        ("sources", [{"name": "X"}]),
        ("subject_transform", {"src": "a", "dest": "b"}),
        ("republish", {"src": "a", "dest": "b"}),
        ("discard", "new"),
        ("subjects", [">"]),
        ("max_msgs_per_subject", 1),
        ("duplicate_window", 120_000_000_000),
        ("something_that_a_later_server_brings", True),
    ],
)
def test_each_setting_that_differs_is_named_with_what_was_expected_and_found(name: str, value: object) -> None:
    [difference] = broker_streams.differing(WANTED, CONFIG | {name: value})

    assert difference.startswith(f"{name}: expected ")
    assert difference.endswith(f"found {value}")


@pytest.mark.nats
async def test_streams_are_made_once_and_found_after(hub: doors.Doors) -> None:
    await broker_streams.ensure(hub.hub)

    for stream in streams.ALL:
        assert await api.info(hub.hub, stream.name) is not None


@pytest.mark.nats
async def test_a_stream_that_somebody_changed_is_refused_at_the_next_start(rig: rigs.Rig, hub: doors.Doors) -> None:
    changed = CONFIG | {"allow_rollup_hdrs": True}
    await api.call(hub.hub, "STREAM.UPDATE.REPORTS", changed, what="stream REPORTS")

    with pytest.raises(broker_streams.StreamMismatch, match="allow_rollup_hdrs: expected False, found True") as caught:
        async with doors.opened([rig.url], rig.ring, at=rigs.NOW):
            pass
    assert str(caught.value).startswith("stream REPORTS: ")
