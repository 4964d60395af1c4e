"""From bytes to documents: what is read, and that each mistake is named with its place."""

import pathlib

import pytest

from controller.configuration import reading
from controller.domain import documents, rejections
from protocol import selectors, specs

SHOP = """\
apiVersion: flotilla.gitops/v1alpha1
kind: Source
metadata: {name: shop}
spec:
  url: https://git.example/shop.git
  paths: ["apps/*"]
  targets:
    - matchLabels: {env: prod}
"""

EDGE = """\
apiVersion: flotilla.gitops/v1alpha1
kind: Cluster
metadata: {name: edge-1}
spec:
  labels: {env: prod}
"""

BOMB = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n + 1, n + 1, n, n) for n in range(40))


def document(kind: str, spec: str, *, name: str = "x", version: str = "flotilla.gitops/v1alpha1") -> bytes:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n".encode()


def test_every_kind_is_read() -> None:
    policy = document("RolloutPolicy", "{stages: [{name: canary, limit: 1}], maxFailures: 2}", name="slow")
    group = document("ClusterGroup", "{selector: {names: ['edge-*']}}", name="edge")
    text = b"---\n".join([SHOP.encode(), EDGE.encode(), group, policy])

    found = reading.parse("fleet.yaml", text)

    assert [
        documents.Document(
            kind=documents.Kind.SOURCE,
            name="shop",
            spec=specs.SourceSpec(
                url="https://git.example/shop.git",
                paths=("apps/*",),
                targets=(selectors.Target(match_labels={"env": "prod"}),),
            ),
            place=documents.Place(file="fleet.yaml", number=1, line=1),
        ),
        documents.Document(
            kind=documents.Kind.CLUSTER,
            name="edge-1",
            spec=documents.ClusterSpec(labels={"env": "prod"}),
            place=documents.Place(file="fleet.yaml", number=2, line=10),
        ),
        documents.Document(
            kind=documents.Kind.GROUP,
            name="edge",
            spec=specs.GroupSpec(selector=selectors.Selector(names=("edge-*",))),
            place=documents.Place(file="fleet.yaml", number=3, line=16),
        ),
        documents.Document(
            kind=documents.Kind.POLICY,
            name="slow",
            spec=specs.RolloutPolicy(stages=(specs.StageSpec(name="canary", limit=1),), max_failures=2),
            place=documents.Place(file="fleet.yaml", number=4, line=21),
        ),
    ] == list(found)


def test_absence_is_said_aloud() -> None:
    found = reading.parse("x.yaml", document("Source", "{state: absent, prune: true, url: ignored}"))

    assert [(one.spec, one.prune) for one in found] == [(None, True)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (document("Source", "{url: u, surprise: 1}"), "document 1 (line 1): Source x: spec.surprise: there is no such"),
        (document("Source", "{}"), "Source x: spec.url: the field is missing"),
        (document("Source", "{url: 7}"), "Source x: spec.url: expected `str`, got `int`"),
        (document("Source", "{url: u, targets: [{labels: {}}]}"), "spec.targets[0].labels: there is no such field"),
        (document("Cluster", "{labels: {on: true}}"), "spec.labels[...]: expected `str`, got `bool` (quote it)"),
        (document("Cluster", "{state: gone}"), "spec.state is 'gone': only 'absent' and 'present' are known"),
        (document("Cluster", "{state: absent, prune: true}"), "spec.prune: only a Source can be removed with"),
        (document("Fleet", "{}"), "kind: invalid enum value 'Fleet'"),
        (document("Cluster", "{}", version="v1"), "apiVersion is 'v1', not 'flotilla.gitops/v1alpha1'"),
        (b"kind: Cluster\n", "apiVersion: the field is missing"),
        (b"- 1\n", "document: expected `object`, got `array`"),
        (b"a: [\n", "fleet.yaml: line 2:"),
        (b"a: 1\na: 2\n", "line 2: duplicate key 'a'"),
        (b"\xff\n", "fleet.yaml: line 1: not UTF-8"),
        (b"[" * 100_000, "nested deeper than"),
        (BOMB, "with aliases repeated"),
        (b" " * (reading.FILE_BYTES_MAX + 1), "larger than"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: bytes, reason: str) -> None:
    with pytest.raises(rejections.Invalid) as raised:
        reading.parse("fleet.yaml", text)

    assert str(raised.value).startswith("fleet.yaml")
    assert reason in str(raised.value)


def test_a_pasted_seed_is_not_repeated() -> None:
    with pytest.raises(rejections.Invalid) as raised:
        documents.agent_key("SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY", "cluster 'x'")

    assert "SUAM" not in str(raised.value)


@pytest.mark.parametrize("label", ["", "-a", "a b", "x/", "/x", "UPPER.example/a", "a/b/c", "a" * 64])
def test_a_label_key_is_one_of_kubernetes(label: str) -> None:
    with pytest.raises(rejections.Invalid):
        documents.labels({label: "x"}, "cluster 'x'")


@pytest.mark.parametrize("value", ["-", "a b", "é", "a" * 64])
def test_a_label_value_is_one_of_kubernetes(value: str) -> None:
    with pytest.raises(rejections.Invalid):
        documents.labels({"x": value}, "cluster 'x'")


def test_labels_are_bounded() -> None:
    with pytest.raises(rejections.Invalid):
        documents.labels({f"k{number}": "" for number in range(documents.LABELS_MAX + 1)}, "cluster 'x'")


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "edge.yml").write_text(EDGE)
    (tmp_path / "a.yaml").write_text(SHOP)
    (tmp_path / "README.md").write_text("not ours")
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.yaml").write_text(SHOP)

    found = reading.declared(reading.contents(tmp_path))

    assert [(one.name, one.place.file) for one in found] == [("shop", "a.yaml"), ("edge-1", "b/edge.yml")]


def test_what_is_declared_twice_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text(SHOP)
    (tmp_path / "b.yaml").write_text(SHOP)

    with pytest.raises(reading.ConfigurationError, match=r"b\.yaml.*Source shop is declared already in a\.yaml"):
        reading.declared(reading.contents(tmp_path))


def test_a_file_that_was_cut_off_is_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(SHOP[:-4])

    with pytest.raises(reading.ConfigurationError, match="does not end with a line break"):
        reading.contents(file)


def test_a_json_file_needs_no_line_break(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "fleet.json"
    file.write_text(
        '{"apiVersion": "flotilla.gitops/v1alpha1", "kind": "Cluster", "metadata": {"name": "a"}, "spec": {}}'
    )

    assert [one.name for one in reading.declared(reading.contents(file))] == ["a"]


def test_a_file_that_is_gone_is_an_error_without_its_path(tmp_path: pathlib.Path) -> None:
    with pytest.raises(reading.ConfigurationError) as raised:
        reading.contents(tmp_path / "fleet.yaml")

    assert str(raised.value) == "configuration fleet.yaml: cannot be read (No such file or directory)"


def test_a_configuration_has_bounds(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FILES_MAX", 2)
    monkeypatch.setattr(reading, "TOTAL_BYTES_MAX", 2 * len(SHOP))
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(SHOP)

    with pytest.raises(reading.ConfigurationError, match="more than 2 files"):
        reading.contents(tmp_path)
    (tmp_path / "c.yaml").unlink()
    (tmp_path / "b.yaml").write_text(SHOP + SHOP)
    with pytest.raises(reading.ConfigurationError, match="together are larger"):
        reading.contents(tmp_path)


def test_equal_files_have_equal_fingerprints_and_others_have_not() -> None:
    one = [("a", b"1"), ("b", b"2")]

    assert reading.fingerprint(one) == reading.fingerprint(list(one))
    assert reading.fingerprint(one) != reading.fingerprint([("a", b"1b"), ("", b"2")])
    assert reading.fingerprint(one) != reading.fingerprint([])
