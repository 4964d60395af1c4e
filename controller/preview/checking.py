"""All that can be said against a working tree before it is a commit.

One bundle's errors hide nothing of another's. What would fail on a cluster only, because two bundles claim one object
there or because a bundle that is depended on does not go there, is found here, as far as clusters are known.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from controller.domain import catalogs, inputs, kinds, placements
from controller.git import worktrees
from controller.preview import fleets, invented, looking, objects, placing
from controller.preview.findings import Finding, Report, Rule, Severity, of_problem
from controller.render import discovery, errors, settings, staging
from protocol import bundles, ids, ordering, selectors, specs
from protocol import groups as api_groups
from protocol.canonical import Digest
from protocol.events import sources

_VARIABLE = "${"
"""A complaint about a variable begins with it as it is written."""


class Subject(msgspec.Struct, frozen=True):
    """What is looked at, and what is known around it."""

    scope: looking.Scope
    spec: specs.SourceSpec | None
    known: fleets.Fleet
    kubernetes_version: str = ""


def check(subject: Subject, snapshot: worktrees.Snapshot, stager: staging.Stager) -> Report:
    """Look at everything; what is wrong with the tree as a whole is a finding, too."""
    known = _targeted(subject)
    try:
        found = looking.drafts(subject.scope, snapshot, stager)
        made = invented.clusters(found, known, snapshot, subject.kubernetes_version)
        scope = msgspec.structs.replace(subject.scope, fleet=(*known, *(one.facts for one in made)))
        look = looking.look(scope, snapshot, stager)
    except errors.SourceError as error:
        whole = Finding(Severity.ERROR, Rule.SOURCE, str(error), path=subject.scope.below)
        return Report((whole,), bundles=(), clusters=len(known))
    every = [*((one.name, one) for one in known), *((one.text, one.facts) for one in made)]
    checking = _Checking(look, every, are_known=bool(known))
    findings = [*_merged(checking.content()), *checking.placed_objects(), *checking.dependencies()]
    if subject.known.clusters:
        findings += _placement(subject, look, known)
    ordered = sorted(dict.fromkeys(findings), key=lambda one: (one.bundle, one.severity, one.path, one.line))
    return Report(tuple(ordered), tuple(entry.bundle for entry in look.entries), clusters=len(known))


def _targeted(subject: Subject) -> tuple[inputs.Facts, ...]:
    if subject.spec is None:
        return subject.known.clusters
    spec = subject.spec
    return tuple(one for one in subject.known.clusters if placements.source_targets(spec, one))


class _Checking:
    """What follows from a look at bundles on clusters."""

    def __init__(self, look: looking.Look, fleet: Sequence[tuple[str, inputs.Facts]], *, are_known: bool) -> None:
        self._look = look
        self._fleet = fleet
        self._are_known = are_known
        self._placed = [
            (name, {one.bundle: one for entry in look.entries if (one := placements.place(entry, facts)) is not None})
            for name, facts in fleet
        ]

    def content(self) -> Iterator[Finding]:
        """What the catalog says, and on which clusters."""
        for entry in self._look.entries:
            for problem in entry.errors:
                yield self._error(problem, entry.bundle)
            for variant in entry.variants:
                names = tuple(name for name, placed in self._placed if _has(placed, entry.bundle, variant))
                for problem in variant.errors:
                    yield _narrowed(self._error(problem, entry.bundle), entry, names)
            for problem in catalogs.warnings(entry):
                yield of_problem(problem, _rule(problem), bundle=entry.bundle, severity=Severity.WARNING)

    def _error(self, problem: sources.Problem, bundle: ids.BundleId) -> Finding:
        finding = of_problem(problem, _rule(problem), bundle=bundle, severity=Severity.ERROR)
        if not invented.concerns_placeholder(problem.reason):
            return finding
        message = f"{problem.reason} (a placeholder stands for what a cluster would say: name clusters to be sure)"
        return msgspec.structs.replace(finding, severity=Severity.WARNING, message=message)

    def placed_objects(self) -> Iterator[Finding]:
        """Objects that two bundles claim, and that an agent would refuse; clusters that get the same are one case."""
        cases: defaultdict[tuple[Digest, ...], list[str]] = defaultdict(list)
        for name, placed in self._placed:
            cases[tuple(one.index for one in placed.values() if one.index)].append(name)
        names: defaultdict[Finding, list[str]] = defaultdict(list)
        indexes = {digest: self._look.index(digest) for case in cases for digest in case}
        for case, clusters in cases.items():
            for finding in _claims([indexes[digest] for digest in case]):
                names[finding] += clusters
        for finding, clusters in names.items():
            yield msgspec.structs.replace(finding, clusters=tuple(sorted(clusters)))
        for index in {index.bundle: index for index in indexes.values()}.values():
            yield from _refusals(index)

    def dependencies(self) -> Iterator[Finding]:
        """Circles, bundles that do not exist, and bundles that do not go where they are needed."""
        rule = Rule.DEPENDENCIES
        for entry in self._look.entries:
            for problem in self._look.dependencies.get(entry.bundle, ()):
                yield of_problem(problem, rule, bundle=entry.bundle, severity=Severity.ERROR)
            for problem in self._look.unchecked.get(entry.bundle, ()):
                yield of_problem(problem, rule, bundle=entry.bundle, severity=Severity.WARNING)
            yield from self._not_there(entry) if self._are_known else ()

    def _not_there(self, entry: catalogs.Entry) -> Iterator[Finding]:
        seen = {one.bundle for one in self._look.entries}
        for needed in entry.depends_on:
            missing = [
                name for name, placed in self._placed if entry.bundle in placed and needed.bundle not in placed
            ] if needed.bundle in seen else []  # fmt: skip
            if missing:
                reason = f"dependsOn: {needed.bundle} does not go where this bundle goes, which would wait for ever"
                yield Finding(
                    Severity.ERROR, Rule.DEPENDENCIES, reason, bundle=entry.bundle, path=entry.path,
                    clusters=tuple(missing),
                )  # fmt: skip


def _has(placed: Mapping[ids.BundleId, placements.Placed], bundle: ids.BundleId, variant: catalogs.Variant) -> bool:
    found = placed.get(bundle)
    return found is not None and found.variant is variant


def _merged(found: Iterable[Finding]) -> Iterator[Finding]:
    """What is said of many variants is said once, with all their clusters."""
    clusters: dict[Finding, tuple[str, ...]] = {}
    for one in found:
        apart = msgspec.structs.replace(one, clusters=())
        clusters[apart] = (*clusters.get(apart, ()), *one.clusters)
    for one, names in clusters.items():
        yield msgspec.structs.replace(one, clusters=tuple(sorted(set(names))))


def _narrowed(finding: Finding, entry: catalogs.Entry, clusters: tuple[str, ...]) -> Finding:
    """The finding on these clusters, if they are not all that there are."""
    if clusters == (invented.ANY,) and entry.choices:
        # Whether there is such a cluster, nobody said.
        reason = f"{finding.message} (on clusters that none of the bundle's customizations matches)"
        return msgspec.structs.replace(finding, severity=Severity.WARNING, message=reason)
    return finding if len(entry.variants) == 1 else msgspec.structs.replace(finding, clusters=clusters)


def _rule(problem: sources.Problem) -> Rule:
    if problem.reason.startswith(_VARIABLE):
        return Rule.VARIABLES
    return Rule.SETTINGS if problem.path.rpartition("/")[2] in discovery.SETTINGS else Rule.RENDER


class _Claim(msgspec.Struct, frozen=True):
    """One bundle's wish for an object."""

    bundle: ids.BundleId
    file: str
    namespace: str
    """The one that counts if a custom kind is namespaced."""


def _claims(found: Sequence[bundles.BundleIndex]) -> Iterator[Finding]:
    """Objects that more than one of these bundles claims."""
    claims: dict[ids.ObjectId, _Claim] = {}
    for index in found:
        for item in index.objects:
            identity = kinds.identity(item.object, index.options)
            options = index.options
            namespace = identity.namespace or options.default_namespace or ordering.DEFAULT_NAMESPACE
            claim = _Claim(index.bundle, item.file, namespace)
            first = claims.setdefault(identity, claim)
            if first.bundle == claim.bundle:
                continue
            reason = f"{identity}: stands in {first.bundle}, too ({first.file}): neither would get it"
            severity = Severity.ERROR
            if not identity.namespace and first.namespace != claim.namespace and _is_custom(identity):
                severity = Severity.WARNING
                reason = (
                    f"{identity}: stands in {first.bundle}, too ({first.file}): one object, unless it has namespaces"
                )
            yield Finding(severity, Rule.DUPLICATES, reason, bundle=claim.bundle, path=claim.file)


def _is_custom(one: ids.ObjectId) -> bool:
    return one.group not in api_groups.BUILT_IN


def _refusals(index: bundles.BundleIndex) -> Iterator[Finding]:
    for item in index.objects:
        reason = objects.refusal(item.object, index.options)
        if reason:
            yield Finding(Severity.ERROR, Rule.PLACEMENT, reason, bundle=index.bundle, path=item.file)


def _placement(subject: Subject, look: looking.Look, known: Sequence[inputs.Facts]) -> Iterator[Finding]:
    """Rules that match no known cluster, and groups that nobody declared."""
    if subject.spec is not None:
        for number, target in enumerate(subject.spec.targets):
            yield from _idle(subject, target, subject.known.clusters, Finding(
                Severity.WARNING, Rule.PLACEMENT, f"targets[{number}] of source {subject.scope.source}"
            ))  # fmt: skip
    for entry, bundle in zip(look.entries, look.drafts, strict=True):
        marker = bundle.marker(*discovery.SETTINGS)
        path = marker.path if marker is not None else entry.path
        called = placing.rules(bundle.marker(settings.FLOTILLA) is not None)
        rules = [(called.target(number), target) for number, target in enumerate(entry.targets or ())]
        rules += [
            (called.choice(number, choice.name), choice.target)
            for number, choice in enumerate(entry.choices)
            if called.targets != called.choices
        ]
        for name, target in rules:
            about = Finding(Severity.WARNING, Rule.PLACEMENT, name, bundle=entry.bundle, path=path)
            yield from _idle(subject, target, known, about)
        if not any(placements.place(entry, one) is not None for one in known):
            yield Finding(
                Severity.WARNING, Rule.PLACEMENT, "no known cluster gets it", bundle=entry.bundle, path=path
            )  # fmt: skip


def _idle(
    subject: Subject, target: selectors.Target, known: Sequence[inputs.Facts], about: Finding
) -> Iterator[Finding]:
    said = msgspec.structs.replace
    groups = subject.known.groups
    for group in sorted({*target.groups, *(name for out in target.exclude for name in out.groups)}):
        if groups is not None and group not in groups:
            yield said(about, message=f"{about.message}: there is no ClusterGroup {group!r}")
    if not any(placements.targets(target, one) for one in known):
        yield said(about, message=f"{about.message}: matches no known cluster")
