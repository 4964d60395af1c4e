"""What waits to be read: every cluster has its turn, whatever another one sends."""

import structlog.testing

from controller.broker import arriving, connection
from protocol import reports


def message(cluster: str, number: int = 0, size: int = 1) -> connection.Message:
    return connection.Message(subject=f"beat.{cluster}", reply=str(number), headers={}, body=b"x" * size)


def taken(waiting: arriving.Waiting) -> list[tuple[str, str]]:
    return [(arriving.token(one), one.reply) for one in (waiting.take() for _ in range(len(waiting)))]


def test_a_cluster_that_sends_without_end_drops_its_own_and_takes_its_turn() -> None:
    waiting = arriving.Waiting(1000)
    assert not waiting.put(message("quiet"))
    dropped = [waiting.put(message("loud", number)) for number in range(500)]
    assert not waiting.put(message("late"))

    assert dropped.count(True) == 500 - arriving.EACH_MAX
    found = taken(waiting)
    assert [cluster for cluster, _ in found[:3]] == ["quiet", "loud", "late"]
    newest = range(500 - arriving.EACH_MAX, 500)
    assert [number for cluster, number in found if cluster == "loud"] == [str(number) for number in newest]


def test_what_is_too_large_takes_nobodys_place_and_is_told_once() -> None:
    waiting = arriving.Waiting(1000)

    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            assert waiting.put(message("loud", size=reports.BEAT_BYTES_MAX + 1))
    assert not waiting.put(message("loud", size=reports.BEAT_BYTES_MAX))
    assert len(taken(waiting)) == 1
    assert [(one["subject"], one["bytes"]) for one in said] == [("beat.loud", reports.BEAT_BYTES_MAX + 1)]


def test_all_together_are_bounded() -> None:
    waiting = arriving.Waiting(3)
    dropped = [waiting.put(message(f"edge-{number}")) for number in range(5)]

    assert dropped == [False, False, False, True, True]
    assert [cluster for cluster, _ in taken(waiting)] == ["edge-2", "edge-3", "edge-4"]
