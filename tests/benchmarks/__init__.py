"""What Flotilla costs, each as a ratio to a limit measured in the same run; `make bench` runs them all.

A benchmark prints its measurements, and nothing else, on standard output: one line of JSON each.
"""

import sys

import structlog

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
