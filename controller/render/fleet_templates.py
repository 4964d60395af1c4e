"""Fleet's templates in the values of a chart, filled in for one cluster.

Fleet writes the values as YAML, runs that through Go's templates with `${ }`, and reads it back. So what comes of a
plain string is read as YAML again: `${ .ClusterLabels.replicas }` gives a number where the label is one, and `| quote`
keeps it a string. Here each string is filled by itself, which gives the same, and keeps what stands in a label inside
its string. A key that is missing is an error, as in Fleet; `get`, `index` and `hasKey` ask without one.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import msgspec
import yaml

from controller.domain import inputs
from controller.render import errors, limits, template_functions, template_syntax, typed_yaml, yamls
from controller.render.template_syntax import Value

Lookup: TypeAlias = Callable[[str], str | None]
"""A variable's value by Flotilla's name for it; None if the cluster has none."""

LABEL_PREFIX = "global.fleet.clusterLabels."
"""A string that starts so stands for the label that it names; for the empty string, if there is none."""

WORK_MAX = 2 * limits.MIB
"""Characters of all templates of a bundle's values, and of all that they make on the way: a few seconds at worst."""

TEMPLATE_WORK = 200
"""What a template costs by being one, in characters."""

_MAPPINGS = {
    "ClusterLabels": inputs.LABELS,
    "ClusterAnnotations": inputs.ANNOTATIONS,
    "ClusterValues": inputs.VARS,
}
_NAME = "ClusterName"
_KEYED = ("get", "hasKey", "index")

P = ParamSpec("P")
T = TypeVar("T")


class _Mapping(msgspec.Struct, frozen=True):
    """`.ClusterLabels` and the like: good for asking for a key, and for nothing else."""

    name: str
    prefix: str


def fill(values: dict[str, Any], lookup: Lookup) -> dict[str, Any]:
    """The values with their templates filled in; what is asked of `lookup` is what the result depends on.

    Raise UnreadableError with the value's place, and the template's, for what is wrong, missing or not supported.
    """
    return _Filling(lookup).mapping(values, ())


def stands_for_labels(values: Any) -> bool:
    """Does any string of the values stand for a label, without a template?"""
    if isinstance(values, dict):
        return any(stands_for_labels(value) for value in values.values())
    if isinstance(values, list):
        return any(stands_for_labels(item) for item in values)
    return isinstance(values, str) and values.startswith(LABEL_PREFIX)


class _Filling:
    """Fills the values of one bundle in."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._work = 0

    def mapping(self, values: dict[str, Any], place: yamls.Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            here = (*place, key)
            name = self._key(key, here)
            if name in found:
                raise _refused(here, f"gives key {name[:60]!r} a second time")
            found[name] = self._value(value, here)
        return found

    def _value(self, value: Any, place: yamls.Place) -> Any:
        self._count(1, place)
        if isinstance(value, dict):
            return self.mapping(value, place)
        if isinstance(value, list):
            return [self._value(item, (*place, at)) for at, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        if value.startswith(LABEL_PREFIX):
            return self._lookup(inputs.LABELS + value.removeprefix(LABEL_PREFIX)) or ""
        if template_syntax.OPEN not in value:
            return value
        filled = self._filled(value, place)
        return _read(f"value: {filled}\n", place)["value"] if _is_plain(value) else filled

    def _key(self, key: str, place: yamls.Place) -> str:
        if template_syntax.OPEN not in key:
            return key
        filled = self._filled(key, place)
        return next(iter(_read(f"{filled}: value\n", place))) if _is_plain(key) else filled

    def _filled(self, template: str, place: yamls.Place) -> str:
        self._count(TEMPLATE_WORK + len(template), place)
        try:
            return self._text(template_syntax.parse(template), place)
        except template_syntax.TemplateError as error:
            shown = template[error.at : error.at + 40]
            raise _refused(place, f"{error.reason}, at character {error.at + 1}: {shown!r}") from error

    def _text(self, nodes: tuple[template_syntax.Node, ...], place: yamls.Place) -> str:
        found = []
        for node in nodes:
            if isinstance(node, template_syntax.Text):
                found.append(node.text)
            elif isinstance(node, template_syntax.If):
                found.append(self._branch(node, place))
            else:
                found.append(_told(node, template_functions.text, self._evaluate(node, place)))
            self._count(len(found[-1]), place)
        return "".join(found)

    def _branch(self, node: template_syntax.If, place: yamls.Place) -> str:
        for branch in node.branches:
            if template_functions.truth(self._evaluate(branch.condition, place)):
                return self._text(branch.body, place)
        return ""

    def _evaluate(self, node: template_syntax.Expression, place: yamls.Place) -> Value:
        found = self._operand(node, place)
        if isinstance(found, _Mapping):
            reason = f".{found.name} as a whole is not supported (ask for a key)"
            raise template_syntax.TemplateError(reason, node.at)
        self._count(1 + (len(found) if isinstance(found, str) else 0), place)
        return found

    def _operand(self, node: template_syntax.Expression, place: yamls.Place) -> Value | _Mapping:
        if isinstance(node, template_syntax.Literal):
            return node.value
        if isinstance(node, template_syntax.Path):
            return self._path(node)
        if node.function in _KEYED:
            return self._keyed(node, place)
        if node.function in ("and", "or"):
            return self._either(node, place)
        arguments = [self._evaluate(argument, place) for argument in node.arguments]
        return _told(node, template_functions.called, node.function, arguments)

    def _path(self, node: template_syntax.Path) -> Value | _Mapping:
        name, *keys = node.names
        if name == _NAME and not keys:
            return self._lookup(inputs.NAME)
        prefix = _MAPPINGS.get(name)
        if prefix is None:
            known = ", ".join(f".{one}" for one in (_NAME, *_MAPPINGS))
            raise template_syntax.TemplateError(f".{name[:40]} is not known here (only {known})", node.at)
        if not keys:
            return _Mapping(name, prefix)
        _check_depth(name, len(keys), node.at)
        found = self._lookup(prefix + ".".join(keys))
        if found is None:
            raise template_syntax.TemplateError(f"the cluster has no .{'.'.join(node.names)[:200]}", node.at)
        return found

    def _keyed(self, node: template_syntax.Call, place: yamls.Place) -> Value:
        """A key of a mapping, which may be missing: then `index` gives nil, and `get` an empty string."""
        if len(node.arguments) < 2 or (node.function != "index" and len(node.arguments) > 2):
            raise template_syntax.TemplateError(f"{node.function}: too few or too many arguments", node.at)
        mapping = self._operand(node.arguments[0], place)
        if not isinstance(mapping, _Mapping):
            known = ", ".join(f".{one}" for one in _MAPPINGS)
            raise template_syntax.TemplateError(f"{node.function}: looks only into {known}", node.at)
        keys = [self._evaluate(argument, place) for argument in node.arguments[1:]]
        if not all(isinstance(key, str) for key in keys):
            raise template_syntax.TemplateError(f"{node.function}: takes keys that are strings", node.at)
        _check_depth(mapping.name, len(keys), node.at)
        found = self._lookup(mapping.prefix + ".".join(map(str, keys)))
        if node.function == "hasKey":
            return found is not None
        return "" if found is None and node.function == "get" else found

    def _either(self, node: template_syntax.Call, place: yamls.Place) -> Value:
        """`and` and `or`: the value that decides; what stands behind it is not asked."""
        if not node.arguments:
            raise template_syntax.TemplateError(f"{node.function}: takes at least one argument", node.at)
        found: Value = None
        for argument in node.arguments:
            found = self._evaluate(argument, place)
            if template_functions.truth(found) is (node.function == "or"):
                break
        return found

    def _count(self, work: int, place: yamls.Place) -> None:
        self._work += work
        if self._work > WORK_MAX:
            raise _refused(place, f"templates make more than {WORK_MAX} characters")


def _told(node: template_syntax.Expression, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What the call gives; what it cannot take is an error at the node."""
    try:
        return call(*given, **named)
    except template_functions.WrongArgumentError as error:
        raise template_syntax.TemplateError(str(error), node.at) from error


def _check_depth(name: str, keys: int, at: int) -> None:
    if keys > 1 and _MAPPINGS[name] != inputs.VARS:
        raise template_syntax.TemplateError(f".{name} holds strings, which have no fields", at)


def _is_plain(text: str) -> bool:
    """Would Fleet write this string without quotes? A multi-line one becomes a block, which keeps its text, too."""
    return "\n" not in text and not yaml.dump(text, Dumper=yaml.CSafeDumper, allow_unicode=True).startswith(("'", '"'))


def _read(line: str, place: yamls.Place) -> dict[str, Any]:
    """One key and its value, as YAML."""
    try:
        documents = yamls.load(line.encode())
    except errors.UnreadableError as error:
        raise _refused(place, f"what its template gives is no YAML ({error.reason})") from error
    found = documents[0].value if len(documents) == 1 else None
    if not isinstance(found, dict) or len(found) != 1:
        raise _refused(place, "what its template gives is more than one value")
    return found


def _refused(place: yamls.Place, reason: str) -> errors.UnreadableError:
    return errors.UnreadableError(f"{typed_yaml.dotted(('helm', 'values', *place))}: {reason}")
