"""A real part that is missing: one line that says why, or a failure where it was asked for.

A developer without a Go toolchain still wants the other tests; CI must never pass because half of them were skipped.
`FLOTILLA_REQUIRE=kube,nats,helm` names the parts whose absence is a failure.
"""

import os
from typing import NoReturn

import pytest

VARIABLE = "FLOTILLA_REQUIRE"


def required(part: str) -> bool:
    """Whether the absence of this part is a failure here."""
    return part in {word.strip() for word in os.environ.get(VARIABLE, "").split(",")}


def require(part: str, reason: str) -> NoReturn:
    """End the test that needs a part which is not there; `reason` is one line."""
    if required(part):
        pytest.fail(f"{VARIABLE} names {part}, but {reason}", pytrace=False)
    pytest.skip(f"{part}: {reason}", allow_module_level=True)
