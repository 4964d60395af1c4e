"""The expectations of an append as headers that the server checks.

One message carries one fence on a subject. The first event of an aggregate fences its own; a later one can carry the
fence of an aggregate that was only read, which the server checks instead. What finds no carrier is left to the caller.
"""

from collections.abc import Mapping, Sequence

from controller.broker import batches
from controller.store import records
from protocol import streams

SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
STREAM_SEQUENCE = "Nats-Expected-Last-Sequence"


def check(batch: Sequence[records.Pending]) -> None:
    """Raise BatchTooLarge if no atomic append holds this; assert what the port demands of its caller."""
    assert batch, "an append of nothing"
    fenced: set[str] = set()
    for event in batch:
        assert (event.expected is None) == (event.subject in fenced), f"{event.subject}: one fence, on its first event"
        assert event.headers.get(records.ID_HEADER), f"{event.subject}: an event without id"
        fenced.add(event.subject)
        if len(event.body) > streams.MESSAGE_BYTES_MAX:
            raise records.BatchTooLarge(
                f"append to {event.subject}: event too large ({len(event.body)} bytes of {streams.MESSAGE_BYTES_MAX})"
            )
    if len(batch) > records.BATCH_EVENTS_MAX:
        raise records.BatchTooLarge(f"append: too many events ({len(batch)} of {records.BATCH_EVENTS_MAX})")
    size = sum(len(event.body) for event in batch)
    if size > records.BATCH_BYTES_MAX:
        raise records.BatchTooLarge(f"append: too large ({size} bytes of {records.BATCH_BYTES_MAX})")


def fenced(batch: Sequence[records.Pending], reads: Mapping[str, int]) -> tuple[list[batches.Outgoing], dict[str, int]]:
    """The messages with their fences, and the reads that found no message to carry theirs."""
    written = {event.subject for event in batch}
    waiting = [(subject, sequence) for subject, sequence in reads.items() if subject not in written]
    messages = []
    for event in batch:
        headers = dict(event.headers)
        if event.expected is not None:
            headers[SUBJECT_SEQUENCE] = str(event.expected)
        elif waiting:
            headers[SUBJECT], sequence = waiting.pop()
            headers[SUBJECT_SEQUENCE] = str(sequence)
        messages.append(batches.Outgoing(subject=event.subject, body=event.body, headers=headers))
    return messages, dict(waiting)


def on_stream(messages: Sequence[batches.Outgoing], last: int) -> list[batches.Outgoing]:
    """The same messages, stored only if `last` is still the stream's last sequence."""
    first, *others = messages
    headers = first.headers | {STREAM_SEQUENCE: str(last)}
    return [batches.Outgoing(subject=first.subject, body=first.body, headers=headers), *others]
