"""What a chart's templates ask for, found by looking at them: a sieve that may say yes once too often, never no where a
template says it in so many words."""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from controller.render import archives, errors, yamls

_ACTION = re.compile(rb"\{\{(.*?)\}\}", re.DOTALL)
_END = b"}}"
_QUOTED = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?|`[^`]*+`?|/\*.*?(?:\*/|\Z)', re.DOTALL)
"""What nobody closes reaches to the end: it takes a time that is linear in the text's length, whatever stands there."""
_WHOLE_CAPABILITIES = re.compile(rb"\.Capabilities(?![\w.])")
_LOOKUP = re.compile(rb"(?<![\w.$-])lookup\b")
_CLOCK = re.compile(rb"(?<![\w.$-])(now|ago)\b")
_RANDOM = re.compile(
    rb"(?<![\w.$-])(rand(?:AlphaNum|Alpha|Numeric|Ascii|Bytes|Int)|shuffle|uuidv4|htpasswd|bcrypt|encryptAES"
    rb"|gen(?:PrivateKey|CA|CAWithKey|SelfSignedCert|SelfSignedCertWithKey|SignedCert|SignedCertWithKey)|keys|values)\b"
)
"""`keys` and `values` give a map's in an order of their own at every run."""

_NESTED_MAX = 4
"""Archives of charts within archives of charts; one is common, two are rare."""


class Traits(msgspec.Struct, frozen=True):
    """What templates ask for."""

    capabilities: bool = False
    """The cluster's Kubernetes version, or which APIs it has."""
    api_versions: bool = False
    """Which APIs it has."""
    lookup: tuple[str, ...] = ()
    """Files that look objects up in the cluster."""
    clock: tuple[str, ...] = ()
    """Files that read the clock."""
    random: tuple[str, ...] = ()
    """Files that use chance, or an order that differs, each with the function: `templates/a.yaml (uuidv4)`."""


def traits(files: Mapping[str, bytes], values: Iterable[bytes] = ()) -> Traits:
    """Of a chart's files, the charts in it included, and of values, which `tpl` takes for templates."""
    found = _Found()
    for path, content in _texts(files, _NESTED_MAX):
        found.take(path, content)
    for content in values:
        found.take("values", content)
    return Traits(found.capabilities, found.api_versions, tuple(found.lookup), tuple(found.clock), tuple(found.random))


class _Found:
    """Traits, as they are found."""

    def __init__(self) -> None:
        self.capabilities = False
        self.api_versions = False
        self.lookup: list[str] = []
        self.clock: list[str] = []
        self.random: list[str] = []

    def take(self, path: str, content: bytes) -> None:
        if path.rpartition("/")[2] == "Chart.yaml":
            self.capabilities |= b"kubeVersion" in content
        if b"{{" not in content:
            return
        self.capabilities |= b"Capabilities" in content
        # `.Capabilities` as a whole may go anywhere from here.
        self.api_versions |= b"APIVersions" in content or _WHOLE_CAPABILITIES.search(content) is not None
        whole = content[: content.rfind(_END) + len(_END)] if _END in content else b""
        code = b"\n".join(_QUOTED.sub(b" ", action[1]) for action in _ACTION.finditer(whole))
        if _LOOKUP.search(code):
            self.lookup.append(path)
        if _CLOCK.search(code):
            self.clock.append(path)
        if chance := _RANDOM.search(code):
            self.random.append(f"{path} ({chance[1].decode()})")


def _texts(files: Mapping[str, bytes], depth: int) -> Iterator[tuple[str, bytes]]:
    for path, content in sorted(files.items()):
        if not path.endswith(".tgz"):
            yield path, content
        elif depth and _is_subchart(path):
            try:
                nested = archives.unpack(path, content)
            except errors.UnreadableError:
                continue  # helm says what is wrong with it
            for below, text in _texts(nested, depth - 1):
                yield f"{path}/{below}", text


def _is_subchart(path: str) -> bool:
    return path.split("/")[-2:-1] == ["charts"]


def metadata(path: str, data: bytes) -> dict[str, object]:
    """The content of a file such as Chart.yaml; raise UnreadableError if it is no mapping."""
    try:
        documents = yamls.load(data)
    except errors.UnreadableError as error:
        raise errors.UnreadableError(f"{path}: {error.reason}", error.line) from error
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise errors.UnreadableError(f"{path}: not one YAML mapping")
    content: dict[str, object] = documents[0].value
    return content
