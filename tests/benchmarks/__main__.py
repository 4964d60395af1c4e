"""All benchmarks, one after the other, and what came of them on one screen.

`python -m tests.benchmarks [--full]`. Each runs in a process of its own, so that none inherits another's memory; its
lines of JSON are shown as they come. Takes some five minutes on two cores, and ten or more with `--full`.
"""

import json
import subprocess
import sys
from typing import Any

import rich.console
import rich.table

BENCHMARKS = (
    "bench_log",
    "bench_api",
    "bench_yaml",
    "bench_change",
    "bench_drift",
    "bench_memory",
    "bench_render",
    "bench_sandbox",
)
SIZED = ("bench_render",)
SHOWN = {"what", "ratio", "goal"}


def run(name: str, *, full: bool) -> list[dict[str, Any]]:
    """One benchmark's lines; raise CalledProcessError if it fails."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *(["--full"] if full and name in SIZED else [])]
    lines: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(json.loads(line))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return lines


def main(arguments: list[str]) -> int:
    table = rich.table.Table("benchmark", "what", "ratio", "goal", "else")
    for name in BENCHMARKS:
        for line in run(name, full="--full" in arguments):
            rest = ", ".join(f"{key} {value}" for key, value in line.items() if key not in SHOWN)
            table.add_row(name, line["what"], str(line.get("ratio", "")), str(line.get("goal", "")), rest)
    rich.console.Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
