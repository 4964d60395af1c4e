"""What an API server serves beside Kubernetes' own groups, from one look to the next.

What is new counts at once. What is gone counts once two looks in a row agree, and not while the server behind its group
is away: what renders by it would lose objects to a restart. A version of Kubernetes counts at once.
"""

import msgspec

API_VERSIONS_MAX = 4000
"""Names of what a cluster serves, in one report: a cluster with 500 custom kinds has about 1,200."""


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


def looked(before: Served | None, found: Look) -> Served:
    """What counts after one more look. `before`: None at the first."""
    if before is None:
        return _served(found, found.names, frozenset())
    absent = {name for name in before.api_versions if name not in found.names and _group(name) not in found.doubtful}
    kept = set(before.api_versions) - (absent & before.missed)
    return _served(found, found.names | kept, frozenset(absent - before.missed))


def differ(one: Served, other: Served) -> bool:
    """Do they say other things to whoever renders by them?"""
    return (one.kubernetes_version, one.api_versions) != (other.kubernetes_version, other.api_versions)


def _served(found: Look, names: frozenset[str], missed: frozenset[str]) -> Served:
    return Served(found.kubernetes_version, tuple(sorted(names))[:API_VERSIONS_MAX], missed)


def _group(name: str) -> str:
    """The `group/version` of a name."""
    return "/".join(name.split("/")[:2])
