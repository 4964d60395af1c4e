"""Quantities in their shortest form, as the real server writes them."""

import pytest

from agents.sandbox import quantities


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        (1, "1"),
        (0.5, "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("2048", "2048"),
        ("1000", "1k"),
        ("100M", "100M"),
        ("0", "0"),
        ("0.1Ki", "102400m"),
        ("1e3", "1e3"),
        ("12E", "12E"),
        ("5u", "5u"),
        ("0.0000000001", "1n"),
        ("-2Ki", "-2Ki"),
    ],
)
def test_a_quantity_has_one_form(given: object, expected: str) -> None:
    assert quantities.canonical_quantity(given) == expected


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1 Gi"])
def test_what_is_no_quantity_stays_what_it_is(text: str) -> None:
    assert quantities.canonical_quantity(text) == text
