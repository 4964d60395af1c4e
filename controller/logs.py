"""Structured logs on standard error: for a person on a terminal, as JSON elsewhere. Standard output is for answers."""

import sys

import structlog

from protocol import complaints, tracing


def configure(form: str = "auto") -> None:
    """`console`, `json`, or `auto`: console on a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            tracing.add_ids,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    complaints.listen(structlog.get_logger())
