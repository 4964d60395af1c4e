"""Fixtures that all tests may use."""

pytest_plugins = ["tests.fixtures.kube", "tests.fixtures.nats", "tests.fixtures.sandbox"]
