"""`fleet.yaml`, as far as Flotilla can do what it asks; of everything else there is a warning."""

import msgspec

from controller.render import limits, recipes, settings, typed_yaml
from protocol.events import sources


class _File(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str = ""
    default_namespace: str = ""
    labels: dict[str, str] = {}


def parse(data: bytes) -> tuple[settings.Settings, tuple[sources.Problem, ...]]:
    """Read of fleet.yaml what is supported, and a warning for each field that is not."""
    document = typed_yaml.single(data)
    if document is None:
        return settings.NONE, ()
    file = typed_yaml.convert(document, document.value, _File)
    known = ("namespace", "defaultNamespace", "labels")
    warnings = tuple(
        sources.Problem("", f"{key[:80]} is not supported yet, and has no effect", document.lines.get((key,), 0))
        for key in document.value
        if key not in known
    )
    base = recipes.Customization(namespace=file.namespace or None, default_namespace=file.default_namespace or None)
    found = settings.Settings(
        namespace=file.namespace,
        default_namespace=file.default_namespace,
        labels=file.labels,
        recipe=recipes.Recipe(base),
    )
    settings.check(found, document)
    return found, warnings[: limits.WARNINGS_MAX]
