"""Why a command is refused.

Rejection
├── NotFound       nothing has that name
├── AlreadyExists  something else has that name
├── Managed        declared by the configuration file, which alone may change it
├── Changed        an approval of something that is not that any more
├── Forbidden      whoever asks is not let in
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


class Forbidden(Rejection):
    """Whoever asks is not let in."""


class Invalid(Rejection):
    """The command makes no sense."""
