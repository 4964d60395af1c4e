"""Which clusters get which bundle: by which rule, with which customizations, and in which variant."""

from collections.abc import Iterator, Sequence

import msgspec

from controller.domain import catalogs, inputs, placements
from controller.preview import looking
from controller.render import settings
from protocol import ids, selectors, specs
from protocol.canonical import NO_DIGEST, Digest

EVERYWHERE = "everywhere"
"""In the place of a rule: the bundle does not narrow its source."""


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One bundle on one cluster."""

    bundle: ids.BundleId
    cluster: str
    deploys: bool
    source_rule: str
    """Which entry of the source's targets chose the cluster; empty: none did, or no source was given."""
    rule: str
    """Which entry of the bundle's targets did."""
    customizations: list[str]
    """Those that count for the cluster, in order."""
    variant: Digest
    """Digest of the content; empty: there is none."""
    objects: int
    reason: str = ""
    """Why the cluster does not get it, or gets nothing new."""


class Rules(msgspec.Struct, frozen=True):
    """What the rules of one bundle are called, for people."""

    targets: str
    choices: str

    def target(self, number: int) -> str:
        return f"{self.targets}[{number}]"

    def choice(self, number: int, name: str) -> str:
        return f"{self.choices}[{number}]" + (f" {name}" if name else "")


def rows(look: looking.Look, spec: specs.SourceSpec | None, fleet: Sequence[inputs.Facts]) -> Iterator[Row]:
    """Every bundle on every cluster, whether the cluster gets it or not."""
    for entry, bundle in zip(look.entries, look.drafts, strict=True):
        for facts in fleet:
            yield row(entry, rules(bundle.marker(settings.FLOTILLA) is not None), spec, facts)


def rules(is_flotilla: bool) -> Rules:
    """Flotilla and Fleet have different words for the same."""
    return Rules("targets", "targets") if is_flotilla else Rules("overrideTargets", "targetCustomizations")


def row(entry: catalogs.Entry, called: Rules, spec: specs.SourceSpec | None, facts: inputs.Facts) -> Row:
    """One bundle on one cluster."""
    of_source, source_rule = _of_source(spec, facts)
    rule = _first(entry.targets, facts)
    matched = placements.choose(entry.choices, facts, first_match=entry.first_match)
    refusing = next((number for number in matched if not entry.choices[number].deploys), None)
    found = placements.place(entry, facts) if of_source else None
    variant = found.variant if found is not None else None
    problems = (*entry.errors, *(variant.errors if variant is not None else ()))
    if not of_source:
        reason = "the source is not for it"
    elif entry.targets is not None and rule is None:
        reason = f"no entry of {called.targets} matches"
    elif refusing is not None:
        reason = f"doNotDeploy of {called.choice(refusing, entry.choices[refusing].name)}"
    elif entry.paused:
        reason = "paused: it keeps what it has"
    else:
        reason = f"in error: {problems[0]}" if problems else ""
    return Row(
        bundle=entry.bundle,
        cluster=facts.name,
        deploys=found is not None,
        source_rule=source_rule,
        rule=called.target(rule) if rule is not None else EVERYWHERE if entry.targets is None else "",
        customizations=[called.choice(number, entry.choices[number].name) for number in matched],
        variant=variant.index if variant is not None and not problems else NO_DIGEST,
        objects=variant.objects if variant is not None and not problems else 0,
        reason=reason,
    )


def renders(found: Sequence[Row]) -> int:
    """How many distinct contents that makes."""
    return len({(one.bundle, one.variant) for one in found if one.deploys and one.variant})


def _of_source(spec: specs.SourceSpec | None, facts: inputs.Facts) -> tuple[bool, str]:
    if spec is None:
        return True, ""
    if spec.all_clusters:
        return True, "allClusters"
    number = _first(spec.targets, facts)
    return number is not None, f"targets[{number}]" if number is not None else ""


def _first(targets: Sequence[selectors.Target] | None, facts: inputs.Facts) -> int | None:
    return next((number for number, one in enumerate(targets or ()) if placements.targets(one, facts)), None)
