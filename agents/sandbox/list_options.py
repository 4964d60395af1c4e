"""What a list or a watch asks for beside its selection: which version, how much, and how it begins."""

import re
from collections.abc import Callable, Mapping

import msgspec

from agents.sandbox import statuses
from agents.sandbox.statuses import Cause

Query = Mapping[str, str]

EXACT, NOT_OLDER = "Exact", "NotOlderThan"
ANY = ("", "0")  # versions that name none


class ListOptions(msgspec.Struct, frozen=True):
    """The options of a list."""

    limit: int = 0
    """How many objects at most; 0 is all."""
    token: str = ""
    version: int = 0
    """0 is any."""
    match: str = ""

    @property
    def exact(self) -> bool:
        """Whether the state at just that version is wanted: also by those who ask for a page of it."""
        return self.version > 0 and (self.match == EXACT or (not self.match and self.limit > 0))


class WatchOptions(msgspec.Struct, frozen=True):
    """The options of a watch."""

    version: int
    """0 is any."""
    initial: bool
    """Whether it begins with the state."""
    streamed: bool
    """Whether that is instead of a list, of a state that is not older than the version."""
    bookmarks: bool
    timeout_s: int
    """0 leaves it to the server."""


def of_list(query: Query) -> ListOptions:
    """Read the options of a list; refuse those that contradict each other."""
    match, given, token = query.get("resourceVersionMatch", ""), query.get("resourceVersion", ""), _token(query)
    limit = _integer(query, "limit")
    causes: list[Cause] = []
    if match and not given:
        causes.append(_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if match and token:
        causes.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
    if match and match not in (EXACT, NOT_OLDER):
        causes.append(_unsupported(match, f'"{EXACT}", "{NOT_OLDER}", ""'))
    if match == EXACT and given == "0":
        causes.append(_forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in query:
        causes.append(_forbidden("sendInitialEvents is forbidden for list", field="sendInitialEvents"))
    if causes:
        raise statuses.invalid_options("ListOptions", causes)
    version = _version(given, listed=True)
    if token and version:
        raise statuses.bad_request("specifying resource version is not allowed when using continue")
    # From its cache the real server answers whole: nothing of it is ever a page of version 0.
    return ListOptions(0 if given == "0" and not token else max(0, limit), token, version, match)


def of_watch(query: Query) -> WatchOptions:
    """Read the options of a watch; refuse those that contradict each other."""
    match, given = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    streamed, timeout_s = "sendInitialEvents" in query, _integer(query, "timeoutSeconds")
    causes: list[Cause] = []
    if streamed and match != NOT_OLDER:
        causes.append(_forbidden(f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"))
    if match and not streamed:
        causes.append(_forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
    if match and match != NOT_OLDER:
        causes.append(_unsupported(match, f'"{NOT_OLDER}"'))
    if _token(query):
        causes.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
    if causes:
        raise statuses.invalid_options("ListOptions", causes)
    initial = flag(query, "sendInitialEvents") if streamed else given in ANY
    version = _version(given, listed=False)
    bookmarks = flag(query, "allowWatchBookmarks")
    return WatchOptions(version, initial, streamed, bookmarks=bookmarks, timeout_s=max(0, timeout_s))


def check_version(given: str, current: int) -> None:
    """Refuse to read one object at a version that is not there yet."""
    version = _version(given, listed=False)
    if version > current:
        raise statuses.too_large_version(version, current)


def flag(query: Query, name: str) -> bool:
    """Read a flag as the real server does: all is true but for the words that deny it."""
    return name in query and query[name].lower() not in ("0", "false")


def _token(query: Query) -> str:
    return query.get("continue", "")


def _version(given: str, *, listed: bool) -> int:
    if not given:
        return 0
    return _number(given, r"\d+", otherwise=lambda: statuses.no_version(given, listed=listed))


def _integer(query: Query, name: str) -> int:
    given = query.get(name) or "0"
    message = f'strconv.ParseInt: parsing "{given}": invalid syntax'
    return _number(given, r"[-+]?\d+", otherwise=lambda: statuses.bad_request(message))


def _number(given: str, form: str, *, otherwise: Callable[[], statuses.Failure]) -> int:
    if not re.fullmatch(form, given, re.ASCII) or len(given) > DIGITS_MAX:
        raise otherwise()
    return int(given)


DIGITS_MAX = 18
"""What fits in 64 bits; longer numbers are refused, as there."""


def _forbidden(message: str, *, field: str = "resourceVersionMatch") -> Cause:
    return ("FieldValueForbidden", f"Forbidden: {message}", field)


def _unsupported(match: str, supported: str) -> Cause:
    message = f'Unsupported value: "{match}": supported values: {supported}'
    return ("FieldValueNotSupported", message, "resourceVersionMatch")
