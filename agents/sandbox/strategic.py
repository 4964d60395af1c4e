"""Strategic merge patch: a merge patch that knows by which key the items of a list are told apart."""

from agents.sandbox import merging, statuses
from agents.sandbox.schema import Json, List, Map, Type

_DIRECTIVE = "$patch"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def merge_patch(kind: Type, document: Json, patch: Json) -> Json:
    """Lay a strategic merge patch over a document."""
    if not isinstance(patch, dict):
        raise statuses.bad_request("cannot unmarshal a strategic merge patch that is not an object")
    return _map(kind.map or Map(fields={}), document if isinstance(document, dict) else {}, patch)


def _map(kind: Map, document: dict[str, Json], patch: dict[str, Json]) -> Json:
    if patch.get(_DIRECTIVE) == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    out = _retained(document, patch)
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            field = name.removeprefix(_DELETE_FROM)
            out[field] = [item for item in out.get(field, ()) if item not in value]
        elif not name.startswith("$"):
            _set(kind, out, name, value=value)
    for name, order in patch.items():
        if name.startswith(_ORDER):
            _sort(kind, out, name.removeprefix(_ORDER), order=order)
    return out


def _retained(document: dict[str, Json], patch: dict[str, Json]) -> dict[str, Json]:
    keys = patch.get(_RETAIN)
    return dict(document) if keys is None else {name: value for name, value in document.items() if name in keys}


def _set(kind: Map, out: dict[str, Json], name: str, *, value: Json) -> None:
    if value is None:
        out.pop(name, None)
        return
    field = merging.field_type(kind, name)
    before = out.get(name)
    if isinstance(value, dict) and field.map is not None:
        out[name] = _map(field.map, before if isinstance(before, dict) else {}, value)
    elif isinstance(value, list) and field.list is not None and field.list.merge_key is not None:
        out[name] = _list(field.list, before if isinstance(before, list) else [], value)
    else:
        out[name] = value


def _list(kind: List, items: list[Json], patch: list[Json]) -> list[Json]:
    if not kind.merge_key:
        return [*items, *(item for item in patch if item not in items)]
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    out = list(items)
    for item in patch:
        _merge_item(kind, out, item)
    return out


def _merge_item(kind: List, out: list[Json], item: Json) -> None:
    key = kind.merge_key or ""
    if not isinstance(item, dict) or key not in item:
        raise statuses.bad_request(f"map: {item} does not contain declared merge key: {key}")
    index = next((at for at, known in enumerate(out) if known.get(key) == item[key]), None)
    if item.get(_DIRECTIVE) == "delete":
        if index is not None:
            del out[index]
    elif index is None:
        out.append(_map(kind.element.map or Map(fields={}), {}, item))
    else:
        out[index] = _map(kind.element.map or Map(fields={}), out[index], item)


def _sort(kind: Map, out: dict[str, Json], name: str, *, order: list[Json]) -> None:
    """Bring a list into the order the patch asks for; items it does not name keep their place at the end."""
    listed = merging.field_type(kind, name).list
    items = out.get(name)
    if listed is None or listed.merge_key is None or not isinstance(items, list):
        return
    key = listed.merge_key
    places = {str(entry.get(key) if key else entry): at for at, entry in enumerate(order)}
    out[name] = sorted(items, key=lambda item: places.get(str(item.get(key) if key else item), len(places)))
