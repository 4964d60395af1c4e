"""`flotilla.yaml`: the types of its fields, from which its JSON Schema follows, too, and what it says as settings."""

from typing import Annotated, Any

import msgspec

from controller.render import limits, recipes, settings, typed_yaml, variables, yamls
from protocol import bundles, selectors

Variables = Annotated[
    dict[str, str | int | float | bool],
    settings.in_schema(propertyNames={"pattern": f"^{variables.NAME}$", "maxLength": limits.VARIABLE_CHARACTERS_MAX}),
]
"""Text; numbers and booleans are taken as they are written."""

Name = Annotated[
    str, settings.in_schema(maxLength=settings.NAME_CHARACTERS_MAX, pattern="^[^\\u0000-\\u001f\\u007f]*$")
]
"""One line."""

Namespace = Annotated[str, settings.in_schema(pattern="^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")]
"""A DNS label, or nothing."""

Overlay = Annotated[str, settings.in_schema(pattern=r"^(?!\.{0,2}(/|$))[^/]+(/(?!\.{0,2}(/|$))[^/]+)*$")]
"""A directory below `overlays/`."""


class Helm(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """How a chart is templated. In an entry of `targets`, what is left out stays as it was."""

    chart: str = ""
    """A directory of the source, relative to the bundle or from the root with a leading `/`; with `repo`, a chart's
    name there; or an `oci://` address. Left out: the bundle's own directory."""
    repo: str = ""
    """URL of an HTTP(S) chart repository."""
    version: str = ""
    """Version of a chart from a repository or registry."""
    release_name: str = ""
    """Left out: made from the bundle's id."""
    values: dict[str, Any] = {}
    """Values; they win over `valuesFiles`."""
    values_files: tuple[str, ...] = ()
    """Files of values, relative to the bundle, or from the root with a leading `/`. Later files win."""
    skip_crds: bool | None = msgspec.field(default=None, name="skipCRDs")
    """Leave out what stands in the chart's `crds/`."""
    skip_hooks: bool | None = None
    """Leave out the chart's hooks."""


class Kustomize(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Which kustomization is built."""

    dir: str = ""
    """The kustomization's directory, relative to the bundle. Left out: the bundle's own."""
    allow_remote_bases: bool = False
    """Bases may be fetched from outside the repository."""


class TargetKustomize(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Which kustomization is built for these clusters."""

    dir: str = ""
    """The kustomization's directory, relative to the bundle."""


class Target(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Clusters that get the bundle, and what is different for them. One that selects nothing matches every cluster."""

    name: str = ""
    """For people."""
    match_labels: dict[str, str] = {}
    """Labels that a cluster must have."""
    match_expressions: tuple[selectors.Expression, ...] = ()
    """Requirements on labels, as in Kubernetes; all must hold."""
    groups: tuple[str, ...] = ()
    """The cluster is in any of these groups."""
    names: tuple[str, ...] = ()
    """The cluster has one of these names; shell globs are allowed."""
    exclude: tuple[selectors.Selector, ...] = ()
    """But none of the clusters that one of these matches."""
    namespace: Namespace | None = None
    """Forced on every object, as at the top."""
    default_namespace: Namespace | None = None
    """For objects that name none, as at the top."""
    helm: Helm | None = None
    """Over what stands at the top, field by field; values key by key."""
    values: dict[str, Any] = {}
    """Short for `helm.values`."""
    values_files: tuple[str, ...] = ()
    """Short for `helm.valuesFiles`."""
    kustomize: TargetKustomize | None = None
    """In place of the one at the top."""
    overlays: tuple[Overlay, ...] = ()
    """After those at the top."""
    patches: tuple[recipes.Patch, ...] = ()
    """After those at the top."""
    images: tuple[recipes.Image, ...] = ()
    """Over those at the top, by name."""
    vars: Variables = {}
    """Over those at the top, by name."""
    vars_files: tuple[str, ...] = ()
    """After those at the top; later files win."""
    do_not_deploy: bool = False
    """These clusters do not get the bundle."""


Rules = Annotated[tuple[settings.IgnoreRule, ...], settings.in_schema(maxItems=limits.SETTINGS_ENTRIES_MAX)]
"""Differences that are none."""

Dependencies = Annotated[tuple[settings.DependsOn, ...], settings.in_schema(maxItems=limits.SETTINGS_ENTRIES_MAX)]
"""Bundles to wait for."""

Targets = Annotated[tuple[Target, ...], settings.in_schema(minItems=1, maxItems=limits.SETTINGS_ENTRIES_MAX)]
"""Clusters, as alternatives."""


class File(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A bundle of Flotilla: what it is called, where it goes, how it is rendered and kept."""

    name: Name = ""
    """Shown to people. Left out: the bundle's path."""
    labels: dict[str, str] = {}
    """Labels of the bundle, for selectors."""
    namespace: Namespace | None = None
    """Forced on every object; cluster-scoped objects are refused then."""
    default_namespace: Namespace | None = None
    """For namespaced objects that name none. Left out: `default`."""
    adopt: bundles.Adopt = bundles.Adopt.IF_NO_DIFF
    """When objects that existed before may become Flotilla's."""
    prune: bundles.Prune = bundles.Prune.OWNED
    """What happens to objects that leave Git."""
    drift: bundles.Drift | bool = bundles.Drift.REVERT
    """What happens when a cluster's objects differ from Git. YAML reads a bare `off` as `false`, which is the same;
    `true` is `revert`."""
    ignore: Rules = ()
    """Differences from Git that are no drift."""
    paused: bool = False
    """Clusters keep what they have of the bundle."""
    depends_on: Dependencies = ()
    """Bundles of the same source that have to be there first."""
    substitute: bool = True
    """Replace variables (`${cluster.name}` and the like) in what is rendered."""
    helm: Helm | None = None
    """How the chart is templated."""
    values: dict[str, Any] = {}
    """Short for `helm.values`."""
    values_files: tuple[str, ...] = ()
    """Short for `helm.valuesFiles`."""
    kustomize: Kustomize | None = None
    """Which kustomization is built."""
    overlays: tuple[Overlay, ...] = ()
    """Directories below the bundle's `overlays/`, in order, whose files replace, remove or patch the bundle's own."""
    patches: tuple[recipes.Patch, ...] = ()
    """Changes of rendered objects, in order."""
    images: tuple[recipes.Image, ...] = ()
    """Images of containers to replace."""
    vars: Variables = {}
    """Variables, `${vars.NAME}`; those of clusters and groups win over them."""
    vars_files: tuple[str, ...] = ()
    """Files of variables, relative to the bundle, or from the root with a leading `/`: a flat mapping each."""
    target_mode: recipes.Mode = recipes.Mode.MERGE
    """Which of the entries of `targets` that match a cluster count."""
    targets: Targets | None = None
    """Which clusters get the bundle, and what is different for them. Left out: all that the source goes to."""


def parse(data: bytes) -> settings.Settings:
    """Read flotilla.yaml; raise UnreadableError with the field and its line."""
    document = typed_yaml.single(data, with_plain=True)
    if document is None:
        return settings.NONE
    file = typed_yaml.convert(document, document.value, File)
    if not file.substitute:
        file = typed_yaml.convert(document, variables.as_it_stands(document.value), File)
    for at, rule in enumerate(file.ignore):
        _check_rule(rule, document, ("ignore", at))
    for at, dependency in enumerate(file.depends_on):
        _check_dependency(dependency, document, ("dependsOn", at))
    found = settings.Settings(
        name=file.name,
        namespace=file.namespace or "",
        default_namespace=file.default_namespace or "",
        labels=file.labels,
        targets=None if file.targets is None else tuple(_selected(target) for target in file.targets),
        adopt=file.adopt,
        prune=file.prune,
        recipe=_recipe(file, document, written=yamls.load_text(data)[0].value),
        depends_on=file.depends_on,
        drift=_drift(file.drift),
        ignore=file.ignore,
        paused=file.paused,
        substitute=file.substitute,
        allow_remote_bases=file.kustomize is not None and file.kustomize.allow_remote_bases,
    )
    return settings.checked(found, document)


def _recipe(file: File, document: yamls.Document, *, written: dict[str, Any]) -> recipes.Recipe:
    """The recipe; `written` is the document with its scalars as text."""
    choices = []
    for at, target in enumerate(file.targets or ()):
        place: yamls.Place = ("targets", at)
        said = _variables(written["targets"][at], document, place)
        customization = msgspec.structs.replace(_customization(target, document, place), vars=said)
        choices.append(recipes.Choice(_selected(target), customization, target.name))
    base = msgspec.structs.replace(_customization(file, document, ()), vars=_variables(written, document, ()))
    return recipes.Recipe(base, tuple(choices), file.target_mode)


def _variables(written: dict[str, Any], document: yamls.Document, place: yamls.Place) -> dict[str, str]:
    """Variables as they stand there: 1.10 is not 1.1. Their types are good."""
    found: dict[str, str] = written.get("vars", {})
    for name in found:
        if not variables.is_name(name):
            reason = "not a variable's name (letters, digits and _ . / -)"
            raise typed_yaml.mistake(document, (*place, "vars", name), reason)
    return found


def _selected(target: Target) -> selectors.Target:
    return selectors.Target(target.match_labels, target.match_expressions, target.groups, target.names, target.exclude)


def _drift(value: bundles.Drift | bool) -> bundles.Drift:
    if isinstance(value, bundles.Drift):
        return value
    return bundles.Drift.REVERT if value else bundles.Drift.OFF


def _customization(found: File | Target, document: yamls.Document, place: yamls.Place) -> recipes.Customization:
    try:
        overlays = settings.overlays(found.overlays)
    except ValueError as error:
        raise typed_yaml.mistake(document, (*place, "overlays"), str(error)) from error
    return recipes.Customization(
        helm=_helm(found, document, place),
        kustomize=recipes.Kustomize(found.kustomize.dir) if found.kustomize is not None else None,
        overlays=overlays,
        patches=found.patches,
        images=found.images,
        vars_files=found.vars_files,
        namespace=settings.namespace(found.namespace, document, (*place, "namespace")),
        default_namespace=settings.namespace(found.default_namespace, document, (*place, "defaultNamespace")),
        do_not_deploy=isinstance(found, Target) and found.do_not_deploy,
    )


def _helm(found: File | Target, document: yamls.Document, place: yamls.Place) -> recipes.Helm | None:
    """What `helm` says, and its short forms at the side."""
    if found.helm is None and not found.values and not found.values_files:
        return None
    said = found.helm or Helm()
    for field, short, long in (
        ("values", found.values, said.values),
        ("valuesFiles", found.values_files, said.values_files),
    ):
        if short and long:
            raise typed_yaml.mistake(document, (*place, field), "stands in helm, too (put both there)")
    return recipes.Helm(
        chart=said.chart,
        repo=said.repo,
        version=said.version,
        release_name=said.release_name,
        values=said.values or found.values,
        values_files=said.values_files or found.values_files,
        skip_crds=said.skip_crds,
        skip_hooks=said.skip_hooks,
    )


def _check_rule(found: settings.IgnoreRule, document: yamls.Document, place: yamls.Place) -> None:
    if not found.pointers and not found.managers and not found.kind:
        raise typed_yaml.mistake(document, place, "takes a kind, pointers to fields, managers, or several of them")
    for at, manager in enumerate(found.managers):
        if not 0 < len(manager) <= settings.MANAGER_CHARACTERS_MAX:
            reason = f"is no field manager (1 to {settings.MANAGER_CHARACTERS_MAX} characters)"
            raise typed_yaml.mistake(document, (*place, "managers", at), reason)
    for at, text in enumerate(found.pointers):
        try:
            settings.pointer(text)
        except ValueError as error:
            raise typed_yaml.mistake(document, (*place, "pointers", at), str(error)) from error


def _check_dependency(found: settings.DependsOn, document: yamls.Document, place: yamls.Place) -> None:
    if (found.name == "") == (found.selector is None):
        raise typed_yaml.mistake(document, place, "takes a name or a selector, one of them")
    if found.selector == settings.BundleSelector():
        raise typed_yaml.mistake(document, (*place, "selector"), "an empty selector would match every bundle")
