"""What it takes to render a bundle, whatever file it was written in: a base, and customizations for chosen clusters.

`flotilla.yaml` and `fleet.yaml` are two spellings of one recipe. A cluster's variant follows from the base and the
customizations that match it, merged in order; clusters that match the same ones, and agree in the variables that the
bundle uses, share one render.
"""

import enum
from collections.abc import Sequence
from typing import Any

import msgspec

from protocol import selectors

Values = dict[str, Any]
"""Values of a Helm chart: plain JSON."""


class Helm(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a chart is templated. In a customization, what is not given stays as it was."""

    chart: str = ""
    """A directory of the source, relative to the bundle or from the root with a leading `/`; with `repo`, a chart's
    name there; or an `oci://` address. Empty: the bundle's own directory."""
    repo: str = ""
    """An HTTP(S) chart repository."""
    version: str = ""
    """Of a chart from a repository."""
    release_name: str = ""
    """Empty: made from the bundle's id."""
    values: Values = {}
    """Win over `values_files`; later customizations win over earlier ones, key by key."""
    values_files: tuple[str, ...] = ()
    """Relative to the bundle, or from the root with a leading `/`. Later files win."""
    skip_crds: bool | None = None
    skip_hooks: bool | None = None
    fleet_templates: bool = False
    """`values` hold `${ … }` templates of Fleet, to be filled in before Helm sees them."""
    files_win: bool = False
    """`values_files` win over `values`, as in Fleet."""

    @property
    def names_chart(self) -> bool:
        """Does it say which chart, or is it about one that stands in the bundle?"""
        return bool(self.chart or self.repo)


class Kustomize(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which kustomization is built."""

    dir: str = ""
    """Relative to the bundle. Empty: the bundle's own directory."""


class PatchTarget(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Which objects a patch is for; what is not given matches all. Names are regular expressions, as in Kustomize."""

    group: str = ""
    """API group."""
    version: str = ""
    """API version, without the group."""
    kind: str = ""
    """Kind."""
    name: str = ""
    """A regular expression for the whole name."""
    namespace: str = ""
    """A regular expression for the whole namespace."""
    label_selector: str = ""
    """As in `kubectl get -l`."""


class Patch(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A change of rendered objects: a list of operations (RFC 6902), or an object that is merged (strategic merge)."""

    patch: tuple[dict[str, Any], ...] | dict[str, Any]
    """A list of operations, or an object to merge."""
    target: PatchTarget | None = None
    """Which objects it is for. A merged object without a target names the object by itself."""


class Image(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """An image of a container is replaced wherever it stands, as Kustomize's `images` do."""

    name: str
    """Without tag and digest, as it stands in the manifests."""
    new_name: str = ""
    """Left out: the name stays."""
    new_tag: str = ""
    """Left out: the tag stays."""
    digest: str = ""
    """In place of a tag."""


class Customization(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that may differ from one cluster to another. What is empty changes nothing."""

    helm: Helm | None = None
    kustomize: Kustomize | None = None
    overlays: tuple[str, ...] = ()
    """Directories whose files replace, remove or patch the bundle's own, in order; relative to the bundle."""
    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()
    vars: dict[str, str] = {}
    vars_files: tuple[str, ...] = ()
    """Files of the source that hold variables: a flat mapping of strings, numbers and booleans."""
    namespace: str | None = None
    default_namespace: str | None = None
    do_not_deploy: bool = False


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A customization and the clusters that it is for."""

    target: selectors.Target
    customization: Customization
    name: str = ""
    """For people."""


class Mode(enum.StrEnum):
    """Which of the matching customizations count."""

    MERGE = "merge"
    """All, in order."""
    FIRST_MATCH = "firstMatch"
    """The first."""


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """A base and its customizations."""

    base: Customization = Customization()
    choices: tuple[Choice, ...] = ()
    mode: Mode = Mode.MERGE


NONE = Recipe()


def for_cluster(recipe: Recipe, matched: Sequence[int]) -> Customization:
    """The base with the customizations at these places, in order: what one variant is rendered with."""
    found = recipe.base
    for place in matched:
        found = merged(found, recipe.choices[place].customization)
    return found


def merged(under: Customization, over: Customization) -> Customization:
    """One customization after another: lists grow, values merge key by key, what is given wins."""
    return Customization(
        helm=_merged_helm(under.helm, over.helm),
        kustomize=over.kustomize or under.kustomize,
        overlays=(*under.overlays, *over.overlays),
        patches=(*under.patches, *over.patches),
        images=tuple({image.name: image for image in (*under.images, *over.images)}.values()),
        vars={**under.vars, **over.vars},
        vars_files=(*under.vars_files, *over.vars_files),
        namespace=under.namespace if over.namespace is None else over.namespace,
        default_namespace=under.default_namespace if over.default_namespace is None else over.default_namespace,
        do_not_deploy=under.do_not_deploy or over.do_not_deploy,
    )


def merged_values(under: Values, over: Values) -> Values:
    """Helm's way: mappings merge, everything else is replaced; null removes a key when Helm gets it."""
    found = dict(under)
    for key, value in over.items():
        below = found.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            found[key] = merged_values(below, value)
        else:
            found[key] = value
    return found


def _merged_helm(under: Helm | None, over: Helm | None) -> Helm | None:
    if under is None or over is None:
        return under or over
    return Helm(
        chart=over.chart or under.chart,
        repo=over.repo or under.repo,
        version=over.version or under.version,
        release_name=over.release_name or under.release_name,
        values=merged_values(under.values, over.values),
        values_files=(*under.values_files, *over.values_files),
        skip_crds=under.skip_crds if over.skip_crds is None else over.skip_crds,
        skip_hooks=under.skip_hooks if over.skip_hooks is None else over.skip_hooks,
        fleet_templates=under.fleet_templates or over.fleet_templates,
        files_win=under.files_win or over.files_win,
    )
