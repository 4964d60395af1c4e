"""What is remembered of hooks: of bundles that are gone, and for how many objects."""

import msgspec

from agents.domain import hook_records
from agents.domain.hook_records import Made, Record
from protocol.canonical import Digest
from protocol.hooks import Operation
from tests.agents.domain.examples import ONE
from tests.agents.domain.test_hooks import MIGRATE, WEB, begun


def test_what_a_bundle_left_behind_is_remembered_and_nothing_else() -> None:
    """A hook's object outlives its bundle, as with Helm: the next install of it, or of another, may replace it."""
    made = Made(MIGRATE.object, "batch/v1", "jobs", "u1")
    record = hook_records.with_made(msgspec.structs.replace(begun(WEB), applied=True), made)

    rest = hook_records.left(record)

    assert rest == Record(WEB.bundle, Digest(""), Operation.INSTALL, made=(made,))
    assert hook_records.left(hook_records.without(record, "u1")) is None
    assert hook_records.begun(rest, WEB.bundle, ONE, installed=False).operation is Operation.INSTALL


def test_the_oldest_objects_are_forgotten_before_a_record_grows_too_large() -> None:
    record = begun(WEB)
    for number in range(hook_records.MADE_MAX + 1):
        record = hook_records.with_made(record, Made(MIGRATE.object, "batch/v1", "jobs", f"u{number}"))
    record = hook_records.with_made(record, Made(MIGRATE.object, "batch/v1", "jobs", "u5"))

    assert len(record.made) == hook_records.MADE_MAX
    assert (record.made[0].uid, record.made[-1].uid) == ("u1", "u5")
