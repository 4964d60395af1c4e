"""Why a command is refused.

Rejection
├── NotFound       nothing has that name
├── AlreadyExists  something else has that name
├── Managed        declared by the configuration file, which alone may change it
├── Changed        an approval of something that is not that any more
└── Invalid        the command makes no sense
"""


class Rejection(Exception):
    """A command that changes nothing; the message says to a person what to do instead."""


class NotFound(Rejection):
    """Nothing has that name."""


class AlreadyExists(Rejection):
    """Something else has that name."""


class Managed(Rejection):
    """Declared by the configuration file, which alone may change it."""


class Changed(Rejection):
    """What was approved is not what is there now."""


class Invalid(Rejection):
    """The command makes no sense."""
