"""Commands that only look: drift, diffs, hooks, the log and the wide status."""

import json
from collections import Counter
from typing import Any

import msgspec

from controller.domain.views import diffs
from protocol import bundles, canonical, drifts, ids, reports
from tests.controller.cli.conftest import Run
from tests.fixtures import hub as fixtures


async def test_the_wide_status_tells_how_late_the_hub_is(run: Run, fleet: fixtures.Hub) -> None:
    fleet.lag_s = 0.042
    _, short, _ = await run("status")
    _, wide, _ = await run("status", "-o", "wide")

    assert "ms late" not in short
    assert "at most 42 ms late" in wide


async def test_a_list_is_narrowed_and_read_page_by_page(run: Run, fleet: fixtures.Hub) -> None:
    for number in range(501):
        await fleet.add_cluster(f"many-{number:03d}", env="test")
    _, prod, _ = await run("cluster", "list", "-l", "env in (prod)", "-o", "name")
    _, everything, _ = await run("cluster", "list", "-o", "name")
    code, _, refused = await run("cluster", "list", "-l", "env=prod test")

    assert (prod.split(), len(everything.split())) == (["edge-1"], 502)
    assert (code, "label selector" in refused) == (1, True)


async def test_the_log_is_printed_in_order(run: Run) -> None:
    code, output, _ = await run("events")

    assert code == 0
    assert [line.split()[3] for line in output.splitlines()][:2] == ["HubInitialized", "ClusterAdded"]


async def test_a_bundle_and_its_source_are_shown_on_a_screen(run: Run, fleet: fixtures.Hub) -> None:
    await fleet.resolve("shop", "web")

    code, shown, _ = await run("bundle", "show", "shop/web")
    _, source, _ = await run("source", "show", "shop")

    assert code == 0
    said = dict(line.split(maxsplit=1) for line in shown.splitlines() if line.startswith(("id ", "clusters ")))
    assert {key: value.strip() for key, value in said.items()} == {"id": "shop/web", "clusters": "1"}
    assert "edge-1" in shown.splitlines()[-1]
    assert ["clusters", "all"] in [line.split() for line in source.splitlines()]


async def test_drift_is_listed_with_its_actor_and_its_fields(run: Run, fleet: fixtures.Hub) -> None:
    """What is over only where it is asked for."""
    cluster = next(iter(fleet.world.clusters))
    web, policy = ids.BundleId("shop/web"), bundles.Drift.REVERT
    edited = drifts.Drift(
        ids.ObjectId("", "ConfigMap", "web", "edited"), web, policy, drifts.Kind.CHANGED, fixtures.START,
        fields=(drifts.Field(".data.a", '"1"', '"2"', "kubectl-edit", "Update"), drifts.Field(".data.b", expected="1"),
                drifts.Field(".data.c", '"1"', '"1"', "hpa", passed=True),
                drifts.Field(".data.d", expected="1", last_writer="editor")),
        left_out=3, fighting=drifts.Fight("kubectl-edit", ".data.a", 4),
    )  # fmt: skip
    gone = drifts.Drift(ids.ObjectId("", "ConfigMap", "web", "gone"), web, policy, drifts.Kind.GONE, fixtures.START)
    over = drifts.Correction(gone, drifts.Means.REVERTED, fixtures.START)
    fleet.take(reports.DriftDetected(fleet.origin(cluster), (edited,)))
    fleet.take(reports.DriftCorrected(fleet.origin(cluster), (over,)))

    _, table, _ = await run("drift", "list", "--cluster", "edge-1")
    _, ended, _ = await run("drift", "list", "--ended", "-o", "json")
    code, none, _ = await run("drift", "list", "--manager", "nobody", "-o", "name")

    (row,) = table.splitlines()[2:]
    for word in ("ConfigMap web/edited", "edge-1", "kubectl-edit", "fight, 4 reverts", '.data.a is "2", in Git "1"'):
        assert word in row
    assert ".data.b is not there, in Git 1, .data.c was changed, and is as in Git again" in row
    assert ".data.d is not there (last written to by editor), in Git 1, and 3 more" in row
    assert [(one["object"], one["ended"]) for one in json.loads(ended)] == [
        ("ConfigMap web/edited", None),
        ("ConfigMap web/gone", "reverted"),
    ]
    assert (code, none) == (0, "")


def _foretold(*objects: reports.PlannedObject, **fields: Any) -> diffs.Diff:
    """An answer of one cluster."""
    cluster = diffs.OnCluster(
        cluster="edge-1", heard=True, problem="", counts=dict(Counter(str(one.forecast) for one in objects)),
        objects=objects, left_out=0, deletions=(), kept=(), refused={},
    )  # fmt: skip
    changes = sum(one.forecast not in diffs.TROUBLE for one in objects)
    whole = diffs.Diff(
        ids.SourceName("shop"), "main@sha1:ab", fixtures.START, changes, len(objects) - changes, (), (cluster,)
    )
    return msgspec.structs.replace(whole, **fields)


def _planned(name: str, forecast: reports.Forecast, **fields: Any) -> reports.PlannedObject:
    return reports.PlannedObject(
        ids.ObjectId("apps", "Deployment", "web", name), ids.BundleId("shop/web"), forecast, **fields
    )


async def test_a_diff_reads_like_one_and_its_exit_code_tells_what_was_found(run: Run, fleet: fixtures.Hub) -> None:
    """0: nothing would change; 6: something would; 1: something stands in the way."""
    await fleet.resolve("shop", "web")
    code, text, _ = await run("diff", "shop")
    assert (code, "0 changes, 0 troubles" in text) == (0, True)

    changed = _planned("web", reports.Forecast.CONFIGURED, changes=(reports.FieldChange(".spec.replicas", "2", "3"),))
    fleet.foretold = _foretold(changed, _planned("api", reports.Forecast.CREATED))
    code, text, _ = await run("diff", "shop", "--cluster", "edge-1", "--wait", "5")
    assert code == 6
    assert "  ~ Deployment.apps web/web [shop/web] configured\n      .spec.replicas: 2 → 3\n" in text
    assert "cluster edge-1: 1 configured, 1 created\n" in text
    assert fleet.asked[-1] == ("shop", "edge-1", 5.0)

    migrate = reports.PlannedHook(
        ids.ObjectId("batch", "Job", "web", "migrate"), ids.BundleId("shop/web"), "pre-upgrade"
    )
    (cluster,) = _foretold().clusters
    hooked = msgspec.structs.replace(cluster, hooks=(migrate,), hooks_left_out=3)
    fleet.foretold = _foretold(clusters=(hooked,), changes=4)
    code, text, _ = await run("diff", "shop")
    assert code == 6
    assert "  * Job.batch web/migrate [shop/web] run (pre-upgrade hook)\n  … and 3 hooks more\n" in text

    held = _planned(
        "web", reports.Forecast.CONFLICT, reason="Conflict", conflicts=(reports.FieldConflict("hpa", ".spec.replicas"),)
    )
    fleet.foretold = _foretold(held)
    code, text, _ = await run("diff", "shop")
    assert code == 1
    assert "  ! Deployment.apps web/web [shop/web] conflict (Conflict)\n      .spec.replicas is held by hpa\n" in text

    gone = diffs.Deletion(ids.ObjectId("", "ConfigMap", "web", "old"), ids.BundleId("shop/web"), held=True)
    silent = msgspec.structs.replace(_foretold().clusters[0], heard=False, problem="it is not heard", deletions=(gone,))
    fleet.foretold = _foretold(changes=1, troubles=1, held=("a bundle leaves",), clusters=(silent,))
    code, text, _ = await run("diff", "shop")
    assert code == 1
    assert (
        "cluster edge-1: not heard (it is not heard)\n  - ConfigMap web/old [shop/web] deleted once approved\n" in text
    )
    assert "the deletions would wait for an approval:\n  a bundle leaves\n" in text


async def test_a_diff_is_whole_for_programs(run: Run, fleet: fixtures.Hub) -> None:
    """And what makes no sense is refused: an unknown source, an endless wait."""
    await fleet.resolve("shop", "web")
    fleet.foretold = _foretold(_planned("web", reports.Forecast.CREATED))
    _, text, _ = await run("diff", "shop", "-o", "json")
    _, names, _ = await run("diff", "shop", "-o", "name")

    assert json.loads(text)["clusters"][0]["objects"][0]["forecast"] == "created"
    assert names == "edge-1\n"
    assert (await run("diff", "nothing"))[0] == 3
    assert (await run("diff", "shop", "--wait", "1000"))[0] == 1


async def test_a_bundle_shows_its_hooks(run: Run, fleet: fixtures.Hub) -> None:
    catalog = await fleet.resolve("shop", "web")
    (entry,) = catalog.entries
    hook = bundles.HookEntry(
        ids.ObjectId("batch", "Job", "", "migrate"), canonical.Digest("ab"), "web/migrate.yaml", ("pre-upgrade",), 5
    )
    (variant,) = entry.variants
    fleet.contents[variant.index] = bundles.BundleIndex(entry.bundle, bundles.BundleOptions(), (), (hook,))
    _, text, _ = await run("bundle", "show", "shop/web", "-o", "json")

    assert json.loads(text)["hooks"] == [
        {"object": "Job.batch migrate", "file": "web/migrate.yaml", "phases": ["pre-upgrade"], "weight": 5,
         "deletePolicies": []},
    ]  # fmt: skip
