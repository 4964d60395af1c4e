"""Hooks of a bundle: what comes next, when it is over, and what is told of it.

  pre-hooks, one after the other ─▶ the bundle's objects ─▶ all of them work ─▶ post-hooks, one after the other

Each hook runs once for each content of its bundle. It is a level: what comes next follows from the content and the
record, whatever happened in between. Jobs and Pods are waited for; anything else is done once it is made. The first
that fails ends its phase, and stays so until Git brings other content: nobody but the hook knows whether it may run
twice. A new content begins anew, whatever the one before it was waiting for.

Like Helm, the agent deletes what it made for a hook by the hook's policies. Unlike Helm it deletes nothing else, and
nothing that holds data: what is of such a kind stays, and is applied again by the next run.
"""

import enum
from typing import Any

import msgspec

from agents.domain import conditions, dependencies, health, hook_records, resources
from agents.domain.hook_records import Record, Run, State
from protocol import bundles, groups, hooks, ids, naming, reports
from protocol.canonical import Digest
from protocol.hooks import Moment, Policy
from protocol.reports import HookProgress

Object = dict[str, Any]

MARK_ANNOTATION = f"{naming.PREFIX}hook"
"""On an object made for a hook: the phase, the content and the manifest that it was made for."""

HOOKS_MAX = 50
"""Hooks of one bundle: the largest public charts have about a dozen. Records of more might take the room of others."""

TTL_S_MIN = 3600
"""Least `ttlSecondsAfterFinished` of a hook's Job: one that is gone a second after its end is gone before anybody, and
an agent that starts again in between, has seen how it ended. Policies delete it earlier."""

WAITING = "HookWaiting"
RUNNING = "HookRunning"
TIMEOUT = "HookTimeout"
GONE = "HookGone"
FAILED = "HookFailed"
TOO_MANY = "TooManyHooks"

JOB = resources.GroupKind("batch", "Job")
POD = resources.GroupKind("", "Pod")

_HOLD_DATA = frozenset(
    {
        resources.NAMESPACE,
        resources.DEFINITION,
        resources.GroupKind("", "PersistentVolume"),
        resources.GroupKind("", "PersistentVolumeClaim"),
        resources.GroupKind("apps", "StatefulSet"),
    }
)


class Make(msgspec.Struct, frozen=True):
    """A hook is to be made."""

    entry: bundles.HookEntry
    phase: str


class Await(msgspec.Struct, frozen=True):
    """A hook runs."""

    entry: bundles.HookEntry
    phase: str
    run: Run


class Failed(msgspec.Struct, frozen=True):
    """A hook has failed: nothing more happens with this content."""

    entry: bundles.HookEntry
    phase: str
    run: Run


Step = Make | Await | Failed | None
"""None: the moment's hooks are all over, and went well."""


class Stand(enum.IntEnum):
    """How far a bundle is."""

    BEFORE = 0
    """Its objects have to wait for hooks."""
    AFTER = 1
    """Its objects may be applied, and hooks follow."""
    DONE = 2


class Note(msgspec.Struct, frozen=True):
    """How the present hook of a bundle is, as far as it was seen since the start."""

    object: ids.ObjectId
    """As written."""
    phase: str
    reason: str
    message: str
    is_failure: bool = False
    """A person has to look."""
    is_problem: bool = False
    """It could not be made or read: that is tried again like an object that cannot be applied."""
    retry_after_s: float = 0.0

    @property
    def failure(self) -> reports.ObjectFailure:
        """As the hub hears it."""
        told = f"{self.phase} hook: {self.message}" if self.message else f"{self.phase} hook"
        return reports.ObjectFailure(self.object, self.reason, told[: reports.MESSAGE_CHARS_MAX])


class Known(msgspec.Struct, frozen=True):
    """All that is known of one bundle's hooks."""

    index: bundles.BundleIndex
    content: Digest
    """The index's digest."""
    record: Record | None
    note: Note | None = None

    @property
    def present(self) -> Record | None:
        """The record, if it is of this content."""
        return self.record if self.record is not None and self.record.content == self.content else None


def is_concerned(index: bundles.BundleIndex, content: Digest, record: Record | None) -> bool:
    """Has anything to be done or remembered? A bundle whose hooks left Git begins anew, too: they may return."""
    return has_hooks(index) or (record is not None and record.content != content)


def has_hooks(index: bundles.BundleIndex) -> bool:
    """Has it hooks that are ever run?"""
    return any(not hooks.RUN.isdisjoint(entry.phases) for entry in index.hooks)


def stand(known: Known) -> Stand:
    """How far the bundle is with this content."""
    record = known.present
    if record is None:
        return Stand.BEFORE if is_concerned(known.index, known.content, known.record) else Stand.DONE
    if step(known.index, record, Moment.PRE) is not None:
        return Stand.BEFORE
    return Stand.DONE if record.applied and step(known.index, record, Moment.POST) is None else Stand.AFTER


def is_due(known: Known, moment: Moment, standing: dependencies.Standing) -> bool:
    """May the moment's hooks go on? Or its objects, which policies want gone, be deleted at last?"""
    stands = stand(known)
    if moment is Moment.PRE:
        return stands is Stand.BEFORE or (known.record is not None and any(one.doomed for one in known.record.made))
    return stands is Stand.AFTER and standing.ready


def standing(known: Known, objects: dependencies.Standing) -> dependencies.Standing:
    """How far the bundle is for those that depend on it, and for its own dependencies; `objects`: without its hooks."""
    if stand(known) is Stand.BEFORE:
        return dependencies.Standing(applied=False, ready=False, had=False)
    return msgspec.structs.replace(objects, ready=objects.ready and holdup(known) is None)


def is_running(known: Known) -> bool:
    """Does one run that may end at any moment?"""
    return known.note is not None and known.note.reason == RUNNING


def is_restless(known: Known) -> bool:
    """Does it go on by itself? Not after a failure, unless it is late, and what could not be done has its own time."""
    found = holdup(known)
    return found is not None and not found.is_problem and (not found.is_failure or found.reason == TIMEOUT)


def refusal(index: bundles.BundleIndex) -> Note | None:
    """Why none of a bundle's hooks is run; None: they are."""
    if len(index.hooks) <= HOOKS_MAX:
        return None
    message = f"the bundle has {len(index.hooks)} hooks, of at most {HOOKS_MAX}"
    return Note(_bundle(index), Moment.PRE.value, TOO_MANY, message, is_failure=True)


def due(index: bundles.BundleIndex, record: Record, moment: Moment) -> tuple[str, list[bundles.HookEntry]]:
    """The phase of a moment, and its hooks in their order."""
    phase = hooks.phase(moment, record.operation)
    return phase, sorted((entry for entry in index.hooks if phase in entry.phases), key=hooks.order)


def step(index: bundles.BundleIndex, record: Record, moment: Moment) -> Step:
    """What comes next."""
    phase, entries = due(index, record, moment)
    for entry in entries:
        run = hook_records.run_of(record, phase, entry.manifest)
        if run is None or run.state is State.MAKING:
            return Make(entry, phase)
        if run.state is State.RUNNING:
            return Await(entry, phase, run)
        if run.state is State.FAILED:
            return Failed(entry, phase, run)
    return None


def ended(index: bundles.BundleIndex, record: Record, moment: Moment) -> Record:
    """The moment's hooks are over: their policies say whose objects go. As with Helm none goes earlier, because a Job
    may need the ServiceAccount of a hook before it."""
    phase, entries = due(index, record, moment)
    uids = set()
    for entry in entries:
        run = hook_records.run_of(record, phase, entry.manifest)
        policy = _POLICIES.get(run.state) if run is not None else None
        if run is not None and policy in hooks.policies(entry) and not is_kept(entry.object):
            uids.add(run.uid)
    return hook_records.doomed(record, frozenset(uids))


_POLICIES = {State.SUCCEEDED: Policy.SUCCEEDED.value, State.FAILED: Policy.FAILED.value}


def is_awaited(of: ids.ObjectId) -> bool:
    """Does an object of this kind end?"""
    return resources.kind_of(of) in (JOB, POD)


def is_kept(of: ids.ObjectId) -> bool:
    """Is it never deleted, whatever its policy says? It holds data or other objects, or its kind is not known to us."""
    return resources.kind_of(of) in _HOLD_DATA or of.group not in groups.BUILT_IN


def mark(record: Record, phase: str, manifest: Digest) -> str:
    """What tells an object that was made for this very run."""
    return f"{phase}/{record.content[:16]}/{manifest[:16]}"


def marked(manifest: Object, text: str) -> Object:
    """The manifest as it is made for a run."""
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), MARK_ANNOTATION: text}
    found = {**manifest, "metadata": {**metadata, "annotations": annotations}}
    spec = conditions.spec_of(found)
    if manifest["kind"] == JOB.kind and isinstance(ttl := spec.get("ttlSecondsAfterFinished"), int):
        found["spec"] = {**spec, "ttlSecondsAfterFinished": max(ttl, TTL_S_MIN)}
    return found


def is_made_for(live: Object, text: str) -> bool:
    """Was this object made by us for that run? An annotation alone may have been copied by anybody."""
    metadata = live["metadata"]
    made = any(field.get("manager") == naming.FIELD_MANAGER for field in metadata.get("managedFields") or ())
    return made and conditions.mapping(metadata, "annotations").get(MARK_ANNOTATION) == text


def outcome(live: Object) -> State:
    """How far a Job or a Pod is."""
    told = conditions.of(live)
    if live["kind"] == JOB.kind:
        good = told.get("Complete", conditions.ABSENT).is_true
        bad = told.get("Failed", conditions.ABSENT).is_true
    else:
        phase = conditions.status_of(live).get("phase")
        good, bad = phase == "Succeeded", phase == "Failed"
    return State.SUCCEEDED if good else State.FAILED if bad else State.RUNNING


def watched(found: Await, assessment: health.Assessment, running_s: float, timeout_s: float) -> Note:
    """A hook that runs; for too long, it may be. It is still waited for then: it may yet end, and never runs twice."""
    message = ": ".join(filter(None, (assessment.reason, assessment.message)))
    is_late = running_s > timeout_s
    if is_late:
        message = f"not over after {timeout_s:.0f} s" + (f" ({message})" if message else "")
    reason = TIMEOUT if is_late else RUNNING
    return Note(found.entry.object, found.phase, reason, message, is_failure=is_late)


def holdup(known: Known) -> Note | None:
    """What keeps the bundle from being done; None: nothing."""
    if stand(known) is Stand.DONE:
        return None
    record = known.present
    if record is None:
        return known.note or Note(_bundle(known.index), Moment.PRE.value, WAITING, "not begun yet")
    next_ = _next(known.index, record)
    if next_ is None:
        return None  # only the objects are not all applied yet
    if isinstance(next_, Failed):
        run = next_.run
        return Note(next_.entry.object, next_.phase, run.reason or FAILED, run.message, is_failure=True)
    return known.note or Note(next_.entry.object, next_.phase, WAITING, "not begun yet")


def foretold(known: Known, *, installed: bool) -> tuple[reports.PlannedHook, ...]:
    """What this content would still run, in its order; `installed`: the bundle has objects in the cluster."""
    if refusal(known.index) is not None:
        return ()
    record = known.present or hook_records.begun(known.record, known.index.bundle, known.content, installed=installed)
    found = []
    for moment in Moment:
        phase, entries = due(known.index, record, moment)
        for entry in entries:
            run = hook_records.run_of(record, phase, entry.manifest)
            if run is not None and run.state is State.FAILED:
                return ()  # it ends its phase, and nothing comes after it
            if run is None or run.state is not State.SUCCEEDED:
                found.append(reports.PlannedHook(entry.object, known.index.bundle, phase))
    return tuple(found)


def told(known: Known) -> tuple[reports.HookStatus, ...]:
    """The hooks of this content, those that are not over first."""
    record = known.present
    if record is None:
        return ()
    found = [
        _told(known, record, phase, entry)
        for moment in Moment
        for phase, entries in (due(known.index, record, moment),)
        for entry in entries
    ]
    found.sort(key=lambda one: one.progress is HookProgress.SUCCEEDED)
    return tuple(found[: reports.HOOKS_MAX])


_PROGRESS = {
    State.MAKING: HookProgress.RUNNING,
    State.RUNNING: HookProgress.RUNNING,
    State.SUCCEEDED: HookProgress.SUCCEEDED,
    State.FAILED: HookProgress.FAILED,
}


def _told(known: Known, record: Record, phase: str, entry: bundles.HookEntry) -> reports.HookStatus:
    run, note = hook_records.run_of(record, phase, entry.manifest), known.note
    progress = _PROGRESS[run.state] if run is not None else HookProgress.WAITING
    reason, message = (run.reason, run.message) if run is not None else ("", "")
    is_over = run is not None and run.state in hook_records.OVER
    if note is not None and not is_over and (note.object, note.phase) == (entry.object, phase):
        reason, message = note.reason, note.message
    short = message[: reports.STATE_MESSAGE_CHARS_MAX]
    return reports.HookStatus(entry.object, phase, progress, reason[: reports.REASON_CHARS_MAX], short)


def _next(index: bundles.BundleIndex, record: Record) -> Step:
    first = step(index, record, Moment.PRE)
    return first if first is not None else step(index, record, Moment.POST)


def _bundle(index: bundles.BundleIndex) -> ids.ObjectId:
    return ids.ObjectId("flotilla.gitops", "Bundle", "", index.bundle)
