"""What the hub counts, as Prometheus reads it."""

import datetime

from controller import metrics
from controller.domain import sweeping


def test_bundles_are_counted_by_how_they_went() -> None:
    counted = metrics.Metrics(lag_s=lambda: 0.0)
    counted.rendered(0.01, whole=True)
    counted.rendered(0.3, whole=True)
    counted.rendered(2.0, whole=False)

    lines = counted.exposition().decode().splitlines()

    assert [line for line in lines if line.startswith("flotilla_renders_total")] == [
        'flotilla_renders_total{result="whole"} 2.0',
        'flotilla_renders_total{result="in_error"} 1.0',
    ]
    assert 'flotilla_render_seconds_bucket{le="0.5"} 2.0' in lines
    assert "flotilla_render_seconds_count 3.0" in lines


def test_sweeps_are_added_up_and_tell_what_is_left() -> None:
    counted = metrics.Metrics(lag_s=lambda: 0.0)
    at = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)
    for blobs in (2, 1):
        counted.swept(sweeping.Swept(blobs=blobs, size=10), sweeping.Holding(blobs=7, size=900, at=at))

    lines = counted.exposition().decode().splitlines()

    assert {"flotilla_blobs_swept_total 3.0", "flotilla_blobs 7.0", "flotilla_blobs_bytes 900.0"} <= set(lines)
