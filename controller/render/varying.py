"""From one bundle to its variants: one for each distinct input that some cluster has.

A cluster's variant follows from the customizations that match it, and from what it answers to the variables that the
rendering asks for. Each question and its answer is recorded: the next cluster that would give the same answers shares
the variant, and so does every later commit in which nothing that the variant was made from has changed.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from controller.domain import audiences, catalogs, inputs, kinds, placements
from controller.render import (
    asking,
    commits,
    discovery,
    errors,
    hooks,
    limits,
    objects,
    recipes,
    rendering,
    settings,
    staging,
    variables,
    yamls,
)
from protocol import bundles, canonical, ids, sealing
from protocol.events import sources

INDEX_BYTES_MAX = sealing.PLAIN_BYTES_MAX - len(bundles.INDEX_TAG) - 1

Emit = Callable[[str, bytes], canonical.Digest]
"""Takes a blob's tag and plain bytes; returns its digest."""


Before = tuple[catalogs.Variant, ...]
"""The variants of the catalog before, as far as they speak of the same customizations."""


class Varied(msgspec.Struct, frozen=True):
    """All variants of a bundle."""

    variants: tuple[catalogs.Variant, ...] = ()
    failures: tuple[sources.Problem, ...] = ()
    """Not empty: no variant could be rendered, for these reasons."""
    warnings: tuple[sources.Problem, ...] = ()
    looks_outside: bool = False
    """With failures: what mends them need not stand in the bundle's own directory."""
    looked_at: Mapping[str, str] = {}
    """With failures: path → OID of what was looked at there."""


class Session:
    """Renders one bundle of one commit."""

    def __init__(self, bundle: discovery.Bundle, commit: commits.Commit, stager: staging.Stager, emit: Emit) -> None:
        self._bundle = bundle
        self._read = bundle.settings
        self._commit = commit
        self._stager = stager
        self._emit = emit
        self._staged: dict[str, objects.Objects] = {}
        self._named = _named(bundle, bundle.settings.recipe)
        self._id = ids.BundleId("")
        self._has_asked = False
        """Some variant depends on what its clusters say."""
        self.is_missing_something = False
        """A program or a chart was not to be had, or a program was stopped: the same commit may render later."""

    def run(self, entry: catalogs.Entry, fleet: audiences.Audience, before: Before, *, loses: bool = False) -> Varied:
        """The variants for these clusters; those that should not have the bundle, by its entry, count for nothing.
        `loses`: there is content under other customizations, which variants that all fail would take away."""
        self._id = entry.bundle
        found = self._variants(entry, fleet, before)
        if not found:
            return self._for_nobody()
        # What a cluster says may mend a variant that asked for it: then it has to be told by which questions.
        # Nor is what is wrong with one customization wrong with those of clusters to come.
        if all(one.errors for one in found) and not self._has_asked and (loses or not entry.choices):
            failures = tuple(dict.fromkeys(error for one in found for error in one.errors))
            looked_at = {path: oid for one in found for path, oid in one.looked_at.items()}
            outside = bool(looked_at) or bool(entry.choices)
            return Varied((), failures, found[0].warnings, looks_outside=outside, looked_at=looked_at)
        return Varied(tuple(sorted(found, key=_order)))

    def _variants(self, entry: catalogs.Entry, fleet: audiences.Audience, before: Before) -> list[catalogs.Variant]:
        """What a rendering asks is known once it is done: then those are looked at who answer that differently."""
        found: list[catalogs.Variant] = []
        asked: frozenset[str] | None = None
        while asked != (asking_now := placements.asked(entry, found)):
            asked = asking_now
            for facts in fleet.distinct(asked):
                matched = placements.matching_choices(entry, facts)
                if matched is not None and placements.variant(found, matched, facts) is None:
                    found.append(self._variant(matched, facts, before))
        return found

    def _for_nobody(self) -> Varied:
        """No cluster has the bundle: what is wrong with it should be known all the same."""
        ask = asking.Asking(None)
        variant = self._rendered((), ask, None)
        if variant.errors and not ask.recorded and not self._read.recipe.choices:
            looked_at = variant.looked_at
            return Varied((), variant.errors, variant.warnings, looks_outside=bool(looked_at), looked_at=looked_at)
        if variant.errors or ask.recorded:
            # With placeholders in it, it is for nobody at all; and what is wrong without any customization may be right
            # for every cluster to come.
            return Varied(warnings=(*variant.warnings, *variant.errors))
        return Varied((variant,))

    def _variant(self, matched: tuple[int, ...], facts: inputs.Facts, before: Before) -> catalogs.Variant:
        had = placements.variant(before, matched, facts)
        variant = self._rendered(matched, asking.Asking(facts), had)
        self._has_asked = self._has_asked or bool(variant.inputs)
        if not variant.errors:
            return variant
        if had is None:
            # Who had something answers one of these otherwise, and is not answered for.
            names = {name for one in before if one.matched == matched for name in one.inputs}
            others = {name: inputs.lookup(facts, name) for name in names}
            return msgspec.structs.replace(variant, inputs=_sorted({**others, **variant.inputs}))
        # What these clusters had stays; those that had something else stay apart.
        return msgspec.structs.replace(
            variant, index=had.index, objects=had.objects, inputs=_sorted({**had.inputs, **variant.inputs})
        )

    def _rendered(self, matched: tuple[int, ...], ask: asking.Asking, had: catalogs.Variant | None) -> catalogs.Variant:
        self._commit.looked_at = {}
        try:
            order = self._order(matched, ask)
            plan = self._stager.plan(order, self._commit, ask)
            stage = plan.origin(order)
            origin = _origin(stage, ask)
            if had is not None and had.origin == origin and not had.errors and had.inputs.keys() >= ask.recorded.keys():
                return msgspec.structs.replace(had, looked_at=self._outside())
            content = self._content(plan, stage, order, ask)
            return msgspec.structs.replace(
                content, matched=matched, inputs=_sorted(ask.recorded), origin=origin, looked_at=self._outside()
            )
        except errors.ProblemsError as error:
            problems = error.problems
        except errors.UnreadableError as error:
            self.is_missing_something = self.is_missing_something or errors.may_pass(error)
            problems = (sources.Problem(self._bundle.path, error.reason, error.line),)
        return catalogs.Variant(
            matched=matched,
            inputs=_sorted(ask.recorded),
            looked_at=self._outside(),
            errors=bounded(problems, limits.ERRORS_MAX),
        )

    def _order(self, matched: tuple[int, ...], ask: asking.Asking) -> staging.Order:
        wanted = recipes.for_cluster(self._read.recipe, matched)
        ask.below = wanted.vars
        if self._read.substitute:
            wanted = _replaced(wanted, ask)
        ask.below = {**self._files_of_variables(wanted), **wanted.vars}
        return staging.Order(
            id=self._id,
            bundle=self._bundle,
            settings=self._read,
            wanted=wanted,
            namespace=wanted.namespace or wanted.default_namespace or "",
            named=self._named,
        )

    def _files_of_variables(self, wanted: recipes.Customization) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in wanted.vars_files:
            path = commits.resolved(self._bundle.path, name)
            data = self._commit.file(path, bytes_max=limits.SETTINGS_BYTES_MAX)
            try:
                found.update(variables.read_vars(data, path))
            except errors.UnreadableError as error:
                raise errors.ProblemsError((sources.Problem(path, error.reason, error.line),)) from error
        return found

    def _content(self, plan: staging.Plan, stage: str, order: staging.Order, ask: asking.Asking) -> catalogs.Variant:
        staged = self._staged.get(stage)
        if staged is None:
            staged = self._staged[stage] = objects.read(plan.make(), order)
        rendered = staged.rendered(ask.lookup if self._read.substitute else None)
        options = _options(self._read, order.wanted)
        duplicates = _duplicates(rendered.objects, options)
        problems = bounded((*rendered.errors, *duplicates), limits.ERRORS_MAX)
        if problems:
            raise errors.ProblemsError(problems)
        index = canonical.encode(self._index(rendered, options))
        if len(index) > INDEX_BYTES_MAX:
            raise errors.UnreadableError(f"{len(rendered.objects)} objects are too many for one bundle")
        for item in (*rendered.objects, *rendered.hooks):
            self._emit(bundles.MANIFEST_TAG, item.manifest.plain)
        return catalogs.Variant(
            index=self._emit(bundles.INDEX_TAG, index),
            objects=len(rendered.objects),
            warnings=bounded(self._warned(rendered), limits.WARNINGS_MAX),
        )

    def _warned(self, rendered: rendering.Rendered) -> tuple[sources.Problem, ...]:
        if rendered.objects or rendered.hooks or self._bundle.problems:
            return (*rendered.warnings, *hooks.warnings(rendered.hooks))
        return (*rendered.warnings, sources.Problem(self._bundle.path, "the bundle holds no manifest"))

    def _index(self, rendered: rendering.Rendered, options: bundles.BundleOptions) -> bundles.BundleIndex:
        entries = [
            bundles.IndexEntry(item.manifest.id, bundles.manifest_digest(item.manifest.plain), item.path)
            for item in sorted(rendered.objects, key=lambda item: item.manifest.id)
        ]
        return bundles.BundleIndex(self._id, options, tuple(entries), hooks.entries(rendered.hooks))

    def _outside(self) -> dict[str, str]:
        """What was looked at and is not part of the bundle's own tree, nor of one that was looked at as a whole."""
        found: dict[str, str] = {}
        covered = [commits.prefix(self._bundle.path)]
        for path, oid in sorted(self._commit.looked_at.items(), key=lambda looked: f"{looked[0]}/"):
            if not f"{path}/".startswith(covered[-1]) and not f"{path}/".startswith(covered[0]):
                found[path] = oid
                covered.append(f"{path}/")
        return found


def described(entry: catalogs.Entry, read: settings.Settings) -> catalogs.Entry:
    """The entry with all that the bundle says of itself, its content apart."""
    return msgspec.structs.replace(
        entry,
        choices=tuple(
            catalogs.Choice(choice.target, deploys=not choice.customization.do_not_deploy, name=choice.name)
            for choice in read.recipe.choices
        ),
        first_match=read.recipe.mode is recipes.Mode.FIRST_MATCH,
        targets=read.targets,
        name=read.name,
        labels=read.labels,
        rollout=_rollout(read.rollout),
        needs=tuple(_need(one, entry) for one in read.depends_on),
    )


def _need(said: settings.DependsOn, entry: catalogs.Entry) -> catalogs.Need:
    selector = said.selector or settings.BundleSelector()
    return catalogs.Need(
        name=said.name,
        match_labels=selector.match_labels,
        match_expressions=selector.match_expressions,
        state=bundles.DependencyState(said.state.value),
        path=entry.path,
    )


def _rollout(said: settings.RolloutOverride | None) -> catalogs.Rollout | None:
    if said is None:
        return None
    return catalogs.Rollout(
        max_concurrency=said.max_concurrency,
        auto_partition_size=said.auto_partition_size,
        partitions=tuple(catalogs.Partition(one.targets, one.name, one.max_concurrency) for one in said.partitions),
    )


def bounded(found: Iterable[sources.Problem], most: int) -> tuple[sources.Problem, ...]:
    """In the order of files, and not more than somebody will read."""
    ordered = sorted(set(found), key=lambda error: (error.path, error.line, error.reason))
    if len(ordered) <= most:
        return tuple(ordered)
    rest = sources.Problem(ordered[most - 1].path, f"and {len(ordered) - most + 1} more of the like")
    return (*ordered[: most - 1], rest)


def _origin(stage: str, ask: asking.Asking) -> str:
    """Of a variant: its stage, what was asked before that, and the variables of the source, whichever are used."""
    if not ask.below and not ask.recorded:
        return stage
    said = [stage, sorted(ask.recorded), dict(sorted(ask.below.items()))]
    return hashlib.sha256(canonical.encode(said)).hexdigest()


def _order(variant: catalogs.Variant) -> tuple[Any, ...]:
    return variant.matched, sorted((name, value or "") for name, value in variant.inputs.items())


def _sorted(recorded: Mapping[str, str | None]) -> dict[str, str | None]:
    return dict(sorted(recorded.items()))


def _options(read: settings.Settings, wanted: recipes.Customization) -> bundles.BundleOptions:
    return msgspec.structs.replace(
        read.options(), namespace=wanted.namespace or "", default_namespace=wanted.default_namespace or ""
    )


def _named(bundle: discovery.Bundle, recipe: recipes.Recipe) -> frozenset[str]:
    """Files that the settings name as values or variables, for whichever clusters; those with variables in their names
    are found by what stands before the first."""
    customizations = [recipe.base, *(choice.customization for choice in recipe.choices)]
    names = [name for one in customizations for name in one.vars_files]
    names += [name for one in customizations if one.helm is not None for name in one.helm.values_files]
    paths = [commits.resolved(bundle.path, name) for name in names]
    patterns = [path.partition("${")[0] for path in paths if "${" in path]
    return frozenset(paths) | {
        file.path for file in bundle.files if any(file.path.startswith(start) for start in patterns)
    }


def _replaced(wanted: recipes.Customization, ask: asking.Asking) -> recipes.Customization:
    """The customization with variables in its strings replaced; Fleet's own templates are filled in later.

    Of patches only what aims them: what they bring is replaced in the objects, once.
    """
    rest = msgspec.to_builtins(msgspec.structs.replace(wanted, patches=()), builtin_types=(yamls.Plain,))
    found = msgspec.convert(variables.substitute(_lists(rest), ask.lookup), recipes.Customization)
    return msgspec.structs.replace(found, patches=tuple(_aimed(patch, ask) for patch in wanted.patches))


def _aimed(patch: recipes.Patch, ask: asking.Asking) -> recipes.Patch:
    target, change = patch.target, patch.patch
    if target is not None:
        target = msgspec.convert(variables.substitute(msgspec.to_builtins(target), ask.lookup), recipes.PatchTarget)
    if not isinstance(change, dict):
        change = tuple({**one, **_pointers(one, ask)} for one in change)
    return recipes.Patch(patch=change, target=target)


def _pointers(operation: Mapping[str, Any], ask: asking.Asking) -> dict[str, str]:
    texts = {name: operation.get(name) for name in ("path", "from")}
    return {name: variables.in_text(text, ask.lookup) for name, text in texts.items() if isinstance(text, str)}


def _lists(value: Any) -> Any:
    """The value with lists in the place of tuples, in which nothing is replaced."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def _duplicates(found: Sequence[rendering.Object], options: bundles.BundleOptions) -> tuple[sources.Problem, ...]:
    """One object twice: whichever came last would win, so neither does."""
    first: dict[ids.ObjectId, rendering.Object] = {}
    problems = []
    for item in found:
        earlier = first.setdefault(kinds.identity(item.manifest.id, options), item)
        if earlier is not item:
            place = sources.Problem(earlier.path, "", earlier.manifest.line)
            reason = f"{item.manifest.id} stands in {str(place).removesuffix(': ')}, too"
            problems.append(sources.Problem(item.path, reason, item.manifest.line))
    return tuple(problems)
