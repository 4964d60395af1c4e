"""Write what the sandbox must know about built-in kinds, as the real API server publishes it.

    python -m tests.controlplane.extract_schema

Run it again after a new Kubernetes version in go.mod; the same version gives the same bytes. The file holds:

kubernetes   the version of the server that was asked
resources    the discovery documents, in the server's order (kubectl prefers the first group that knows a name), each
             with the name of its definition; an empty group is the core group
definitions  the type of each kind and of what it refers to, reduced to what merging and validating need

A type is one of
    {"ref": NAME}                            a definition
    {"type": "struct", "fields": {...}}      with "required": names
    {"type": "map", "values": TYPE}          any keys
    {"type": "list", "items": TYPE, "list": "atomic" | "set" | "map"}     a "map" names its "keys"
    {"type": "string" | "integer" | "number" | "boolean"}                 with "format" and "enum"
    {"type": "scalar", "format": "quantity" | "int-or-string"}            written as a number or as text
    {"type": "any"}                          free form: its maps are granular, its lists atomic
A struct, map, any or ref with "atomic": true has one owner as a whole. A "default" is what a list-map key takes that is
left out; `{}` marks a struct that is no pointer in Go, so that the server writes it even where it is empty. "patch"
holds strategy and merge key of strategic merge patches.
The rules are those of k8s.io/kube-openapi/pkg/schemaconv, with which the server itself makes its merge types.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.controlplane import build
from tests.controlplane.client import Client
from tests.controlplane.server import ControlPlane

OUTPUT = Path(__file__).parents[2] / "agents" / "sandbox" / "schema.json"

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Asks for all groups, kinds and subresources in one document (since Kubernetes 1.27)."""

Json = dict[str, Any]

WRITTEN_AS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "scalar", "format": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "scalar", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "any", "atomic": True},
}
"""What the server does not take from the published schema either, or publishes without a type."""


def _reference(schema: Json) -> str | None:
    alternatives = schema.get("allOf", [])
    pointer = schema.get("$ref") or (alternatives[0].get("$ref") if len(alternatives) == 1 else None)
    return pointer.rsplit("/", 1)[-1] if pointer else None


def _list_rule(schema: Json) -> Json:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        return {"list": "map", "keys": schema["x-kubernetes-list-map-keys"]}
    if kind is not None:
        return {"list": kind}
    if str(schema.get("x-kubernetes-patch-strategy", "")).startswith("merge"):
        key = schema.get("x-kubernetes-patch-merge-key")
        return {"list": "map", "keys": [key]} if key else {"list": "set"}
    return {"list": "atomic"}


def _object(schema: Json) -> Json:
    properties = schema.get("properties")
    if properties:
        fields = {name: convert(member) for name, member in sorted(properties.items())}
        required = sorted(schema.get("required", []))
        return {"type": "struct", "fields": fields} | ({"required": required} if required else {})
    values = schema.get("additionalProperties")
    return {"type": "map", "values": convert(values) if isinstance(values, dict) else {"type": "any"}}


def _shape(schema: Json) -> Json:
    reference = _reference(schema)
    if reference is not None:
        return {"ref": reference}
    match schema.get("type"):
        case None:
            return {"type": "any"}
        case "object":
            return _object(schema)
        case "array":
            return {"type": "list", "items": convert(schema["items"]), **_list_rule(schema)}
        case scalar:
            return {"type": scalar} | {name: schema[name] for name in ("format", "enum") if name in schema}


def convert(schema: Json) -> Json:
    """One published schema as a type of ours."""
    out = _shape(schema)
    if schema.get("x-kubernetes-map-type") == "atomic":
        out["atomic"] = True
    if "default" in schema:
        out["default"] = schema["default"]
    patch = {
        short: schema[f"x-kubernetes-patch-{name}"]
        for short, name in (("strategy", "strategy"), ("key", "merge-key"))
        if f"x-kubernetes-patch-{name}" in schema
    }
    return out | ({"patch": patch} if patch else {})


def _references(node: object) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    # `fields` is keyed by names from the server, of which one may be "ref".
    children = node["fields"].values() if node.get("type") == "struct" else node.values()
    own = {node["ref"]} if isinstance(node.get("ref"), str) else set()
    return own.union(*map(_references, children))


def reachable(names: set[str], published: Json) -> Json:
    """The definitions of these names and of all that they refer to."""
    done: Json = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name not in done:
            done[name] = WRITTEN_AS.get(name) or convert(published[name])
            waiting.extend(_references(done[name]))
    return dict(sorted(done.items()))


def _kinds(published: Json) -> dict[tuple[str, str, str], str]:
    """The definition of each kind; one that serves many groups, such as DeleteOptions, is of none."""
    found = {}
    for name, schema in published.items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:
            found[(kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"])] = name
    return found


def _resource(group: str, version: str, entry: Json, kinds: dict[tuple[str, str, str], str]) -> Json:
    def kind_of(response: Json) -> Json:
        # An empty version means "the group and version that this document is about".
        own = (group, version) if not response["version"] else (response["group"], response["version"])
        said = {"group": own[0], "version": own[1], "kind": response["kind"]}
        definition = kinds.get((*own, response["kind"]))
        return said | ({"definition": definition} if definition else {})

    subresources = [
        {"name": sub["subresource"], **kind_of(sub["responseKind"]), "verbs": sorted(sub["verbs"])}
        for sub in entry.get("subresources", [])
    ]
    return {
        **kind_of(entry["responseKind"]),
        "plural": entry["resource"],
        "singular": entry["singularResource"],
        "shortNames": entry.get("shortNames", []),
        "categories": entry.get("categories", []),
        "namespaced": entry["scope"] == "Namespaced",
        "verbs": sorted(entry["verbs"]),
        "subresources": sorted(subresources, key=lambda sub: str(sub["name"])),
    }


def _resources(client: Client, kinds: dict[tuple[str, str, str], str]) -> list[Json]:
    found = []
    for root in ("/api", "/apis"):
        status, document = client.call("GET", root, accept=DISCOVERY)
        assert status == 200, document
        for group in document["items"]:
            for served in group["versions"]:
                entries = sorted(served["resources"], key=lambda entry: str(entry["resource"]))
                name = group["metadata"].get("name", "")
                found += [_resource(name, served["version"], entry, kinds) for entry in entries]
    return found


def extract(client: Client) -> Json:
    """Everything above, from one running server."""
    published: Json = {}
    for _, document in sorted(client.get("/openapi/v3")["paths"].items()):
        published.update(client.get(document["serverRelativeURL"]).get("components", {}).get("schemas", {}))
    resources = _resources(client, _kinds(published))
    served = [*resources, *(sub for resource in resources for sub in resource["subresources"])]
    names = {entry["definition"] for entry in served if "definition" in entry}
    return {
        "kubernetes": client.get("/version")["gitVersion"],
        "resources": resources,
        "definitions": reachable(names, published),
    }


def render(document: Json) -> str:
    """JSON with one resource or definition a line: small, and a new version is a diff that can be read."""

    def line(value: object) -> str:
        return json.dumps(value, separators=(",", ":"))

    resources = ",\n".join(line(resource) for resource in document["resources"])
    definitions = ",\n".join(f"{line(name)}:{line(value)}" for name, value in document["definitions"].items())
    return (
        f'{{"kubernetes":{line(document["kubernetes"])},\n'
        f'"resources":[\n{resources}\n],\n"definitions":{{\n{definitions}\n}}}}\n'
    )


def main() -> int:
    # Without the controller manager: what is published does not depend on it.
    with ControlPlane.start(build.provide(), controllers=False) as control_plane:
        text = render(extract(control_plane.client))
    OUTPUT.write_text(text)
    print(f"{OUTPUT.name}: {len(text) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
