"""What an API server serves beside Kubernetes' own groups, from one look to the next.

What is new counts at once. What is gone counts once two looks in a row agree, and not while the server behind its group
is away: what renders by it would lose objects to a restart. A newer version of Kubernetes counts at once, an older one
once OLDER_LOOKS looks in a row found it: while several API servers are upgraded, each look may reach another of them.
"""

import re

import msgspec

API_VERSIONS_MAX = 4000
"""Names of what a cluster serves, in one report: a cluster with 500 custom kinds has about 1,200."""


OLDER_LOOKS = 10
"""Minutes, at the default interval: that so many looks reach only servers that are not upgraded yet is unlikely, and
who goes back to an older version can wait."""

_NUMBERS = re.compile(r"v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


class Look(msgspec.Struct, frozen=True):
    """What one look at the API server found."""

    kubernetes_version: str
    names: frozenset[str] = frozenset()
    """`group/version` and `group/version/Kind`."""
    doubtful: frozenset[str] = frozenset()
    """Each `group/version` whose own server is away, so that its kinds may be more than were told."""


class Served(msgspec.Struct, frozen=True):
    """What counts as served."""

    kubernetes_version: str
    api_versions: tuple[str, ...] = ()
    """As Helm names it, sorted; at most API_VERSIONS_MAX."""
    missed: frozenset[str] = frozenset()
    """Of these, what the last look did not find."""
    older: int = 0
    """How many looks in a row found an older version of Kubernetes than counts."""


def looked(before: Served | None, found: Look) -> Served:
    """What counts after one more look. `before`: None at the first."""
    if before is None:
        return _served(Served(found.kubernetes_version), found.names)
    absent = {name for name in before.api_versions if name not in found.names and _group(name) not in found.doubtful}
    kept = set(before.api_versions) - (absent & before.missed)
    return msgspec.structs.replace(
        _served(_version(before, found.kubernetes_version), found.names | kept),
        missed=frozenset(absent - before.missed),
    )


def differ(one: Served, other: Served) -> bool:
    """Do they say other things to whoever renders by them?"""
    return (one.kubernetes_version, one.api_versions) != (other.kubernetes_version, other.api_versions)


def _version(before: Served, found: str) -> Served:
    """The version that counts, alone."""
    is_older = _order(found) < _order(before.kubernetes_version)
    if is_older and before.older + 1 < OLDER_LOOKS:
        return Served(before.kubernetes_version, older=before.older + 1)
    return Served(found)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    """In which versions follow each other; of two builds of one version, one is always the older."""
    numbers = _NUMBERS.match(version)
    return tuple(int(one or 0) for one in numbers.groups()) if numbers is not None else (), version


def _served(version: Served, names: frozenset[str] | set[str]) -> Served:
    return msgspec.structs.replace(version, api_versions=tuple(sorted(names))[:API_VERSIONS_MAX])


def _group(name: str) -> str:
    """The `group/version` of a name."""
    return "/".join(name.split("/")[:2])
