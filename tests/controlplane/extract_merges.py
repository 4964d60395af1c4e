"""Write what strategic merge patches of built-in kinds need, from the schema that was taken from the real API server.

    python -m tests.controlplane.extract_merges

The file holds the version of Kubernetes, `kinds` (apiVersion/kind to the name of a type) and `types`: of each type the
fields at or below which lists merge. A field has the `type` of what it holds, or of the list's items; `key` where it is
a list that merges, by the field that tells its items apart, or "" for a set of scalars; `each` where it is a map from
any key; `replace` where it is an object that a patch replaces whole.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.controlplane import extract_schema

OUTPUT = Path(__file__).parents[2] / "controller" / "render" / "merge_keys.json"

Json = dict[str, Any]


def _held(described: Json) -> tuple[str, bool]:
    """The type that a field holds, and whether it is a map to it."""
    if "ref" in described:
        return described["ref"], False
    if described.get("type") == "list":
        # A list of lists merges nowhere in Kubernetes; what it would hold is not looked at.
        return described["items"].get("ref", ""), False
    if described.get("type") == "map":
        return described["values"].get("ref", ""), True
    return "", False


def _strategies(described: Json) -> set[str]:
    return set(described.get("patch", {}).get("strategy", "").split(","))


def _field(described: Json, known: set[str]) -> Json | None:
    held, each = _held(described)
    out: Json = {"type": held} if held in known else {}
    if "merge" in _strategies(described):
        out["key"] = described["patch"].get("key", "")
    if "replace" in _strategies(described):
        return {"replace": True}
    if not out:
        return None
    return out | ({"each": True} if each else {})


def merges(schema: Json) -> Json:
    """The document that is stored, of a schema as extract_schema makes it."""
    structs = {name: type_["fields"] for name, type_ in schema["definitions"].items() if type_["type"] == "struct"}
    known: set[str] = set()
    while True:
        types = {
            name: {field: made for field, described in fields.items() if (made := _field(described, known))}
            for name, fields in structs.items()
        }
        found = {name for name, fields in types.items() if fields}
        if found == known:
            break
        known = found
    kinds = {
        "/".join(filter(None, (entry["group"], entry["version"], entry["kind"]))): entry["definition"]
        for entry in schema["resources"]
    }
    return {
        "kubernetes": schema["kubernetes"],
        "kinds": dict(sorted(kinds.items())),
        "types": {name: types[name] for name in _reached(kinds, types)},
    }


def _reached(kinds: Json, types: Json) -> list[str]:
    done: set[str] = set()
    waiting = list(kinds.values())
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            waiting.extend(field["type"] for field in types[name].values() if "type" in field)
    return sorted(done)


def render(document: Json) -> str:
    """JSON with one kind or type a line."""

    def lines(entries: Json) -> str:
        return ",\n".join(f"{json.dumps(name)}:{json.dumps(entries[name], separators=(',', ':'))}" for name in entries)

    return (
        f'{{"kubernetes":{json.dumps(document["kubernetes"])},\n'
        f'"kinds":{{\n{lines(document["kinds"])}\n}},\n"types":{{\n{lines(document["types"])}\n}}}}\n'
    )


def main() -> int:
    text = render(merges(json.loads(extract_schema.OUTPUT.read_text())))
    OUTPUT.write_text(text)
    print(f"{OUTPUT.name}: {len(text) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
