"""The first half of a render: a customization and the files of a commit become texts, before the cluster's variables.

What a stage is made from is known before it is made: `Plan.origin` names every object that is read, the settings and
the programs that count, so that equal ones are staged once, and those that a commit did not touch not at all.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

import msgspec

from controller.render import asking, commits, discovery, recipes, settings, yamls
from protocol import canonical, ids
from protocol.events import sources


class Order(msgspec.Struct, frozen=True):
    """What to render: one bundle, customized for some clusters, with the variables in its settings replaced."""

    id: ids.BundleId
    bundle: discovery.Bundle
    settings: settings.Settings
    wanted: recipes.Customization
    namespace: str
    """Of the release, where a renderer wants one."""
    named: frozenset[str] = frozenset()
    """Paths of files that settings name as values or variables: they are no manifests."""


class Text(msgspec.Struct, frozen=True):
    """Manifests as text."""

    path: str
    """The file that they stand in, or the directory that they were rendered from."""
    data: bytes
    has_lines: bool = True
    """Lines of the text are lines of the file."""


class Staged(msgspec.Struct, frozen=True):
    """Texts of one bundle."""

    texts: tuple[Text, ...]
    hooks: tuple[Text, ...] = ()
    """Helm's hooks, which travel beside the objects."""
    warnings: tuple[sources.Problem, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """A stage that is not made yet."""

    reads: tuple[tuple[str, str], ...]
    """(path, OID) of all that it is made from."""
    tool: str
    """Name and version of what makes it."""
    make: Callable[[], Staged]
    """Raise UnreadableError, or ProblemsError, if it cannot be made."""

    def origin(self, order: Order) -> str:
        """The fingerprint of all that the stage follows from; variables of the source come in later."""
        said = msgspec.to_builtins(
            msgspec.structs.replace(order.wanted, vars={}, vars_files=()), order="sorted", enc_hook=_marked
        )
        kept = order.settings
        options = [msgspec.to_builtins(kept.options(), order="sorted"), kept.substitute, order.namespace]
        reads = [list(read) for read in self.reads]
        return hashlib.sha256(canonical.encode([self.tool, said, options, reads])).hexdigest()


def _marked(value: object) -> list[str]:
    """A plain scalar that is a reference is another thing than the same text in quotes."""
    assert type(value) is yamls.Plain, "settings are plain JSON but for these"
    return ["plain", str(value)]


class Versioned(Protocol):
    """What renders."""

    @property
    def version(self) -> str:
        """Changes whenever the same files would give other bytes."""
        ...


class Stager(Versioned, Protocol):
    """Plans stages."""

    def plan(self, order: Order, commit: commits.Commit, ask: asking.Asking, /) -> Plan:
        """What it would take; `ask` is asked for what is needed of the cluster, and for nothing else. Raise
        UnreadableError where the order cannot be carried out."""
        ...
