"""Images of containers replaced wherever they stand, as Kustomize's `images` do.

Looked at are the `containers`, `initContainers` and `ephemeralContainers` anywhere in an object, except in definitions
of custom resources, where these are words of a schema. An image matches by its name, without tag and digest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from controller.render import errors, limits, recipes

_LISTS = ("containers", "initContainers", "ephemeralContainers")
_DEFINITION = "CustomResourceDefinition"
_DEPTH_MAX = 2 * limits.DEPTH_MAX


class Reference(msgspec.Struct, frozen=True):
    """An image as a container names it."""

    name: str
    """With the registry and its port."""
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parsed(text: str) -> Reference:
    """The parts of an image: `registry:port/path/name:tag@digest`."""
    named, _, digest = text.partition("@")
    directory, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return Reference(directory + slash + name, tag, digest)


def apply(value: Any, images: Sequence[recipes.Image]) -> Any:
    """The object with its images replaced; the same object if none matches. What is given is not changed.

    Of two images of one name the later counts. A new tag or digest replaces tag and digest; a new name alone keeps
    them. Raises UnreadableError if the object is nested too deep.
    """
    if not images or (isinstance(value, dict) and value.get("kind") == _DEFINITION):
        return value
    return _replaced(value, {image.name: image for image in images}, 0)


def replaced(text: str, image: recipes.Image) -> str:
    """One image that matches, as it is to be."""
    old = parsed(text)
    tag, digest = (image.new_tag, image.digest) if image.new_tag or image.digest else (old.tag, old.digest)
    return str(Reference(image.new_name or old.name, tag, digest))


def _replaced(value: Any, images: Mapping[str, recipes.Image], depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise errors.UnreadableError(f"nested deeper than {_DEPTH_MAX}")
    if isinstance(value, list):
        items = [_replaced(item, images, depth + 1) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    made = {key: _replaced(item, images, depth + 1) for key, item in value.items()}
    for key in _LISTS:
        if isinstance(made.get(key), list):
            made[key] = _containers(made[key], images)
    return made if any(made[key] is not item for key, item in value.items()) else value


def _containers(items: list[Any], images: Mapping[str, recipes.Image]) -> list[Any]:
    made = [_container(item, images) for item in items]
    return made if any(new is not old for new, old in zip(made, items, strict=True)) else items


def _container(item: Any, images: Mapping[str, recipes.Image]) -> Any:
    text = item.get("image") if isinstance(item, dict) else None
    image = images.get(parsed(text).name) if isinstance(text, str) else None
    if image is None:
        return item
    new = replaced(str(text), image)
    return item if new == text else {**item, "image": new}
