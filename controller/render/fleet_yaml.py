"""`fleet.yaml`, Rancher Fleet's file, as settings: what it asks for and Flotilla does not do is a warning.

As in Fleet, the first entry of `targetCustomizations` that matches counts unless `targetCustomizationMode` says
`AllMatches`, a cluster that none matches gets the bundle as it is, and an entry that selects by nothing has no cluster.
Flotilla's own variables work, too: `${cluster.name}` is no template, `${ .ClusterName }` no variable.
"""

import glob
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from controller.render import errors, fleet_fields, fleet_templates, recipes, settings, typed_yaml, yamls
from protocol import bundles, selectors
from protocol.events import sources

_MODES = {"": recipes.Mode.FIRST_MATCH, "FirstMatch": recipes.Mode.FIRST_MATCH, "AllMatches": recipes.Mode.MERGE}

_STATES = {"Ready": settings.State.READY, "Modified": settings.State.READY, "NotReady": settings.State.APPLIED}
"""What a bundle's states in Fleet come to here; those of a bundle that is not applied yet have no like."""

_WHOLE_NAME = re.compile(r"[A-Za-z0-9._:-]*")
"""Fleet takes the names of compare patches for regular expressions, too."""

_NOTHING = ("", 0, "0", "0%")

_TOP = "counts at the top only"

T = TypeVar("T")


class _Reading(msgspec.Struct, frozen=True):
    """One file that is being read."""

    document: yamls.Document
    file: fleet_fields.File
    warnings: fleet_fields.Warnings

    def mistake(self, place: yamls.Place, reason: str) -> errors.UnreadableError:
        return typed_yaml.mistake(self.document, place, reason)


def parse(data: bytes) -> tuple[settings.Settings, tuple[sources.Problem, ...]]:
    """Read fleet.yaml; return its settings, and warnings without a path. Raise UnreadableError with field and line."""
    document = typed_yaml.single(data)
    if document is None:
        return settings.NONE, ()
    warnings = fleet_fields.Warnings(document)
    reading = _Reading(document, fleet_fields.read(document, warnings), warnings)
    found = _settings(reading)
    return settings.checked(found, document, targets="overrideTargets", choices="targetCustomizations"), warnings.all()


def _settings(reading: _Reading) -> settings.Settings:
    file = reading.file
    if not file.create_namespace:
        reading.warnings.add(("createNamespace",), "false has no effect: namespaces are created as needed")
    owns = file.helm is not None and file.helm.take_ownership
    return settings.Settings(
        name=file.name,
        namespace=file.namespace,
        default_namespace=file.default_namespace,
        labels=file.labels,
        targets=_placement(reading),
        adopt=bundles.Adopt.ALWAYS if owns else bundles.Adopt.IF_NO_DIFF,
        prune=bundles.Prune.NEVER if file.keep_resources else bundles.Prune.OWNED,
        recipe=_recipe(reading),
        depends_on=tuple(_dependencies(reading)),
        drift=_drift(reading),
        ignore=tuple(_rules(reading)),
        paused=file.paused,
        rollout=_rollout(reading),
    )


def _placement(reading: _Reading) -> tuple[selectors.Target, ...] | None:
    entries = reading.file.override_targets
    if not entries:
        return None
    place: yamls.Place = ("overrideTargets",)
    found = [_selected(reading, entry, (*place, at)) for at, entry in enumerate(entries)]
    targets = tuple(target for target in found if target is not None)
    if not targets:
        raise reading.mistake(place, "no entry selects clusters in a way that is supported")
    reading.warnings.add(place, "narrows what the source targets, and never widens it")
    return targets


def _selected(reading: _Reading, entry: fleet_fields.Clusters, place: yamls.Place) -> selectors.Target | None:
    """The clusters that an entry is for; None, with a warning, if that cannot be said."""
    if entry.cluster_group_selector is not None:
        where = (*place, "clusterGroupSelector")
        reading.warnings.add(where, "not supported, and so the whole entry has no effect (name groups: clusterGroup)")
        return None
    if not entry.cluster_name and not entry.cluster_group and entry.cluster_selector is None:
        reading.warnings.add(place, "selects by nothing, and so matches no cluster")
        return None
    labels = entry.cluster_selector or settings.BundleSelector()
    return selectors.Target(
        match_labels=labels.match_labels,
        match_expressions=labels.match_expressions,
        groups=(entry.cluster_group,) if entry.cluster_group else (),
        names=(glob.escape(entry.cluster_name),) if entry.cluster_name else (),
    )


def _recipe(reading: _Reading) -> recipes.Recipe:
    file = reading.file
    mode = _MODES.get(file.target_customization_mode)
    if mode is None:
        raise reading.mistake(("targetCustomizationMode",), "neither FirstMatch nor AllMatches")
    choices = []
    for at, entry in enumerate(file.target_customizations):
        place: yamls.Place = ("targetCustomizations", at)
        if entry.do_not_deploy and entry.cluster_group_selector is not None:
            reason = "not supported, and without it doNotDeploy would not hold (name groups: clusterGroup)"
            raise reading.mistake((*place, "clusterGroupSelector"), reason)
        target = _selected(reading, entry, place)
        if target is not None:
            choices.append(recipes.Choice(target, _customization(reading, entry, place), entry.name))
    return recipes.Recipe(_customization(reading, file, ()), tuple(choices), mode)


def _customization(
    reading: _Reading, found: fleet_fields.File | fleet_fields.Customization, place: yamls.Place
) -> recipes.Customization:
    names = found.yaml.overlays if found.yaml is not None else ()
    document = reading.document
    return recipes.Customization(
        helm=_helm(reading, found.helm, (*place, "helm")),
        kustomize=recipes.Kustomize(found.kustomize.dir)
        if found.kustomize is not None and found.kustomize.dir
        else None,
        overlays=_held(reading, (*place, "yaml", "overlays"), lambda: settings.overlays(names)),
        namespace=settings.namespace(found.namespace or None, document, (*place, "namespace")),
        default_namespace=settings.namespace(found.default_namespace or None, document, (*place, "defaultNamespace")),
        do_not_deploy=isinstance(found, fleet_fields.Customization) and found.do_not_deploy,
    )


def _helm(reading: _Reading, found: fleet_fields.Helm | None, place: yamls.Place) -> recipes.Helm | None:
    if found is None:
        return None
    address = found.chart.removeprefix("oci://")
    if "://" in address or "::" in address:
        raise reading.mistake((*place, "chart"), "an address for go-getter is not supported (take repo, or oci://)")
    top = reading.file.helm
    filled = top is None or not top.disable_pre_process
    if not filled and fleet_templates.stands_for_labels(found.values):
        reason = f"with disablePreProcess, {fleet_templates.LABEL_PREFIX} stands for itself (in Fleet, for a label)"
        reading.warnings.add((*place, "values"), reason)
    if found.disable_pre_process and found is not top:
        reading.warnings.add((*place, "disablePreProcess"), _TOP)
    return recipes.Helm(
        chart=found.chart,
        repo=found.repo,
        version=found.version,
        release_name=found.release_name,
        values=found.values,
        values_files=found.values_files,
        fleet_templates=filled,
        files_win=True,
    )


def _held(reading: _Reading, place: yamls.Place, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        raise reading.mistake(place, str(error)) from error


def _drift(reading: _Reading) -> bundles.Drift:
    """Fleet shows drift whether it corrects it or not."""
    found = reading.file.correct_drift
    if found is not None and found.enabled is None:
        reading.warnings.add(("correctDrift",), "drift is corrected unless `enabled` is false (in Fleet, it is not)")
    corrected = found is None or found.enabled is not False
    return bundles.Drift.REVERT if corrected else bundles.Drift.ALERT


def _rules(reading: _Reading) -> Iterator[settings.IgnoreRule]:
    patches = reading.file.diff.compare_patches if reading.file.diff is not None else ()
    for at, patch in enumerate(patches):
        place: yamls.Place = ("diff", "comparePatches", at)
        if _WHOLE_NAME.fullmatch(patch.name) is None:
            reading.warnings.add((*place, "name"), "a pattern is not supported, and so the entry has no effect")
            continue
        if not patch.kind:
            reading.warnings.add(place, "names no kind, and so has no effect")
            continue
        rule = settings.IgnoreRule(
            group=patch.api_version.rpartition("/")[0], kind=patch.kind, namespace=patch.namespace, name=patch.name
        )
        if any(operation.op == "ignore" for operation in patch.operations):
            yield rule
            continue
        pointers = tuple(_pointers(reading, patch, place))
        if pointers:
            yield msgspec.structs.replace(rule, pointers=pointers)


def _pointers(reading: _Reading, patch: fleet_fields.ComparePatch, place: yamls.Place) -> Iterator[str]:
    named = [((*place, "jsonPointers", at), pointer) for at, pointer in enumerate(patch.json_pointers)]
    for at, operation in enumerate(patch.operations):
        if operation.op == "remove":
            named.append(((*place, "operations", at, "path"), operation.path))
        else:
            reading.warnings.add((*place, "operations", at, "op"), f"{operation.op[:80]!r} has no effect")
    for where, pointer in named:
        try:
            yield settings.pointer(pointer)
        except ValueError as error:
            reading.warnings.add(where, f"{error}, and has no effect")


def _dependencies(reading: _Reading) -> Iterator[settings.DependsOn]:
    for at, found in enumerate(reading.file.depends_on):
        place: yamls.Place = ("dependsOn", at)
        if not found.name and found.selector is None:
            reading.warnings.add(place, "names no bundle, and has no effect")
        for number, state in enumerate(found.accepted_states):
            if state not in _STATES:
                reason = f"{state[:80]!r} has no effect: a bundle is waited for until it is applied"
                reading.warnings.add((*place, "acceptedStates", number), reason)
        accepted = {_STATES[state] for state in found.accepted_states if state in _STATES}
        state = settings.State.APPLIED if settings.State.APPLIED in accepted else settings.State.READY
        if found.name:
            yield settings.DependsOn(name=found.name, state=state)
        if found.selector == settings.BundleSelector():
            raise reading.mistake((*place, "selector"), "an empty selector would match every bundle")
        if found.selector is not None:
            yield settings.DependsOn(selector=found.selector, state=state)


def _rollout(reading: _Reading) -> settings.RolloutOverride | None:
    found = reading.file.rollout_strategy
    if found is None:
        return None
    partitions = []
    for at, entry in enumerate(found.partitions):
        place: yamls.Place = ("rolloutStrategy", "partitions", at)
        target = _selected(reading, entry, place)
        if target is not None:
            share = _share(reading, entry.max_unavailable, (*place, "maxUnavailable"))
            partitions.append(settings.Partition((target,), entry.name, share))
    if found.max_unavailable_partitions not in _NOTHING:
        reason = "not supported, and has no effect (a partition starts once the one before is done)"
        reading.warnings.add(("rolloutStrategy", "maxUnavailablePartitions"), reason)
    return settings.RolloutOverride(
        max_concurrency=_share(reading, found.max_unavailable, ("rolloutStrategy", "maxUnavailable")),
        auto_partition_size=_share(reading, found.auto_partition_size, ("rolloutStrategy", "autoPartitionSize")),
        partitions=tuple(partitions),
    )


def _share(reading: _Reading, value: fleet_fields.Number, place: yamls.Place) -> str:
    """A number or a share; 0, with a warning, and nothing are as good as left out."""
    if value in _NOTHING:
        if value != "":
            reading.warnings.add(place, "0 has no effect")
        return ""
    return _held(reading, place, lambda: settings.share(value))
