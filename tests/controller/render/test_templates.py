"""What templates are seen to ask for."""

import io
import tarfile

import pytest

from controller.render import templates
from tests import growth


def _random(text: str) -> tuple[str, ...]:
    return templates.traits({"templates/a.yaml": text.encode()}).random


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("a: {{ randAlphaNum 8 }}", "randAlphaNum"),
        ("a: {{- $x := uuidv4 -}}", "uuidv4"),
        ('{{ $ca := genCA "a" 365 }}', "genCA"),
        ('{{ $c := genSelfSignedCert "a" nil nil 365 }}', "genSelfSignedCert"),
        ('{{ .Values.p | default (htpasswd "a" "b") }}', "htpasswd"),
        ("{{ keys .Values.a | first }}", "keys"),
        ("{{ $a\n | shuffle }}", "shuffle"),
    ],
)
def test_a_use_of_chance_is_seen(text: str, function: str) -> None:
    assert _random(text) == (f"templates/a.yaml ({function})",)


@pytest.mark.parametrize(
    "text",
    [
        "keys: uuidv4 {{ .Values.keys }}",
        '{{ include "web.keys" . }}',
        "{{/* uses randAlphaNum */}}",
        "{{ $values.a }} {{ $keys }} {{ .Values.shuffle }}",
        "{{ `uuidv4` }}",
        "uuidv4",
    ],
)
def test_a_word_that_is_no_call_is_not_taken_for_one(text: str) -> None:
    assert _random(text) == ()


def test_a_value_that_is_a_template_counts() -> None:
    assert templates.traits({}, [b'{"a": "{{ uuidv4 }}"}']).random == ("values (uuidv4)",)


def test_lookups_and_clocks_are_seen() -> None:
    files = {"templates/a.yaml": b'{{ (lookup "v1" "Secret" "" "").items }}', "templates/b.yaml": b"{{ now | date }}"}

    found = templates.traits(files)

    assert (found.lookup, found.clock) == (("templates/a.yaml",), ("templates/b.yaml",))


def test_a_packed_dependency_is_looked_into() -> None:
    target = io.BytesIO()
    content = b"{{ .Capabilities.APIVersions }} {{ uuidv4 }}"
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        member = tarfile.TarInfo("lib/templates/a.yaml")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))

    found = templates.traits({"charts/lib-1.0.0.tgz": target.getvalue(), "charts/bad.tgz": b""})

    assert found.capabilities
    assert found.random == ("charts/lib-1.0.0.tgz/templates/a.yaml (uuidv4)",)


@pytest.mark.parametrize(("begin", "piece", "end"), [("", "{{", ""), ('{{ "', '\\"', "}}"), ("{{ ", "/*", "}}")])
def test_what_nobody_closes_takes_no_longer_than_its_length(begin: str, piece: str, end: str) -> None:
    def work(size: int) -> None:
        assert _random(begin + piece * size + end) == ()

    assert growth.growth(work, 50_000) < growth.LINEAR_MAX
