"""Objects as text: YAML that Kubernetes reads back as the very same objects, JSON, or names."""

import json
from collections.abc import Iterable
from typing import Any

import yaml

from controller.preview import objects
from controller.render import scalars

_FIRST = ("apiVersion", "kind", "metadata")
"""Where people look first; the rest stays in the order of the canonical bytes."""


class _Dumper(yaml.CSafeDumper):
    """PyYAML's, except that it quotes what Kubernetes would not read as a string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text and _may_be_block(text):
        style = "|"
    elif not _is_string(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def as_yaml(shown: Iterable[objects.Shown]) -> str:
    """One document for each object, with its bundle and its file as a comment."""
    return "".join(f"---\n{one_as_yaml(one)}" for one in shown)


def one_as_yaml(one: objects.Shown) -> str:
    """One document, with its bundle and its file as a comment."""
    lines = [f"# {one.bundle}: {printable(one.file)}{' (hook)' if one.is_hook else ''}"]
    if one.if_namespaced:
        lines.append(f"# in the namespace {one.if_namespaced}, if {one.object.kind} is a namespaced kind")
    if one.refused:
        lines.append(f"# an agent would refuse it: {one.refused}")
    return "".join(f"{printable(line)}\n" for line in lines) + _document(one.manifest)


def as_json(shown: Iterable[objects.Shown]) -> str:
    """A `List`, as kubectl prints and takes it."""
    items = [_arranged(one.manifest) for one in shown]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"


def as_names(shown: Iterable[objects.Shown]) -> str:
    """A line for each object: kind, group, namespace and name."""
    return "".join(f"{printable(str(one.object))}\n" for one in shown)


def printable(text: str) -> str:
    """The text in one line, that no terminal and no parser takes for anything else."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _document(manifest: dict[str, Any]) -> str:
    text: str = yaml.dump(
        _arranged(manifest), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
    )
    return text


def _arranged(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: manifest[key] for key in (*_FIRST, *manifest) if key in manifest}


def _is_string(text: str) -> bool:
    try:
        return scalars.resolve(text) == text
    except scalars.NotANumberError:
        return False


def _may_be_block(text: str) -> bool:
    """libyaml writes some texts as blocks that begin with a blank, or end in one, so that they read as another."""
    return text[0] not in " \n\t" and all(line == line.rstrip() for line in text.split("\n"))
