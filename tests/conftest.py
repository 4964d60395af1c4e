"""Fixtures that all tests may use."""

import hypothesis

pytest_plugins = [
    "tests.fixtures.kube",
    "tests.fixtures.nats",
    "tests.fixtures.renderers",
    "tests.fixtures.sandbox",
    "tests.fixtures.fleet",
    "tests.fixtures.browser",
]

# A shared machine stalls now and then for longer than any deadline of an example; pytest-timeout catches real hangs.
hypothesis.settings.register_profile("flotilla", deadline=None)
hypothesis.settings.load_profile("flotilla")
