"""The log in lines for people: who is named, and what is left out."""

from typing import Any

import pytest

from controller.cli import output, session, trail

PROD, GONE = "A" + "B" * 55, "A" + "C" * 55


class Hub(session.Hub):
    """Knows one cluster, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(session.Context(url="http://127.0.0.1", token=""))
        self.asked = 0

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        assert (path, query) == ("clusters", {})
        self.asked += 1
        return [{"id": PROD, "name": "prod-1"}]


def event(name: str, **fields: Any) -> dict[str, Any]:
    """As the API tells one."""
    return {
        "sequence": 7, "at": "2026-12-01T03:49:30.5+00:00", "by": f"agent of {PROD}", "type": name, "id": "x",
        "event": {"type": name, **fields},
    }  # fmt: skip


def gist(capsys: pytest.CaptureFixture[str], **fields: Any) -> str:
    """What a line says of these fields."""
    trail.show([event("Happened", **fields)], output.Format.TABLE, trail.Names(Hub()))
    return capsys.readouterr().out.partition("Happened")[2].strip()


def test_clusters_are_told_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    failed = [{"cluster": PROD, "reason": "no image"}]

    assert gist(capsys, cluster=PROD, clusters=[PROD, GONE]) == "cluster=prod-1 clusters=prod-1,ACCCCCCC…"
    assert gist(capsys, failed=failed, withdrawn=[]) == "failed=prod-1"


def test_a_long_list_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert gist(capsys, clusters=[f"c{number}" for number in range(7)]) == "clusters=c0,c1,c2,c3,c4 and 2 more"


def test_digests_are_cut_where_nobody_compares_more(capsys: pytest.CaptureFixture[str]) -> None:
    commit = "78c7be6dfeec" + "1" * 28
    said = gist(
        capsys, revision=f"main@sha1:{commit}", digest="ab" * 32, stage={"name": "dev", "clusters": [PROD]},
        at="2026", catalog="cd" * 32, reportsSequence=9, bundles=0, prune=True, spec={"paths": ["/"]},
    )  # fmt: skip

    assert said == "revision=main@sha1:78c7be6dfeec digest=abababababab stage=dev prune=yes"
    assert gist(capsys, revision={"ref": "main", "commit": commit, "tree": "7d" * 20}) == "revision=main@78c7be6dfeec"


def test_a_reason_is_cut_when_it_would_fill_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert gist(capsys, reason="x" * 500) == f"reason={'x' * 99}…"


def test_names_are_asked_for_once_and_only_by_people() -> None:
    hub = Hub()
    names = trail.Names(hub)
    trail.show([event("Happened", cluster=PROD)], output.Format.JSON, names)
    before = hub.asked
    for _ in range(3):
        trail.show([event("Happened", cluster=PROD), event("Happened", cluster=GONE)], output.Format.TABLE, names)

    assert (before, hub.asked) == (0, 1)
