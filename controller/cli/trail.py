"""The log as lines for people: accounts by the names of their clusters, digests as far as anybody compares them.

Programs get the events whole (`-o json`).
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from controller.cli import output, session

Event = Mapping[str, Any]

NAMED_MAX = 5
"""Names of one list in a line; the rest are counted."""

TEXT_MAX = 100
"""Characters of one field in a line: a reason of a sentence or two."""

DIGEST_CHARS = 12

_ACCOUNT = re.compile(r"A[A-Z2-7]{55}")
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")

_LEFT_OUT = frozenset({"type", "at", "base", "catalog", "previous", "renderer", "reportsSequence", "signingKey"})
"""What the hub needs to fold an event again, and nobody to read it."""


class Names:
    """The clusters' names, asked for when an event names one that is not known yet."""

    def __init__(self, hub: session.Hub) -> None:
        self._hub = hub
        self._names: dict[str, str] = {}

    def learn(self, items: Iterable[Event]) -> None:
        """Know all that these events name and that there still is."""
        named = set(_ACCOUNT.findall(json.dumps(list(items))))
        if named - self._names.keys():
            self._names = {account: f"{account[:8]}…" for account in named}
            self._names |= {one["id"]: one["name"] for one in self._hub.items("clusters")}

    def __call__(self, text: str) -> str:
        """The text with names in place of accounts."""
        return _ACCOUNT.sub(lambda found: self._names.get(found[0], found[0]), text)


def show(items: Sequence[Event], form: output.Format, names: Names) -> None:
    """Print events, a line each but for YAML."""
    if form in (output.Format.TABLE, output.Format.WIDE):
        names.learn(one["event"] for one in items)
    for one in items:
        output.done(_line(one, form, names))
    sys.stdout.flush()


def _line(one: Event, form: output.Format, names: Names) -> str:
    if form is output.Format.JSON:
        return json.dumps(one, ensure_ascii=False)
    if form is output.Format.YAML:
        return yaml.safe_dump([one], sort_keys=False, allow_unicode=True).rstrip("\n")
    if form is output.Format.NAME:
        return str(one["id"])
    return f"{one['sequence']:>6}  {one['at'][:19]}  {one['by']:<12}  {one['type']:<18}  {_gist(one['event'], names)}"


def _gist(event: Event, names: Names) -> str:
    told = ((key, _told(value, names)) for key, value in event.items() if key not in _LEFT_OUT)
    return " ".join(f"{key}={text}" for key, text in told if text)


def _told(value: Any, names: Names) -> str:
    """A field in a few words; empty: in none."""
    match value:
        case bool():
            return "yes" if value else ""
        case str() | int() | float():
            return _short(str(value or ""), names)
        case list() if value and all(isinstance(one, str) for one in value):
            more = f" and {len(value) - NAMED_MAX} more" if len(value) > NAMED_MAX else ""
            return ",".join(_short(one, names) for one in value[:NAMED_MAX]) + more
        case list() if value and all(isinstance(one, dict) and "cluster" in one for one in value):
            return _told(sorted({one["cluster"] for one in value}), names)
        case {"name": str(name)}:
            return _short(name, names)
        case {"ref": str(ref), "commit": str(commit)}:
            return f"{ref}@{commit[:DIGEST_CHARS]}"
    return ""


def _short(text: str, names: Names) -> str:
    found = _DIGEST.sub(r"\1", names(text))
    return found if len(found) <= TEXT_MAX else f"{found[: TEXT_MAX - 1]}…"
