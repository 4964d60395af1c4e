"""What a rendering asks of the cluster that it is for, and what it was told.

The record is part of the key under which the result is shared: clusters that give the same answers get the same bytes.
"""

from collections.abc import Mapping

from controller.domain import inputs

PLACEHOLDER = "placeholder"


class Asking:
    """Answers for one cluster, or for nobody in particular."""

    def __init__(self, facts: inputs.Facts | None) -> None:
        """`facts`: None where no cluster has the bundle yet; then every variable has some value, so that all else that
        is wrong with the bundle is found."""
        self._facts = facts
        self.below: Mapping[str, str] = {}
        """Variables of the source, by their names without `vars.`: they count where the cluster has none."""
        self.recorded: dict[str, str | None] = {}
        """What the cluster said, by the variable's name."""

    def api_versions(self) -> tuple[str, ...]:
        """What the cluster serves beside Kubernetes' own groups."""
        self.lookup(inputs.API_VERSIONS)
        return self._facts.api_versions if self._facts is not None else ()

    def lookup(self, name: str) -> str | None:
        """The variable's value; None: there is none."""
        if self._facts is None:
            self.recorded[name] = None
            return PLACEHOLDER
        said = self.recorded[name] = inputs.lookup(self._facts, name)
        if said is None and name.startswith(inputs.VARS):
            return self.below.get(name.removeprefix(inputs.VARS))
        return said
