"""The hub's metrics as a collector gets them."""

import datetime

import pytest
from opentelemetry.sdk.metrics import export

from controller import exporting, metrics

BEGAN = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
AT = BEGAN + datetime.timedelta(seconds=30)


@pytest.fixture
def found() -> dict[str, export.Metric]:
    counted = metrics.Metrics(lag_s=lambda: 0.25)
    for seconds, whole in ((0.01, True), (0.3, True), (400.0, False)):
        counted.rendered(seconds, whole=whole)
    return {one.name: one for one in exporting.translated(counted.families(), began=BEGAN, at=AT)}


def test_a_gauge_is_a_gauge_in_base_units(found: dict[str, export.Metric]) -> None:
    lag = found["flotilla_hub_loop_lag_seconds"]

    assert lag.unit == "s"
    assert [point.value for point in lag.data.data_points] == [0.25]


def test_a_counter_is_a_sum_that_only_rises(found: dict[str, export.Metric]) -> None:
    renders = found["flotilla_renders"].data

    assert isinstance(renders, export.Sum)
    assert renders.is_monotonic
    assert {(str(point.attributes), point.value) for point in renders.data_points} == {
        ("{'result': 'whole'}", 2.0),
        ("{'result': 'in_error'}", 1.0),
    }
    assert {point.time_unix_nano - point.start_time_unix_nano for point in renders.data_points} == {30_000_000_000}


def test_a_histogram_counts_what_lies_between_its_bounds(found: dict[str, export.Metric]) -> None:
    (point,) = found["flotilla_render_seconds"].data.data_points

    assert isinstance(point, export.HistogramDataPoint)
    assert tuple(point.explicit_bounds) == metrics.RENDER_BUCKETS_S
    assert list(point.bucket_counts) == [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert (point.count, round(point.sum, 2)) == (3, 400.31)


@pytest.mark.parametrize(("text", "seconds"), [("500", 0.5), ("", 60.0), ("soon", 60.0), ("-1", 60.0), ("inf", 60.0)])
def test_a_senseless_interval_counts_as_the_default(text: str, seconds: float) -> None:
    assert exporting.interval_s({exporting.INTERVAL_VARIABLE: text}) == seconds
