"""What is wrong or odd about a working tree, for people and for CI."""

import enum
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence

import msgspec

from controller.preview import texts
from protocol.events import sources


class Severity(enum.StrEnum):
    """Whether it may ship."""

    ERROR = "error"
    WARNING = "warning"


class Rule(enum.StrEnum):
    """What was looked at."""

    SOURCE = "source"
    """The tree as a whole."""
    SETTINGS = "settings"
    """flotilla.yaml, fleet.yaml: their schema, and what it cannot say."""
    VARIABLES = "variables"
    RENDER = "render"
    """Manifests, charts, kustomizations, overlays and patches."""
    PLACEMENT = "placement"
    DUPLICATES = "duplicates"
    """Two bundles claim one object on one cluster."""
    DEPENDENCIES = "dependencies"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong or odd."""

    severity: Severity
    rule: Rule
    message: str
    bundle: str = ""
    """Empty: it concerns no single one."""
    path: str = ""
    line: int = 0
    """1-based; 0: no line is to blame."""
    clusters: tuple[str, ...] = ()
    """Those that it concerns; empty: all, or it does not matter which."""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path or self.bundle
        where = f" (on {_some(self.clusters)})" if self.clusters else ""
        return texts.printable(f"{place}: {self.message}{where} [{self.rule}]")


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """All that was found."""

    findings: tuple[Finding, ...]
    bundles: tuple[str, ...]
    """That were looked at."""
    clusters: int
    """That were known; 0: the rules were tried on invented ones."""

    def count(self, severity: Severity) -> int:
        """How many there are of one kind."""
        return sum(one.severity is severity for one in self.findings)


CLUSTERS_SHOWN_MAX = 3


def of_problem(problem: sources.Problem, rule: Rule, *, bundle: str, severity: Severity) -> Finding:
    """A problem of the catalog as a finding."""
    return Finding(severity, rule, problem.reason, bundle=bundle, path=problem.path, line=problem.line)


def as_junit(report: Report) -> str:
    """JUnit's XML: a test case for each bundle, errors as failures, warnings as its output."""
    cases = [(bundle, [one for one in report.findings if one.bundle == bundle]) for bundle in report.bundles]
    rest = [one for one in report.findings if one.bundle not in report.bundles]
    if rest:
        cases.append(("source", rest))
    failed = sum(any(one.severity is Severity.ERROR for one in found) for _, found in cases)
    counts = {"name": "flotilla validate", "tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {**counts, "skipped": "0"})
    for name, found in cases:
        _case(suite, name, found)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, name: str, found: Sequence[Finding]) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": "flotilla.validate", "name": texts.printable(name)})
    failures = [one for one in found if one.severity is Severity.ERROR]
    if failures:
        # Readers of JUnit show one failure of a case.
        first = failures[0]
        attributes = {"message": texts.printable(first.message), "type": first.rule.value}
        ElementTree.SubElement(case, "failure", attributes).text = _lines(failures)
    warnings = [one for one in found if one.severity is Severity.WARNING]
    if warnings:
        ElementTree.SubElement(case, "system-out").text = _lines(warnings)


def _lines(found: Iterable[Finding]) -> str:
    return "\n".join(f"{one.severity}: {one}" for one in found)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:CLUSTERS_SHOWN_MAX])
    left = len(names) - CLUSTERS_SHOWN_MAX
    return f"{shown} and {left} more" if left > 0 else shown
