"""Which clusters a bundle is for: the source's targets, narrowed by the bundle's, never widened."""

import fnmatch
from collections.abc import Iterable, Mapping

from controller.domain import catalogs
from controller.domain.clusters import Cluster
from protocol import selectors, specs

Groups = Mapping[str, selectors.Selector]
"""Group selectors by name. A group's selector may not name groups itself."""


def selects(selector: selectors.Selector, cluster: Cluster, groups: Groups) -> bool:
    """Does every part that the selector gives match the cluster?"""
    return (
        all(cluster.labels.get(key) == value for key, value in selector.match_labels.items())
        and all(_holds(expression, cluster.labels) for expression in selector.match_expressions)
        and (not selector.groups or any(_in_group(name, cluster, groups) for name in selector.groups))
        and (not selector.names or any(fnmatch.fnmatchcase(cluster.name, name) for name in selector.names))
    )


def targets(target: selectors.Target, cluster: Cluster, groups: Groups) -> bool:
    """Does the target match the cluster, and none of its exclusions?"""
    wanted = selectors.Selector(
        match_labels=target.match_labels,
        match_expressions=target.match_expressions,
        groups=target.groups,
        names=target.names,
    )
    return selects(wanted, cluster, groups) and not any(selects(out, cluster, groups) for out in target.exclude)


def source_targets(spec: specs.SourceSpec, cluster: Cluster, groups: Groups) -> bool:
    """Is the source for this cluster at all? Without targets it must say `allClusters` aloud."""
    return spec.all_clusters or any(targets(target, cluster, groups) for target in spec.targets)


def placed(
    catalog: catalogs.Catalog, spec: specs.SourceSpec, cluster: Cluster, groups: Groups
) -> tuple[catalogs.Entry, ...]:
    """The bundles of a catalog that this cluster should have, in their order."""
    if not source_targets(spec, cluster, groups):
        return ()
    return tuple(entry for entry in catalog.entries if _entry_targets(entry, cluster, groups))


def matching(
    entry: catalogs.Entry, spec: specs.SourceSpec, candidates: Iterable[Cluster], groups: Groups
) -> tuple[Cluster, ...]:
    """Those clusters that should have the bundle."""
    return tuple(
        cluster
        for cluster in candidates
        if source_targets(spec, cluster, groups) and _entry_targets(entry, cluster, groups)
    )


def _entry_targets(entry: catalogs.Entry, cluster: Cluster, groups: Groups) -> bool:
    return entry.targets is None or any(targets(target, cluster, groups) for target in entry.targets)


def _in_group(name: str, cluster: Cluster, groups: Groups) -> bool:
    selector = groups.get(name)
    return selector is not None and selects(selector, cluster, {})


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
