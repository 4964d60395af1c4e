"""Settings of the property tests."""

from hypothesis import settings

# A property is not a measurement: on a busy machine a single example may take any time.
settings.register_profile("sandbox", deadline=None)
settings.load_profile("sandbox")
