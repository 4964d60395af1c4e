"""Which clusters a bundle is for, and which of its variants each of them gets.

The source's targets choose, the bundle's narrow, and never widen. The customizations that match a cluster, and the
values that it gives to the variables a rendering used, decide about its variant.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import assert_never

import msgspec

from controller.domain import audiences, catalogs, inputs
from controller.domain.clusters import Cluster
from controller.domain.inputs import Facts
from protocol import bundles, ids, selectors, specs
from protocol.canonical import NO_DIGEST, Digest

Groups = Mapping[str, specs.GroupSpec]
"""Cluster groups by name. A group's selector may not name groups itself."""


class Placed(msgspec.Struct, frozen=True):
    """A bundle that a cluster should have."""

    entry: catalogs.Entry
    variant: catalogs.Variant | None
    """None: nothing was rendered yet for what this cluster is."""

    @property
    def bundle(self) -> ids.BundleId:
        return self.entry.bundle

    @property
    def index(self) -> Digest:
        """The content for this cluster; empty: there is none, now or ever before."""
        return self.variant.index if self.variant is not None else NO_DIGEST

    @property
    def depends_on(self) -> tuple[bundles.Dependency, ...]:
        return self.entry.depends_on


def facts(cluster: Cluster, groups: Groups) -> Facts:
    """The cluster as selectors and renderings see it."""
    own = Facts(
        name=cluster.name,
        labels=cluster.labels,
        annotations=cluster.annotations,
        kubernetes_version=cluster.kubernetes_version,
        api_versions=cluster.api_versions,
    )
    member = tuple(name for name in sorted(groups) if selects(groups[name].selector, own))
    values: dict[str, str] = {}
    for name in reversed(member):
        values.update(groups[name].values)
    return msgspec.structs.replace(own, groups=member, values={**values, **cluster.values})


def selects(selector: selectors.Selector, of: Facts) -> bool:
    """Does every part that the selector gives match the cluster?"""
    return (
        all(of.labels.get(key) == value for key, value in selector.match_labels.items())
        and all(_holds(expression, of.labels) for expression in selector.match_expressions)
        and (not selector.groups or any(name in of.groups for name in selector.groups))
        and (not selector.names or any(fnmatch.fnmatchcase(of.name, name) for name in selector.names))
    )


def targets(target: selectors.Target, of: Facts) -> bool:
    """Does the target match the cluster, and none of its exclusions?"""
    wanted = selectors.Selector(
        match_labels=target.match_labels,
        match_expressions=target.match_expressions,
        groups=target.groups,
        names=target.names,
    )
    return selects(wanted, of) and not any(selects(out, of) for out in target.exclude)


def source_targets(spec: specs.SourceSpec, of: Facts) -> bool:
    """Is the source for this cluster at all? Without targets it must say `allClusters` aloud."""
    return spec.all_clusters or any(targets(target, of) for target in spec.targets)


def placed(
    catalog: catalogs.Catalog, spec: specs.SourceSpec, of: Facts, *, had: Set[ids.BundleId] = frozenset()
) -> tuple[Placed, ...]:
    """The bundles of a catalog that this cluster should have, in their order, each with its variant. `had`: those that
    it has."""
    if not source_targets(spec, of):
        return ()
    return tuple(found for one in catalog.entries if (found := place(one, of, has=one.bundle in had)) is not None)


def place(entry: catalogs.Entry, of: Facts, *, has: bool = False) -> Placed | None:
    """The bundle as this cluster should have it; None: it should not. The source's own targets are not looked at.
    `has`: it has the bundle, and keeps it while that is paused, whatever it was rendered for."""
    matched = matching_choices(entry, of)
    if matched is None:
        return None
    found = variant(entry.variants, matched, of)
    return None if found is None and entry.paused and not has else Placed(entry, found)


def matching_choices(entry: catalogs.Entry, of: Facts) -> tuple[int, ...] | None:
    """The places of the customizations that count for this cluster; None: it should not have the bundle."""
    if entry.targets is not None and not any(targets(target, of) for target in entry.targets):
        return None
    matched = choose(entry.choices, of, first_match=entry.first_match)
    return matched if all(entry.choices[number].deploys for number in matched) else None


def asked(entry: catalogs.Entry, variants: Iterable[catalogs.Variant]) -> frozenset[str]:
    """All that is asked of a cluster to tell whether it should have the bundle, and which of these variants."""
    chosen = asked_by((*(entry.targets or ()), *(choice.target for choice in entry.choices)))
    return chosen | {name for one in variants for name in one.inputs}


def asked_in(some: Iterable[catalogs.Catalog | None], specs_: Iterable[specs.SourceSpec]) -> frozenset[str]:
    """All that these sources and all bundles of these catalogs ask of a cluster."""
    found = [asked_by(spec.targets) for spec in specs_]
    entries = (entry for catalog in some if catalog is not None for entry in catalog.entries)
    return frozenset().union(*found, *(asked(entry, entry.variants) for entry in entries))


def asked_by(chosen: Sequence[selectors.Target]) -> frozenset[str]:
    """All that these targets ask of a cluster."""
    selecting: list[selectors.Target | selectors.Selector] = [*chosen]
    selecting.extend(out for target in chosen for out in target.exclude)
    found: set[str] = set()
    for one in selecting:
        found.update(f"{inputs.LABELS}{key}" for key in one.match_labels)
        found.update(f"{inputs.LABELS}{expression.key}" for expression in one.match_expressions)
        found.update([audiences.GROUPS] if one.groups else [], [inputs.NAME] if one.names else [])
    return frozenset(found)


def variant(variants: Iterable[catalogs.Variant], matched: tuple[int, ...], of: Facts) -> catalogs.Variant | None:
    """The variant that was rendered for what this cluster is; None: there is none."""
    return next((one for one in variants if one.matched == matched and inputs.agree(of, one.inputs)), None)


def unrendered(entry: catalogs.Entry, fleet: audiences.Audience) -> Facts | None:
    """A cluster that should have the bundle, for which it was not rendered; None: there is none."""
    for of in fleet.distinct(asked(entry, entry.variants)):
        found = place(entry, of)
        if found is not None and found.variant is None:
            return of
    return None


def choose(choices: Sequence[catalogs.Choice], of: Facts, *, first_match: bool) -> tuple[int, ...]:
    """The places of the customizations that count for this cluster."""
    found = tuple(number for number, choice in enumerate(choices) if targets(choice.target, of))
    return found[:1] if first_match else found


def matching(
    entry: catalogs.Entry, spec: specs.SourceSpec, candidates: Iterable[tuple[Cluster, Facts]]
) -> tuple[Cluster, ...]:
    """Those clusters that should have the bundle."""
    return tuple(cluster for cluster, of in candidates if source_targets(spec, of) and place(entry, of) is not None)


def _holds(expression: selectors.Expression, labels: Mapping[str, str]) -> bool:
    present = expression.key in labels
    match expression.operator:
        case selectors.Operator.IN:
            return present and labels[expression.key] in expression.values
        case selectors.Operator.NOT_IN:
            # As in Kubernetes: a label that is not there is not in the list.
            return not present or labels[expression.key] not in expression.values
        case selectors.Operator.EXISTS:
            return present
        case selectors.Operator.DOES_NOT_EXIST:
            return not present
        case _:
            assert_never(expression.operator)
