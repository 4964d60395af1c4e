"""What libraries say by the standard library's logging, as lines of our own log.

Nobody else listens there: without this, Python would print the bare text beside our structured lines.
"""

import logging
from typing import Any

HARMLESS = ("returning true from eof_received() has no effect when using ssl",)
"""asyncio says it at the end of each TLS connection whose reader is a plain stream, as that of nats-py is; the
connection is closed all the same."""


class Complaints(logging.Handler):
    """Gives each on to a structured log; `log` is one of structlog."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text in HARMLESS:
            return
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        say(text, library=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))


def listen(log: Any) -> None:
    """From now on; whoever listened so before does no longer."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, Complaints)]
    root.addHandler(Complaints(log))
