"""What a doctor found: of the hub or of an agent, in the same words."""

import enum
from collections.abc import Iterable, Sequence

import msgspec


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that was looked at."""

    check: str
    """What was looked at, in a word or two; of several of a kind with a name behind it."""
    level: Level
    message: str
    advice: str = ""
    """What to do; empty: nothing."""


def fine(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """It works, and will not for long, or not always."""
    return Finding(check, Level.WARNING, message, advice)


def wrong(check: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.ERROR, message, advice)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all is well, 1: warnings, 2: errors."""
    levels = {one.level for one in findings}
    return 2 if Level.ERROR in levels else 1 if Level.WARNING in levels else 0


def text(findings: Sequence[Finding], *, as_json: bool) -> str:
    """All of them: a line each for a person, with what to do below it; or a JSON document."""
    if as_json:
        document = {"items": findings, "exitCode": exit_code(findings)}
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    width = max((len(one.check) for one in findings), default=0)
    lines = []
    for one in findings:
        lines.append(f"{one.level.value:<8} {one.check:<{width}}  {one.message}")
        if one.advice:
            lines.append(f"{'':8} {'':{width}}  → {one.advice}")
    return "\n".join(lines) + "\n"


def space(check: str, place: str, free_bytes: int, *, needed_bytes: int) -> Finding:
    """Is there room on a disk? Below `needed_bytes` it is short, below a tenth of that it is as good as full."""
    told = f"{place}: {free_bytes / 2**20:,.0f} MiB free"
    if free_bytes < needed_bytes / 10:
        return wrong(check, told, f"make room: {needed_bytes / 2**20:,.0f} MiB at least")
    if free_bytes < needed_bytes:
        return warning(check, told, f"make room: {needed_bytes / 2**20:,.0f} MiB at least")
    return fine(check, told)


def skew(check: str, whose: str, seconds: float, *, allowed_s: float) -> Finding:
    """Do two clocks agree? Nothing that is decided rests on it, but people and tokens do."""
    told = f"the clock of {whose} is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) > allowed_s:
        return warning(check, told, "synchronize the clocks (NTP): tokens and certificates have times")
    return fine(check, f"the clock of {whose} agrees within {allowed_s:.0f} s")


def ends(check: str, what: str, left_s: float, *, soon_s: float, advice: str) -> Finding:
    """Does something with an end still hold?"""
    if left_s <= 0:
        return wrong(check, f"{what} ended {-left_s / 3600:.1f} h ago", advice)
    told = f"{what} holds for {left_s / 3600:,.1f} h"
    return warning(check, told, advice) if left_s < soon_s else fine(check, told)
