"""What is remembered of a bundle's hooks in the cluster, so that none runs twice for one content.

A run is written down before its object is made and again with the object's UID: after a crash in between the object
itself tells whether it was made. What a record calls made is all that the agent may ever delete of hooks.
"""

import datetime
import enum

import msgspec

from protocol import canonical, hooks, ids
from protocol.canonical import Digest

MADE_MAX = 100
"""Objects of hooks remembered for a bundle. The oldest are forgotten beyond it: they stay, and are nobody's."""


class State(enum.StrEnum):
    """How far a hook is."""

    MAKING = "making"
    """Its object is about to be made: whether it was, the API server tells."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


OVER = frozenset({State.SUCCEEDED, State.FAILED})


class Run(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One hook of one phase, with the present content."""

    phase: str
    manifest: Digest
    state: State
    since: datetime.datetime
    """When it was begun."""
    uid: str = ""
    reason: str = ""
    message: str = ""
    """Why it failed."""


class Made(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object that was made for a hook, and may still be there."""

    object: ids.ObjectId
    """With the namespace resolved."""
    api_version: str
    plural: str
    uid: str
    doomed: bool = False
    """Its hook is over, and its policy wants it gone."""


class Record(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The hooks of one bundle."""

    bundle: ids.BundleId
    content: Digest
    """The bundle's index that the runs belong to; empty: the bundle has left."""
    operation: hooks.Operation
    runs: tuple[Run, ...] = ()
    made: tuple[Made, ...] = ()
    """Of this content and of those before it, the newest last."""
    applied: bool = False
    """The objects of some content were all applied: what comes next is an upgrade."""


def begun(record: Record | None, bundle: ids.BundleId, content: Digest, *, installed: bool) -> Record:
    """The record with which new content begins; `installed`: the bundle has objects in the cluster."""
    installed = installed or (record is not None and record.applied)
    return Record(
        bundle=bundle,
        content=content,
        operation=hooks.Operation.UPGRADE if installed else hooks.Operation.INSTALL,
        made=record.made if record is not None else (),
        applied=installed,
    )


def left(record: Record) -> Record | None:
    """What is remembered of a bundle that is gone: only what it left behind. None: nothing."""
    if not record.made:
        return None
    return Record(record.bundle, canonical.NO_DIGEST, hooks.Operation.INSTALL, made=record.made)


def run_of(record: Record, phase: str, manifest: Digest) -> Run | None:
    """The run of a hook; None: it has not begun."""
    return next((run for run in record.runs if (run.phase, run.manifest) == (phase, manifest)), None)


def with_run(record: Record, run: Run) -> Record:
    """The record with this run, in the place of what was known of it."""
    others = tuple(one for one in record.runs if (one.phase, one.manifest) != (run.phase, run.manifest))
    return msgspec.structs.replace(record, runs=(*others, run))


def with_made(record: Record, made: Made) -> Record:
    """The record with this object."""
    others = tuple(one for one in record.made if one.uid != made.uid)
    return msgspec.structs.replace(record, made=(*others, made)[-MADE_MAX:])


def without(record: Record, uid: str) -> Record:
    """The record without an object, which is gone."""
    return msgspec.structs.replace(record, made=tuple(one for one in record.made if one.uid != uid))


def doomed(record: Record, uids: frozenset[str]) -> Record:
    """The record with these objects to be deleted."""
    made = tuple(msgspec.structs.replace(one, doomed=True) if one.uid in uids else one for one in record.made)
    return msgspec.structs.replace(record, made=made)
