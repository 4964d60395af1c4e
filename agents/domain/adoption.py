"""May an object that existed before us become ours?

`ifNoDiff` compares the live object with what a dry run of our apply would make of it: only where nothing would change
is it plainly the object that Git describes. What carries our field manager was ours once (released, or its entry was
lost) and comes back as adopted, which is the careful side: an adopted object is released, not deleted, when it leaves
Git.
"""

from collections.abc import Mapping
from typing import Any

from agents.domain import inventory
from protocol import bundles, naming

Object = dict[str, Any]

_SERVER_SIDE = ("managedFields", "resourceVersion", "generation")
"""What a dry run changes by itself."""


def has_our_manager(live: Object) -> bool:
    """Have we applied this object? Then its managedFields name us."""
    return any(
        field.get("manager") == naming.FIELD_MANAGER and field.get("operation") == "Apply"
        for field in live["metadata"].get("managedFields") or ()
    )


def owners(live: Object) -> tuple[str, ...]:
    """UIDs of the object's owner references."""
    return tuple(owner["uid"] for owner in live["metadata"].get("ownerReferences") or ())


def known_as(
    entry: inventory.Entry | None, by_uid: Mapping[str, inventory.Entry], live: Object
) -> inventory.Entry | None:
    """The entry under which a live object is ours already; None: it is foreign. `entry` is that of its id, `by_uid` are
    all that are ours."""
    if entry is not None and not entry.uid and has_our_manager(live):
        return entry  # an intent whose apply succeeded before the agent died
    return by_uid.get(live["metadata"]["uid"])  # perhaps the same object by another name, in another API group


def needs_dry_run(adopt: bundles.Adopt, live: Object) -> bool:
    return adopt is bundles.Adopt.IF_NO_DIFF and not has_our_manager(live)


def refusal(adopt: bundles.Adopt, live: Object, dry_run: Object | None) -> str:
    """Why the object stays foreign; empty: it is adopted. `dry_run` is the outcome that `ifNoDiff` needs."""
    if adopt is bundles.Adopt.NEVER:
        return "exists and is not ours (adopt: never)"
    if not needs_dry_run(adopt, live):
        return ""
    assert dry_run is not None, "ifNoDiff is decided by a dry run"
    different = _differences(_comparable(live), _comparable(dry_run))
    return f"exists and differs from Git at {different[0]} (adopt: ifNoDiff)" if different else ""


def _comparable(live: Object) -> Object:
    """Without what the server counts and without our own annotations: both differ on every first apply."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in _SERVER_SIDE}
    annotations = {
        name: value
        for name, value in (metadata.pop("annotations", None) or {}).items()
        if not name.startswith(naming.PREFIX)
    }
    return {**live, "metadata": {**metadata, "annotations": annotations}}


def _differences(left: Any, right: Any, path: str = "") -> list[str]:
    """Paths of what differs; values are left out, because they may be secret."""
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted(left.keys() | right.keys())
        return [found for name in names for found in _differences(left.get(name), right.get(name), f"{path}.{name}")]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [
            found
            for number, (one, other) in enumerate(zip(left, right, strict=True))
            for found in _differences(one, other, f"{path}[{number}]")
        ]
    return [] if left == right else [path or "."]
