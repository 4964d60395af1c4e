"""Reading custom resources by their structural schema: pruning, defaulting and validation."""

from agents.sandbox import schema
from agents.sandbox.schema import Json, List, Map, Type
from agents.sandbox.statuses import Cause

_OWN = ("apiVersion", "kind", "metadata")  # of every object, and read by the server's own types

_FORMS = {"string": (str,), "enum": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


class Reader:
    """One reading of a custom resource: what is kept of it, what no schema declares, and what is invalid."""

    def __init__(self, *, keep_nulls: bool) -> None:
        self._keep_nulls = keep_nulls  # an apply validates them; a decoder drops those that cannot stand
        self.unknown: list[str] = []
        self.causes: list[Cause] = []

    def read(self, kind: Map, value: dict[str, Json]) -> dict[str, Json]:
        """Return the object pruned and with its defaults."""
        return self._map(kind, value, "")

    def _read(self, kind: Type, value: Json, path: str) -> Json:
        if kind is schema.DEDUCED or (kind.scalar == "untyped" and not isinstance(value, dict | list)):
            return value
        if value is None:
            return self._null(kind, path)
        if isinstance(value, dict) and kind.map is not None:
            return self._map(kind.map, value, path)
        if isinstance(value, list) and kind.list is not None:
            return self._list(kind.list, value, path)
        self._scalar(kind, value, path)
        return value

    def _null(self, kind: Type, path: str) -> None:
        if not kind.nullable:
            self._wrong(kind, "null", path)

    def _map(self, kind: Map, value: dict[str, Json], path: str) -> dict[str, Json]:
        out: dict[str, Json] = {}
        for name, child in value.items():
            if not path and name in _OWN:
                out[name] = child
                continue
            field = kind.fields.get(name) or kind.element
            if field is None:
                self.unknown.append(f"{path}{name}")
            elif child is None and self._is_dropped(kind, name, field):
                continue
            else:
                out[name] = self._read(field, child, f"{path}{name}.")
        for name, default in kind.defaults.items():
            if name not in out:
                out[name] = self._read(kind.fields[name], default, f"{path}{name}.")
        self.causes += [_missing(f"{path}{name}") for name in kind.required if name not in out]
        return value if out == value else out

    def _is_dropped(self, kind: Map, name: str, field: Type) -> bool:
        """Say whether a null goes: where it cannot stand, it asks for the default or says nothing."""
        if field is schema.DEDUCED or field.nullable or name not in kind.fields:
            return False
        return name in kind.defaults or not self._keep_nulls

    def _list(self, kind: List, value: list[Json], path: str) -> list[Json]:
        stem = path.removesuffix(".")
        out = [self._read(kind.element, item, f"{stem}[{index}].") for index, item in enumerate(value)]
        return value if out == value else out

    def _scalar(self, kind: Type, value: Json, path: str) -> None:
        forms = _FORMS.get(kind.scalar or "", ())
        if not isinstance(value, forms) or (isinstance(value, bool) and kind.scalar != "boolean"):
            self._wrong(kind, _form(value), path)
        elif kind.enum and value not in kind.enum:
            listed = ", ".join(f'"{name}"' for name in kind.enum)
            message = f'Unsupported value: "{value}": supported values: {listed}'
            self.causes.append(("FieldValueNotSupported", message, path.removesuffix(".")))

    def _wrong(self, kind: Type, found: str, path: str) -> None:
        field = path.removesuffix(".")
        scalar = "string" if kind.scalar == "enum" else kind.scalar
        wanted = scalar or ("array" if kind.list is not None else "object")
        message = f'Invalid value: "{found}": {field} in body must be of type {wanted}: "{found}"'
        self.causes.append(("FieldValueTypeInvalid", message, field))


def _missing(field: str) -> Cause:
    return ("FieldValueRequired", "Required value", field)


def _form(value: Json) -> str:
    for form, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, form):
            return name
    return "object"
