"""What the settings file of a bundle says: `flotilla.yaml`, else `fleet.yaml`, else nothing."""

from collections.abc import Callable

import msgspec

from controller.render import errors, fleet_yaml, flotilla_yaml, limits, settings
from protocol.events import sources

Content = Callable[[str], bytes | None]
"""The content of a settings file by its OID; None if it is too long."""


class Read(msgspec.Struct, frozen=True):
    """The settings of a bundle, and what is wrong or odd about them."""

    found: settings.Settings = settings.NONE
    errors: tuple[sources.Problem, ...] = ()
    warnings: tuple[sources.Problem, ...] = ()

    def renders(self) -> bool:
        """Do they ask for a chart or a kustomization, for whichever clusters? What cannot be read may."""
        customizations = (self.found.recipe.base, *(choice.customization for choice in self.found.recipe.choices))
        asked = any(
            (one.helm is not None and one.helm.names_chart) or one.kustomize is not None for one in customizations
        )
        return asked or bool(self.errors)


def read(markers: dict[str, tuple[str, str]], content: Content) -> Read:
    """Read the settings file; `markers`: its path and OID by its name, as far as they are there."""
    name = next((name for name in (settings.FLOTILLA, settings.FLEET) if name in markers), None)
    if name is None:
        return Read()
    path, oid = markers[name]
    data = content(oid)
    if data is None:
        return Read(errors=(sources.Problem(path, f"larger than {limits.SETTINGS_BYTES_MAX} bytes"),))
    try:
        if name == settings.FLEET:
            found, problems = fleet_yaml.parse(data)
            warnings = tuple(msgspec.structs.replace(problem, path=path) for problem in problems)
            return Read(found, warnings=warnings)
        ignored = markers.get(settings.FLEET)
        warnings = (sources.Problem(ignored[0], "ignored, since flotilla.yaml is there"),) if ignored else ()
        return Read(flotilla_yaml.parse(data), warnings=warnings)
    except errors.UnreadableError as error:
        return Read(errors=(sources.Problem(path, error.reason, error.line),))
