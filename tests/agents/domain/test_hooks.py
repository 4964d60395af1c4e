"""Hooks: what comes next, once and in order, whatever happens in between; and what is told of it."""

import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import dependencies, health, hook_records, hooks, statuses
from agents.domain.hook_records import Made, Record, Run, State
from protocol import bundles, ids, naming, reports
from protocol.canonical import Digest
from protocol.hooks import Moment, Operation
from protocol.reports import HookProgress
from protocol.status import Health, Sync
from tests.agents.domain.examples import ONE, TWO, bundle_id, config_map, index

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
READY = dependencies.Standing(applied=True, ready=True, had=True)


def digest(text: str) -> Digest:
    return Digest(text.encode().hex().ljust(64, "0"))


def hook(name: str, *phases: str, kind: str = "Job", **changes: Any) -> bundles.HookEntry:
    group = "batch" if kind == "Job" else ""
    of = ids.ObjectId(group, kind, "web", name)
    return bundles.HookEntry(of, digest(kind + name), phases=phases or ("pre-install", "pre-upgrade"), **changes)


def bundle(*found: bundles.HookEntry) -> bundles.BundleIndex:
    return msgspec.structs.replace(index("web", config_map()), hooks=found)


def begun(part: bundles.BundleIndex, *, installed: bool = False) -> Record:
    return hook_records.begun(None, part.bundle, ONE, installed=installed)


def run(entry: bundles.HookEntry, state: State, phase: str = "pre-install", **changes: Any) -> Run:
    return Run(phase, entry.manifest, state, since=NOW, uid=f"uid-of-{entry.object.name}", **changes)


def with_runs(part: bundles.BundleIndex, *runs: Run, applied: bool = False) -> Record:
    record = msgspec.structs.replace(begun(part), applied=applied)
    for one in runs:
        record = hook_records.with_run(record, one)
    return record


def known(part: bundles.BundleIndex, record: Record | None, note: hooks.Note | None = None) -> hooks.Known:
    return hooks.Known(part, ONE, record, note)


MIGRATE = hook("migrate")
CHECK = hook("check", "post-install", "post-upgrade")
WEB = bundle(MIGRATE, CHECK)


@pytest.mark.parametrize(("installed", "operation"), [(False, Operation.INSTALL), (True, Operation.UPGRADE)])
def test_what_was_never_applied_is_installed(installed: bool, operation: Operation) -> None:
    record = begun(WEB, installed=installed)

    assert (record.operation, hooks.step(WEB, record, Moment.PRE)) == (
        operation,
        hooks.Make(MIGRATE, f"pre-{operation.value}"),
    )


def test_content_after_one_that_was_applied_is_an_upgrade_and_remembers_what_was_made() -> None:
    """An install that failed before its objects is none: the next content is installed, too."""
    made = Made(MIGRATE.object, "batch/v1", "jobs", "u1")
    failed = hook_records.with_made(with_runs(WEB, run(MIGRATE, State.FAILED)), made)
    applied = msgspec.structs.replace(failed, applied=True)

    again = hook_records.begun(failed, WEB.bundle, TWO, installed=False)
    upgrade = hook_records.begun(applied, WEB.bundle, TWO, installed=False)

    assert (again.operation, again.runs, again.made, again.content) == (Operation.INSTALL, (), (made,), TWO)
    assert (upgrade.operation, upgrade.applied) == (Operation.UPGRADE, True)


def test_hooks_of_one_moment_go_one_after_the_other() -> None:
    first, second = hook("b", weight=-1), hook("a")
    part = bundle(second, first)
    running = run(first, State.RUNNING)

    def step(*runs: Run) -> hooks.Step:
        return hooks.step(part, with_runs(part, *runs), Moment.PRE)

    assert step() == hooks.Make(first, "pre-install")
    assert step(run(first, State.MAKING)) == hooks.Make(first, "pre-install")
    assert step(running) == hooks.Await(first, "pre-install", running)
    assert step(running, run(first, State.SUCCEEDED)) == hooks.Make(second, "pre-install")
    failed = run(first, State.FAILED)
    assert step(failed) == hooks.Failed(first, "pre-install", failed)
    assert step(run(first, State.SUCCEEDED), run(second, State.SUCCEEDED)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["Job", "Pod", "ConfigMap"]), st.integers(-2, 2)),
        unique_by=lambda one: one[:2],
        max_size=6,
    ),
    st.lists(st.sampled_from(["restart", "crash", "fail", "go"]), max_size=40),
)
def test_no_hook_is_made_twice_for_one_content_whatever_happens(
    wanted: list[tuple[str, str, int]], events: list[str]
) -> None:
    """A restart reads the record again, a crash comes after the object was made and before that is written."""
    part = bundle(*(hook(name, "pre-install", kind=kind, weight=weight) for name, kind, weight in wanted))
    record = begun(part)
    there: list[Digest] = []
    for event in [*events, *["go"] * 20]:
        match hooks.step(part, record, Moment.PRE):
            case hooks.Make(entry, phase):
                if entry.manifest not in there:  # else the intent came true before the crash
                    there.append(entry.manifest)
                if event != "crash":
                    record = hook_records.with_run(record, run(entry, State.RUNNING, phase))
            case hooks.Await(_, _, one):
                state = State.FAILED if event == "fail" else State.SUCCEEDED
                record = hook_records.with_run(record, msgspec.structs.replace(one, state=state))
        if event == "restart":
            record = msgspec.json.decode(msgspec.json.encode(record), type=Record)

    weights = [next(entry.weight for entry in part.hooks if entry.manifest == one) for one in there]
    assert len(there) == len(set(there))
    assert weights == sorted(weights)
    stopped = isinstance(hooks.step(part, record, Moment.PRE), hooks.Failed)
    assert stopped or len(there) == len(wanted)


def test_a_bundle_stands_before_its_objects_after_them_or_is_done() -> None:
    done = with_runs(WEB, run(MIGRATE, State.SUCCEEDED), run(CHECK, State.SUCCEEDED, "post-install"), applied=True)
    prepared = with_runs(WEB, run(MIGRATE, State.SUCCEEDED))
    other = msgspec.structs.replace(done, content=TWO)

    assert hooks.stand(known(WEB, None)) is hooks.Stand.BEFORE
    assert hooks.stand(known(WEB, begun(WEB))) is hooks.Stand.BEFORE
    assert hooks.stand(known(WEB, prepared)) is hooks.Stand.AFTER
    assert hooks.stand(known(WEB, done)) is hooks.Stand.DONE
    assert hooks.stand(known(WEB, other)) is hooks.Stand.BEFORE


def test_hooks_that_are_never_run_hold_nobody_up() -> None:
    part = bundle(hook("bye", "pre-delete"))

    assert (hooks.has_hooks(part), hooks.stand(known(part, None))) == (False, hooks.Stand.DONE)


def test_a_bundle_whose_hooks_left_git_begins_anew_since_they_may_return() -> None:
    before = msgspec.structs.replace(begun(WEB), content=TWO)

    assert hooks.stand(known(bundle(), before)) is hooks.Stand.BEFORE


def test_who_depends_on_a_bundle_waits_for_its_hooks() -> None:
    prepared = with_runs(WEB, run(MIGRATE, State.SUCCEEDED), applied=True)
    done = hook_records.with_run(prepared, run(CHECK, State.SUCCEEDED, "post-install"))

    assert hooks.standing(known(WEB, begun(WEB)), READY) == dependencies.Standing(applied=False, ready=False, had=False)
    assert hooks.standing(known(WEB, prepared), READY) == dependencies.Standing(applied=True, ready=False, had=True)
    assert hooks.standing(known(WEB, done), READY) == READY


def test_hooks_are_due_before_the_objects_or_once_all_of_them_work() -> None:
    prepared = with_runs(WEB, run(MIGRATE, State.SUCCEEDED))
    ill = msgspec.structs.replace(READY, ready=False)

    assert hooks.is_due(known(WEB, begun(WEB)), Moment.PRE, ill)
    assert not hooks.is_due(known(WEB, prepared), Moment.PRE, READY)
    assert not hooks.is_due(known(WEB, prepared), Moment.POST, ill)
    assert hooks.is_due(known(WEB, prepared), Moment.POST, READY)
    assert not hooks.is_due(known(bundle(), None), Moment.PRE, READY)


def test_what_is_to_be_deleted_is_tried_again() -> None:
    made = Made(MIGRATE.object, "batch/v1", "jobs", "u1", doomed=True)
    record = hook_records.with_made(with_runs(WEB, run(MIGRATE, State.SUCCEEDED)), made)

    assert hooks.is_due(known(WEB, record), Moment.PRE, READY)


@pytest.mark.parametrize(
    ("state", "policies", "gone"),
    [
        (State.SUCCEEDED, ("hook-succeeded",), True),
        (State.SUCCEEDED, ("hook-failed",), False),
        (State.FAILED, ("hook-failed", "before-hook-creation"), True),
        (State.FAILED, ("hook-succeeded",), False),
        (State.SUCCEEDED, (), False),
        (State.RUNNING, ("hook-succeeded", "hook-failed"), False),
    ],
)
def test_policies_say_which_objects_go_once_a_moment_is_over(
    state: State, policies: tuple[str, ...], gone: bool
) -> None:
    entry = hook("migrate", delete_policies=policies)
    part = bundle(entry, hook("later"))
    record = with_runs(part, run(entry, state))
    record = hook_records.with_made(record, Made(entry.object, "batch/v1", "jobs", "uid-of-migrate"))
    record = hook_records.with_made(record, Made(entry.object, "batch/v1", "jobs", "of the content before"))

    ended = hooks.ended(part, record, Moment.PRE)

    assert [one.doomed for one in ended.made] == [gone, False]
    assert hooks.ended(part, ended, Moment.PRE) == ended


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Namespace"])
def test_what_holds_data_is_never_deleted(kind: str) -> None:
    entry = hook("data", kind=kind, delete_policies=("hook-succeeded",))
    part = bundle(entry)
    record = hook_records.with_made(
        with_runs(part, run(entry, State.SUCCEEDED)), Made(entry.object, "v1", "things", "uid-of-data")
    )

    assert hooks.is_kept(entry.object)
    assert hooks.ended(part, record, Moment.PRE) == record


def test_custom_resources_may_hold_data() -> None:
    assert hooks.is_kept(ids.ObjectId("db.example", "Database", "web", "db"))
    assert not hooks.is_kept(MIGRATE.object)


def test_only_jobs_and_pods_end() -> None:
    kinds = [hook("x", kind=kind).object for kind in ("Job", "Pod", "ConfigMap")]

    assert [hooks.is_awaited(of) for of in kinds] == [True, True, False]


def job(*told: str, **spec: Any) -> dict[str, Any]:
    found = [{"type": one, "status": "True"} for one in told]
    return {"kind": "Job", "metadata": {"name": "migrate"}, "spec": spec, "status": {"conditions": found}}


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (job(), State.RUNNING),
        (job("SuccessCriteriaMet"), State.RUNNING),
        (job("FailureTarget"), State.RUNNING),
        (job("SuccessCriteriaMet", "Complete"), State.SUCCEEDED),
        (job("FailureTarget", "Failed"), State.FAILED),
        ({"kind": "Pod", "status": {"phase": "Running"}}, State.RUNNING),
        ({"kind": "Pod", "status": {"phase": "Succeeded"}}, State.SUCCEEDED),
        ({"kind": "Pod", "status": {"phase": "Failed"}}, State.FAILED),
        ({"kind": "Pod"}, State.RUNNING),
    ],
)
def test_a_hook_is_over_when_its_status_says_so(live: dict[str, Any], state: State) -> None:
    assert hooks.outcome(live) is state


def test_an_object_is_marked_with_its_run() -> None:
    """The mark and our field manager tell an object of ours that nobody has written down yet."""
    text = hooks.mark(begun(WEB), "pre-install", MIGRATE.manifest)
    manifest = hooks.marked({"kind": "Job", "metadata": {"name": "migrate", "annotations": {"a": "b"}}}, text)
    ours = {"metadata": {**manifest["metadata"], "managedFields": [{"manager": naming.FIELD_MANAGER}]}}
    copied = {"metadata": {**manifest["metadata"], "managedFields": [{"manager": "somebody"}]}}

    assert manifest["metadata"]["annotations"] == {"a": "b", "flotilla.gitops/hook": text}
    assert hooks.is_made_for(ours, text)
    assert not hooks.is_made_for(ours, "another run")
    assert not hooks.is_made_for(copied, text)
    assert not hooks.is_made_for({"metadata": {}}, text)


def test_a_job_does_not_vanish_before_anybody_saw_its_end() -> None:
    def ttl(manifest: dict[str, Any]) -> object:
        return hooks.marked(manifest, "mark").get("spec", {}).get("ttlSecondsAfterFinished")

    assert ttl(job(ttlSecondsAfterFinished=0)) == hooks.TTL_S_MIN
    assert ttl(job(ttlSecondsAfterFinished=86400)) == 86400
    assert ttl(job()) is None
    assert ttl({"kind": "ConfigMap", "metadata": {}, "spec": {"ttlSecondsAfterFinished": 0}}) == 0


def test_a_hook_that_takes_too_long_is_a_failure_and_is_still_waited_for() -> None:
    found = hooks.Await(MIGRATE, "pre-install", run(MIGRATE, State.RUNNING))
    slow = health.Assessment(Health.PROGRESSING, "ImagePullBackOff", "no such image")

    running = hooks.watched(found, slow, running_s=9.0, timeout_s=10.0)
    late = hooks.watched(found, slow, running_s=11.0, timeout_s=10.0)
    silent = hooks.watched(found, health.HEALTHY, running_s=11.0, timeout_s=10.0)

    assert running.failure == reports.ObjectFailure(
        MIGRATE.object, "HookRunning", "pre-install hook: ImagePullBackOff: no such image"
    )
    assert (late.reason, late.is_failure) == ("HookTimeout", True)
    assert late.message == "not over after 10 s (ImagePullBackOff: no such image)"
    assert silent.message == "not over after 10 s"
    part = with_runs(WEB, run(MIGRATE, State.RUNNING))
    assert [hooks.is_running(known(WEB, part, note)) for note in (running, late, None)] == [True, False, False]
    assert [hooks.is_restless(known(WEB, part, note)) for note in (running, late, None)] == [True, True, True]


def test_what_holds_a_bundle_up_is_told() -> None:
    problem = hooks.Note(MIGRATE.object, "pre-install", "AlreadyExists", "", is_failure=True, is_problem=True)
    failed = with_runs(WEB, run(MIGRATE, State.FAILED, reason="BackoffLimitExceeded", message="exit code 1"))
    silent = with_runs(WEB, run(MIGRATE, State.FAILED))
    prepared = with_runs(WEB, run(MIGRATE, State.SUCCEEDED))
    alone = bundle(MIGRATE)

    def holdup(record: Record | None, note: hooks.Note | None = None) -> tuple[str, str, bool] | None:
        found = hooks.holdup(known(WEB, record, note))
        return (found.reason, found.message, found.is_failure) if found else None

    assert holdup(None) == ("HookWaiting", "not begun yet", False)
    assert holdup(None, problem) == ("AlreadyExists", "", True)
    assert holdup(begun(WEB)) == ("HookWaiting", "not begun yet", False)
    assert holdup(begun(WEB), problem) == ("AlreadyExists", "", True)
    assert holdup(failed, problem) == ("BackoffLimitExceeded", "exit code 1", True)
    assert holdup(silent) == ("HookFailed", "", True)
    assert holdup(prepared) == ("HookWaiting", "not begun yet", False)
    assert hooks.holdup(known(alone, with_runs(alone, run(MIGRATE, State.SUCCEEDED)))) is None
    assert hooks.holdup(known(bundle(), None)) is None
    assert problem.failure.message == "pre-install hook"
    assert not hooks.is_restless(known(WEB, begun(WEB), problem))
    assert not hooks.is_restless(known(WEB, failed))
    assert not hooks.is_restless(known(bundle(), None))


def test_hooks_are_told_with_those_first_that_are_not_over() -> None:
    done, part = hook("a", "pre-install"), bundle(hook("a", "pre-install"), hook("b", "pre-install"), CHECK)
    running = hook("b", "pre-install")
    record = with_runs(part, run(done, State.SUCCEEDED), run(running, State.RUNNING))
    note = hooks.Note(running.object, "pre-install", "HookRunning", "it pulls")

    told = hooks.told(known(part, record, note))

    assert [(one.object.name, one.progress, one.reason, one.message) for one in told] == [
        ("b", HookProgress.RUNNING, "HookRunning", "it pulls"),
        ("check", HookProgress.WAITING, "", ""),
        ("a", HookProgress.SUCCEEDED, "", ""),
    ]
    assert hooks.told(known(part, None)) == ()


def test_hooks_are_foretold_in_their_order_with_their_phases() -> None:
    """Of new content all; of content that was begun what is left; after a failure nothing."""

    def foretold(record: Record | None, *, installed: bool = False) -> list[tuple[str, str]]:
        return [(one.phase, one.object.name) for one in hooks.foretold(known(WEB, record), installed=installed)]

    succeeded, failed = run(MIGRATE, State.SUCCEEDED), run(MIGRATE, State.FAILED)
    upgraded = with_runs(bundle(MIGRATE), succeeded, applied=True)
    assert foretold(None) == [("pre-install", "migrate"), ("post-install", "check")]
    assert foretold(None, installed=True) == [("pre-upgrade", "migrate"), ("post-upgrade", "check")]
    assert foretold(msgspec.structs.replace(upgraded, content=digest("other")))[0] == ("pre-upgrade", "migrate")
    assert foretold(with_runs(WEB, succeeded)) == [("post-install", "check")]
    assert foretold(with_runs(WEB, run(MIGRATE, State.RUNNING)))[0] == ("pre-install", "migrate")
    assert foretold(with_runs(WEB, failed)) == []


def test_no_more_hooks_are_told_than_a_person_reads() -> None:
    part = bundle(*(hook(f"h{number}") for number in range(reports.HOOKS_MAX + 1)))

    assert len(hooks.told(known(part, begun(part)))) == reports.HOOKS_MAX


def test_a_bundle_with_more_hooks_than_can_be_remembered_runs_none() -> None:
    """Its record would take the room of others'."""
    most = bundle(*(hook(f"h{number}") for number in range(hooks.HOOKS_MAX)))
    more = msgspec.structs.replace(most, hooks=(*most.hooks, hook("another")))

    refusal = hooks.refusal(more)
    assert hooks.refusal(most) is None
    assert refusal is not None
    assert (refusal.reason, refusal.is_failure) == ("TooManyHooks", True)
    assert hooks.holdup(known(more, None, refusal)) == refusal
    assert not hooks.is_restless(known(more, None, refusal))
    assert hooks.foretold(known(more, None), installed=False) == ()


def bundle_status(**changes: Any) -> reports.BundleStatus:
    found = reports.BundleStatus(bundle_id("web"), ONE, Sync.SYNCED, Health.HEALTHY, objects=1)
    return msgspec.structs.replace(found, **changes)


def test_a_bundle_is_not_healthy_before_its_last_hook_ended_well() -> None:
    """What fails comes before what ails, and what merely waits comes last."""
    prepared = with_runs(WEB, run(MIGRATE, State.SUCCEEDED), applied=True)
    failed = hook_records.with_run(prepared, run(CHECK, State.FAILED, "post-install", reason="Error"))
    done = hook_records.with_run(prepared, run(CHECK, State.SUCCEEDED, "post-install"))
    ailment = reports.ObjectFailure(config_map(), "Odd")

    waiting = statuses.hooked(bundle_status(failures=(ailment,)), known(WEB, prepared))
    broken = statuses.hooked(bundle_status(failures=(ailment,)), known(WEB, failed))
    whole = statuses.hooked(bundle_status(), known(WEB, done))
    before = statuses.hooked(bundle_status(), known(WEB, begun(WEB)))

    assert (waiting.health, [one.reason for one in waiting.failures]) == (Health.PROGRESSING, ["Odd", "HookWaiting"])
    assert (broken.health, [one.reason for one in broken.failures]) == (Health.DEGRADED, ["Error", "Odd"])
    assert (whole.health, whole.failures, len(whole.hooks)) == (Health.HEALTHY, (), 2)
    assert (before.health, before.failures) == (Health.HEALTHY, ())
