"""The variables of a cluster: what a rendering may ask of the cluster that it is for.

`cluster.name`, `cluster.kubernetesVersion`, `cluster.labels.KEY`, `cluster.annotations.KEY`, and `vars.KEY`: the
cluster's registered values, else those of its groups, of which the first by name wins. Files of the source give
variables below these; the renderer knows them.
"""

from collections.abc import Mapping

import msgspec

from protocol import canonical

NAME = "cluster.name"
KUBERNETES = "cluster.kubernetesVersion"
API_VERSIONS = "cluster.apiVersions"
"""For renderers only: what the cluster serves, as a digest; the list itself is in `Facts`."""
DIGITS = 16
"""Of the digest: enough to tell clusters apart, short enough to read."""

LABELS = "cluster.labels."
ANNOTATIONS = "cluster.annotations."
VARS = "vars."


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cluster, as far as renderings may ask."""

    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    values: dict[str, str] = {}
    """Its registered values over those of its groups."""
    kubernetes_version: str = ""
    """Empty: its agent was never heard."""
    api_versions: tuple[str, ...] = ()
    """What it serves beside Kubernetes' own groups: `group/version` and `group/version/Kind`."""
    groups: tuple[str, ...] = ()
    """The groups that it is in."""


def lookup(facts: Facts, name: str) -> str | None:
    """The variable's value for this cluster; None: the cluster has none of this name."""
    if name == NAME:
        return facts.name
    if name == KUBERNETES:
        return facts.kubernetes_version or None
    if name == API_VERSIONS:
        return canonical.digest("apiVersions", "\n".join(facts.api_versions).encode())[:DIGITS]
    for prefix, values in ((LABELS, facts.labels), (ANNOTATIONS, facts.annotations), (VARS, facts.values)):
        if name.startswith(prefix):
            return values.get(name.removeprefix(prefix))
    return None


def agree(facts: Facts, recorded: Mapping[str, str | None]) -> bool:
    """Does the cluster give every recorded variable the recorded value?"""
    return all(lookup(facts, name) == value for name, value in recorded.items())
