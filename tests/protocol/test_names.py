"""Ids, subjects and streams: every name that other parties rely on."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ids, naming, reports, status, streams, subjects
from protocol.canonical import Digest

CLUSTER = ids.cluster_id("A" + "B2" * 27 + "C")


@pytest.mark.parametrize("name", ["a", "0", "shop", "a-b", "a" * 63, "x1"])
def test_a_dns_label_is_a_name(name: str) -> None:
    assert ids.dns_label(name, "source") == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a b", "a\n", "ä", "a" * 64, "*", ">", "a/b", "٣"])
def test_what_is_no_dns_label_is_refused_with_what_it_was_for(name: str) -> None:
    with pytest.raises(ids.InvalidNameError, match="source"):
        ids.dns_label(name, "source")


@given(st.text(max_size=70))
def test_a_name_that_is_accepted_is_one_safe_token_of_a_subject(name: str) -> None:
    try:
        accepted = ids.dns_label(name, "source")
    except ids.InvalidNameError:
        return

    assert subjects.log("source", accepted).split(".")[3:] == ["source", accepted]
    assert not set(accepted) & set(".*> /\t\r\n")


@pytest.mark.parametrize(
    "key", ["", "A", "B" + "A" * 55, "A" * 55, "A" * 57, "a" * 56, "A" + "1" * 55, "A" * 56 + "\n"]
)
def test_what_is_no_account_key_is_no_cluster_id(key: str) -> None:
    with pytest.raises(ids.InvalidNameError, match="not an account's public key"):
        ids.cluster_id(key)


def test_a_bundle_names_its_source_and_path() -> None:
    bundle = ids.bundle_id(ids.SourceName("shop"), "apps/web")

    assert bundle == "shop/apps/web"
    assert ids.source_of(bundle) == "shop"


def test_the_bundle_at_the_root_of_a_source_is_a_dot() -> None:
    assert ids.bundle_id(ids.SourceName("shop"), ".") == "shop/."


@pytest.mark.parametrize(
    ("one", "printed"),
    [
        (ids.ObjectId("apps", "Deployment", "shop", "web"), "Deployment.apps shop/web"),
        (ids.ObjectId("", "Namespace", "", "shop"), "Namespace shop"),
        (ids.ObjectId("", "ConfigMap", "shop", "web"), "ConfigMap shop/web"),
    ],
)
def test_an_object_is_printed_as_a_person_writes_it(one: ids.ObjectId, printed: str) -> None:
    assert str(one) == printed


@pytest.mark.parametrize("namespace", [{}, {"namespace": ""}, {"namespace": None}])
def test_a_manifest_without_a_namespace_has_an_empty_one(namespace: dict[str, object]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", **namespace}}

    assert ids.object_id(manifest) == ids.ObjectId("", "Node", "", "n")


def test_every_subject_is_written_in_one_place() -> None:
    found = [
        subjects.log("source", "shop"),
        subjects.desired(CLUSTER),
        subjects.live(CLUSTER),
        subjects.blob(Digest("ab")),
        subjects.report(CLUSTER, "hello"),
        subjects.beat(CLUSTER),
        subjects.direct_get("DESIRED", subjects.desired(CLUSTER)),
    ]
    expected = [
        "flotilla.v1.log.source.shop",
        f"flotilla.v1.desired.{CLUSTER}",
        f"flotilla.v1.live.{CLUSTER}",
        "flotilla.v1.blob.ab",
        f"flotilla.v1.report.{CLUSTER}.hello",
        f"flotilla.v1.beat.{CLUSTER}",
        f"$JS.API.DIRECT.GET.DESIRED.flotilla.v1.desired.{CLUSTER}",
    ]

    assert found == expected


def test_the_cluster_stands_where_the_exports_expect_the_account() -> None:
    # account_token_position 4 for subjects of our own, 9 for a direct get (DESIGN.md, section 3), counted from 1.
    assert subjects.live(CLUSTER).split(".")[4 - 1] == CLUSTER
    assert subjects.report(CLUSTER, "hello").split(".")[4 - 1] == CLUSTER
    assert subjects.beat(CLUSTER).split(".")[4 - 1] == CLUSTER
    assert subjects.direct_get("DESIRED", subjects.desired(CLUSTER)).split(".")[9 - 1] == CLUSTER


def test_names_fixed_for_ever_are_what_they_always_were() -> None:
    found = (naming.FIELD_MANAGER, naming.PREFIX, naming.NAMESPACE, naming.API_VERSION, subjects.ROOT)

    assert found == ("flotilla", "flotilla.gitops/", "flotilla-system", "flotilla.gitops/v1alpha1", "flotilla.v1")


def test_the_four_streams_take_disjoint_subjects() -> None:
    assert [stream.name for stream in streams.ALL] == ["LOG", "DESIRED", "BLOBS", "REPORTS"]
    assert len({subject for stream in streams.ALL for subject in stream.subjects}) == 4


def test_nothing_can_be_removed_from_the_log() -> None:
    assert (streams.LOG.deny_delete, streams.LOG.deny_purge, streams.LOG.discard) == (True, True, "new")
    assert streams.LOG.max_msgs_per_subject == -1


def test_desired_states_and_blobs_keep_only_the_last_of_a_subject() -> None:
    assert (streams.DESIRED.max_msgs_per_subject, streams.BLOBS.max_msgs_per_subject) == (1, 1)


def test_a_stored_desired_state_is_sent_on_to_its_cluster_alone() -> None:
    assert streams.DESIRED.republish == streams.Republish(
        src="flotilla.v1.desired.*", dest="flotilla.v1.live.{{wildcard(1)}}"
    )


def test_reports_have_nothing_with_which_one_cluster_could_harm_another() -> None:
    reports_stream = streams.REPORTS

    assert reports_stream.max_msgs_per_subject == streams.REPORTS_PER_SUBJECT_MAX
    assert (reports_stream.allow_atomic, reports_stream.allow_rollup_hdrs, reports_stream.allow_msg_ttl) == (
        False, False, False,
    )  # fmt: skip


def test_every_kind_of_report_has_a_subject_of_its_own() -> None:
    assert set(reports.KINDS) == set(reports.Report.__args__)
    assert len(set(reports.KINDS.values())) == len(reports.KINDS)


def test_every_health_has_a_place_from_best_to_worst() -> None:
    assert sorted(status.SEVERITY) == sorted(status.Health)


def test_a_whole_is_as_healthy_as_the_worst_of_its_parts() -> None:
    assert status.worst([status.Health.HEALTHY, status.Health.DEGRADED, status.Health.UNKNOWN]) == "Degraded"
    assert status.worst([]) == "Healthy"


@given(st.lists(st.sampled_from(status.Health), min_size=1))
def test_the_worst_is_one_of_the_parts_and_none_is_worse(parts: list[status.Health]) -> None:
    found = status.worst(parts)

    assert found in parts
    assert all(status.SEVERITY.index(part) <= status.SEVERITY.index(found) for part in parts)


def test_streams_are_plain_data() -> None:
    assert msgspec.convert(msgspec.to_builtins(streams.LOG), streams.Stream) == streams.LOG
