"""What the hub counts, as Prometheus reads it."""

from controller import metrics


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
