"""Settings of the property tests."""

from hypothesis import settings

# A property is not a measurement: on a busy machine a single example may take any time. Fifty a run add up over runs.
settings.register_profile("sandbox", deadline=None, max_examples=50)
settings.load_profile("sandbox")
