"""The errors of the hub; whoever catches one decides by `Terminal` or `Transient`, not by its text.

    HubError
    ├── Terminal         trying again cannot help: a person, or another decision, must
    └── Transient        trying again later may help
        └── Unavailable  something did not answer in time; what was asked of it may have happened or not

A message reads "object: what failed (reason)" and never holds a secret.
"""


class HubError(Exception):
    """Something the world did to the hub."""


class Terminal(HubError):
    """Trying again the same cannot help."""


class Transient(HubError):
    """Trying again later may help."""


class Unavailable(Transient):
    """No answer in time: the outcome is unknown."""
