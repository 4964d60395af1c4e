"""The sandbox for the tests of this directory."""

from tests.fixtures.sandbox import sandbox

__all__ = ["sandbox"]
