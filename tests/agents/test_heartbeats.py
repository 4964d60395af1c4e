"""A heartbeat is small whatever is in it: what a hub does not read would look like silence."""

import datetime

import hypothesis
from hypothesis import strategies as st

from agents import reporter
from protocol import ids, messages, reports

AT = datetime.datetime(2026, 11, 5, 12, 0, tzinfo=datetime.UTC)
CLUSTER = ids.ClusterId("A" * 56)

# Control characters take six bytes each.
texts = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=5), st.integers(0, 300_000))


def standby(holder: str, reason: str = "another agent acts", agent: str = "flotilla-1") -> reports.Standby:
    return reports.Standby(cluster=CLUSTER, at=AT, agent=agent, reason=reason, holder=holder, agent_version="1.0")


@hypothesis.given(texts, texts, texts)
@hypothesis.example("\0" * 300_000, "\0" * 300_000, "\0" * 300_000)
def test_a_heartbeat_is_read_by_every_hub(holder: str, reason: str, agent: str) -> None:
    body = reporter.beat_body(standby(holder, reason, agent))

    assert len(body) <= reports.BEAT_BYTES_MAX
    assert isinstance(messages.BEAT.decode(body), reports.Standby)


def test_a_text_that_was_cut_says_so() -> None:
    told = messages.BEAT.decode(reporter.beat_body(standby("x" * 20_000)))

    assert isinstance(told, reports.Standby)
    assert len(told.holder) == reporter.BEAT_TEXT_CHARS_MAX
    assert told.holder.endswith("x… (cut, it has 20000 characters)")


def test_what_is_short_is_sent_as_it_is() -> None:
    said = standby("flotilla-2")

    assert messages.BEAT.decode(reporter.beat_body(said)) == said
