"""What a bundle says about itself, whichever file says it: `flotilla.yaml` or `fleet.yaml`."""

import enum
import re
from collections.abc import Mapping, Sized
from typing import Annotated, Any

import msgspec

from controller.render import errors, limits, recipes, typed_yaml, yamls
from protocol import bundles, ids, selectors

FLOTILLA = "flotilla.yaml"
FLEET = "fleet.yaml"

NAME_CHARACTERS_MAX = 253
"""As long as a Kubernetes object's name may be; it is shown in one line."""

MANAGER_CHARACTERS_MAX = 128
"""Of a field manager's name, as the API server has it."""

OVERLAYS = "overlays"
"""The directory of a bundle that its overlays stand in."""

POINTER = r"(/([^~/]|~[01])*)+"
"""A JSON pointer (RFC 6901), that to the whole document apart."""

_SHARE = re.compile(r"[1-9][0-9]{0,8}|([1-9][0-9]?|100)%")


def in_schema(**keywords: Any) -> msgspec.Meta:
    """What the JSON Schema says of a type in addition; the parser tells it in its own words."""
    return msgspec.Meta(extra_json_schema=keywords)


class State(enum.StrEnum):
    """What a bundle that another depends on must have reached."""

    APPLIED = "applied"
    """All its objects are applied."""
    READY = "ready"
    """All its objects are applied and healthy."""


class BundleSelector(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Bundles by their labels; every part that is given must match."""

    match_labels: dict[str, str] = {}
    """Labels that a bundle must have."""
    match_expressions: tuple[selectors.Expression, ...] = ()
    """Requirements on labels, as in Kubernetes."""


class DependsOn(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Bundles of the same source that have to be there first: by name, or by selector."""

    name: str = ""
    """A bundle's name, or its path in the source."""
    selector: BundleSelector | None = None
    """Every bundle of the source with these labels."""
    state: State = State.READY
    """What they must have reached."""


class IgnoreRule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Where a difference from Git is no drift: it is set when it is created, and stays as the cluster has it."""

    group: str | None = None
    """API group; an empty string is the core group. Left out: any."""
    kind: str = ""
    """Left out: any."""
    namespace: str = ""
    """The namespace that the object has in the cluster. Left out: any."""
    name: str = ""
    """Left out: any."""
    pointers: tuple[Annotated[str, in_schema(pattern=f"^{POINTER}$")], ...] = ()
    """JSON pointers (RFC 6901) to the fields; left out, and no managers either: the whole object."""
    managers: tuple[Annotated[str, in_schema(minLength=1, maxLength=MANAGER_CHARACTERS_MAX)], ...] = ()
    """Field managers, such as `hpa-controller`: the fields that they hold, beside those of the pointers."""


class Partition(msgspec.Struct, frozen=True, omit_defaults=True):
    """Clusters that a bundle reaches together."""

    targets: tuple[selectors.Target, ...]
    """Alternatives."""
    name: str = ""
    """For people."""
    max_concurrency: str = ""
    """Clusters in flight at once: a number, or a share of the partition's. Empty: as the rollout says."""


class RolloutOverride(msgspec.Struct, frozen=True, omit_defaults=True):
    """How this bundle makes its way through the fleet, where no policy is declared for its source."""

    max_concurrency: str = ""
    """Clusters in flight at once, if the policy does not allow fewer: a number, or a share of all. Empty: no wish."""
    auto_partition_size: str = ""
    """Clusters that no partition names, in partitions of this size: a number, or a share. Empty: no wish."""
    partitions: tuple[Partition, ...] = ()
    """In order; clusters that none matches come last."""


class Settings(msgspec.Struct, frozen=True):
    """What a bundle says about itself."""

    name: str = ""
    namespace: str = ""
    default_namespace: str = ""
    labels: dict[str, str] = {}
    targets: tuple[selectors.Target, ...] | None = None
    """Where it may go; None: everywhere the source goes."""
    adopt: bundles.Adopt = bundles.Adopt.IF_NO_DIFF
    prune: bundles.Prune = bundles.Prune.OWNED
    recipe: recipes.Recipe = recipes.NONE
    depends_on: tuple[DependsOn, ...] = ()
    drift: bundles.Drift = bundles.Drift.REVERT
    ignore: tuple[IgnoreRule, ...] = ()
    paused: bool = False
    """Clusters keep what they have of it."""
    rollout: RolloutOverride | None = None
    substitute: bool = True
    """Variables (`${cluster.name}` and the like) are replaced."""
    allow_remote_bases: bool = False
    """Kustomizations may name bases outside the repository."""

    def options(self) -> bundles.BundleOptions:
        """What of it is for the agent."""
        return bundles.BundleOptions(
            namespace=self.namespace,
            default_namespace=self.default_namespace,
            adopt=self.adopt,
            prune=self.prune,
            drift=self.drift,
            ignore=tuple(bundles.IgnoreRule(**msgspec.structs.asdict(rule)) for rule in self.ignore),
        )


NONE = Settings()


def checked(
    found: Settings, document: yamls.Document, *, targets: str = "targets", choices: str = "targets"
) -> Settings:
    """Return the settings; raise UnreadableError for what no type can say. `targets` and `choices` are the fields that
    they stand in.
    """
    if len(found.name) > NAME_CHARACTERS_MAX or not found.name.isprintable():
        reason = f"longer than {NAME_CHARACTERS_MAX} characters, or with unprintable ones"
        raise typed_yaml.mistake(document, ("name",), reason)
    if found.targets == ():
        reason = "an empty list would match no cluster (leave it out to go where the source goes)"
        raise typed_yaml.mistake(document, (targets,), reason)
    _check_lengths(
        {
            (targets,): found.targets or (),
            (choices,): found.recipe.choices,
            ("dependsOn",): found.depends_on,
            ("ignore",): found.ignore,
            ("rolloutStrategy", "partitions"): found.rollout.partitions if found.rollout is not None else (),
        },
        document,
    )
    return found


def _check_lengths(lists: Mapping[yamls.Place, Sized], document: yamls.Document) -> None:
    for place, entries in lists.items():
        if len(entries) > limits.SETTINGS_ENTRIES_MAX:
            raise typed_yaml.mistake(document, place, f"more than {limits.SETTINGS_ENTRIES_MAX} entries")


def namespace(value: str | None, document: yamls.Document, place: yamls.Place) -> str | None:
    """A namespace that stands at a place; raise UnreadableError if it is no name. Empty and None stay."""
    try:
        return ids.dns_label(value, typed_yaml.dotted(place)) if value else value
    except ids.InvalidNameError as error:
        raise errors.UnreadableError(str(error), typed_yaml.line(document, place)) from error


def pointer(text: str) -> str:
    """Return a JSON pointer to a field; raise ValueError if it is none."""
    if re.fullmatch(POINTER, text) is None:
        raise ValueError(f"{text[:80]!r} is no JSON pointer to a field (as /spec/replicas)")
    return text


def share(value: int | str) -> str:
    """A number of clusters above zero, or a share of them in percent; raise ValueError if it is neither."""
    text = str(value)
    if _SHARE.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is neither a number above zero nor a share (as 25%)")
    return text


def overlays(names: tuple[str, ...]) -> tuple[str, ...]:
    """The directories of overlays, relative to the bundle, by their names below `overlays/`; raise ValueError if a
    name leads elsewhere.
    """
    for name in names:
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"{name[:80]!r} is no directory below {OVERLAYS}/")
    return tuple(f"{OVERLAYS}/{name}" for name in names)
