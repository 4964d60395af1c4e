"""The second half of a render: texts become objects, patched, with the cluster's variables in them, and checked."""

from collections.abc import Callable, Iterator

import msgspec

from controller.render import errors, images, limits, manifests, patches, rendering, staging, variables, yamls
from protocol.events import sources

Lookup = Callable[[str], str | None]


class _Item(msgspec.Struct, frozen=True):
    """One object of a text."""

    line: int
    value: object


class _Part(msgspec.Struct):
    """One text, read: what is the same for every cluster, and what is not."""

    text: staging.Text
    fixed: manifests.File
    varying: list[_Item]

    def line_of(self, found: str, item: _Item) -> int:
        """Where the reference stands."""
        if not self.text.has_lines:
            return 0
        data = self.text.data
        start = len(b"".join(data.splitlines(keepends=True)[: item.line - 1]))
        at = data.find(found.encode(), start)
        return yamls.line_of(data, at) if at >= 0 else item.line


class Objects:
    """The objects of one stage, before the variables of a cluster are known."""

    def __init__(self, parts: list[_Part], hooks: list[_Part], warnings: tuple[sources.Problem, ...]) -> None:
        self._parts = parts
        self._hooks = hooks
        self._warnings = warnings

    def rendered(self, lookup: Lookup | None) -> rendering.Rendered:
        """The objects for a cluster; None: its variables are not replaced."""
        gathered = rendering.Gathered(self._warnings)
        for part in self._parts:
            gathered.add(part.text.path, part.fixed, has_lines=part.text.has_lines)
            gathered.add(part.text.path, _varied(part, lookup, gathered), has_lines=part.text.has_lines)
        for part in self._hooks:
            gathered.add_hooks(part.text.path, part.fixed)
            gathered.add_hooks(part.text.path, _varied(part, lookup, gathered))
        return gathered.rendered()


def read(staged: staging.Staged, order: staging.Order) -> Objects:
    """Read and patch the texts; raise ProblemsError if they are no manifests, UnreadableError where a patch does not
    fit."""
    problems: list[sources.Problem] = []
    warnings: list[sources.Problem] = list(staged.warnings)
    substitute = order.settings.substitute
    loaded = list(_loaded(staged.texts, problems, with_plain=substitute))
    hooks = list(_loaded(staged.hooks, problems, with_plain=substitute))
    if problems:
        raise errors.ProblemsError(tuple(problems[: limits.ERRORS_MAX]))
    patched = _patched([item.value for _, items in loaded for item in items], order)
    parts, at = [], 0
    for text, items in loaded:
        values = patched[at : at + len(items)]
        at += len(items)
        left = [_Item(item.line, value) for item, value in zip(items, values, strict=True) if value is not None]
        parts.append(_part(text, left, order))
    if substitute:
        warnings += _near_misses([*loaded, *hooks])
    return Objects(parts, [_part(text, _imaged(items, order), order) for text, items in hooks], tuple(warnings))


def _loaded(
    texts: tuple[staging.Text, ...], problems: list[sources.Problem], *, with_plain: bool
) -> Iterator[tuple[staging.Text, list[_Item]]]:
    for text in texts:
        try:
            documents = manifests.load(text.path, text.data, with_plain=with_plain)
        except errors.UnreadableError as error:
            problems.append(sources.Problem(text.path, error.reason, error.line))
            continue
        yield text, [_Item(line, value) for line, value in manifests.flattened(documents)]


def _patched(values: list[object], order: staging.Order) -> list[object]:
    """The objects after patches and images; None for one that a patch deleted."""
    wanted = order.wanted
    if wanted.patches:
        values = patches.apply(values, wanted.patches)
    if wanted.images:
        values = [images.apply(value, wanted.images) for value in values]
    return values


def _imaged(hooks: list[_Item], order: staging.Order) -> list[_Item]:
    """Hooks with their images replaced: a registry that is a mirror is one for them, too. As with Helm's post-renderers
    patches are not for them."""
    return [_Item(hook.line, images.apply(hook.value, order.wanted.images)) for hook in hooks]


def _part(text: staging.Text, items: list[_Item], order: staging.Order) -> _Part:
    may = order.settings.substitute and (variables.may_hold(text.data) or bool(order.wanted.patches))
    fixed: list[_Item] = []
    varying: list[_Item] = []
    for item in items:
        (varying if may and variables.holds(item.value) else fixed).append(item)
    return _Part(text, manifests.checked((item.line, item.value) for item in fixed), varying)


def _varied(part: _Part, lookup: Lookup | None, gathered: rendering.Gathered) -> manifests.File:
    found = []
    for item in part.varying:
        try:
            value = item.value if lookup is None else variables.substitute(item.value, lookup)
        except errors.VariableError as error:
            gathered.refuse(sources.Problem(part.text.path, error.reason, part.line_of(error.found, item)))
            continue
        except errors.UnreadableError as error:
            gathered.refuse(sources.Problem(part.text.path, error.reason, item.line))
            continue
        found.append((item.line, value))
    return manifests.checked(found)


def _near_misses(loaded: list[tuple[staging.Text, list[_Item]]]) -> list[sources.Problem]:
    return [
        sources.Problem(text.path, f"{miss.found}: not replaced (is ${{cluster.…}} or ${{vars.…}} meant?)", item.line)
        for text, items in loaded
        if variables.may_hold(text.data)
        for item in items
        for miss in variables.near_misses(item.value)
    ][: limits.WARNINGS_MAX]
