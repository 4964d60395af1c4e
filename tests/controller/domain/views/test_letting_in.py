"""What lets a cluster's agent in, in one word, and what a person can do about it."""

import datetime

import msgspec
import pytest

from controller.domain import entries
from controller.domain.views import clusters as views
from controller.domain.views import letting_in
from tests.controller.domain import examples
from tests.controller.domain.views.conftest import Fleet
from tests.fixtures import hub as hubs

LATER = hubs.START + datetime.timedelta(hours=1)
OFFER = entries.Offer(token="t", expires_at=LATER)
USED = msgspec.structs.replace(OFFER, key="key-0", uid="u", is_accepted=True)
WAITS = msgspec.structs.replace(USED, is_accepted=False, manual=True)

CASES = (
    (entries.NOBODY, "None", ""),
    (entries.Entry(offer=OFFER), "Offered", "its agent has not shown its token yet"),
    (
        entries.Entry(offer=msgspec.structs.replace(OFFER, expires_at=hubs.START)),
        "Expired",
        "its token was not used in time: flotilla cluster token c0",
    ),
    (
        entries.Entry(offer=msgspec.structs.replace(OFFER, is_expired=True)),
        "Expired",
        "its token was not used in time: flotilla cluster token c0",
    ),
    (entries.Entry(offer=WAITS), "Waiting", "its agent waits: flotilla cluster accept c0"),
    (entries.Entry(offer=USED, key="key-0"), "Enrolled", ""),
    (entries.Entry(file_key="key-1"), "File", ""),
    (
        entries.Entry(revoked_before=hubs.START),
        "Revoked",
        "revoked: flotilla cluster token c0 lets an agent in again",
    ),
    (
        entries.Entry(offer=OFFER, refused_uid="u1"),
        "Offered",
        "an agent of another cluster (UID u1) was refused; if it was rebuilt: flotilla cluster replace c0",
    ),
)


@pytest.mark.parametrize(("entry", "word", "reason"), CASES, ids=[word for _, word, _ in CASES])
async def test_each_way_in_has_a_word_and_a_reason_where_a_person_can_do_something(
    fleet: Fleet, entry: entries.Entry, word: str, reason: str
) -> None:
    cluster = examples.cluster(0, entry=entry)

    assert letting_in.admission(fleet.looking, cluster).value == word
    assert letting_in.silence(fleet.looking, cluster) == reason


@pytest.mark.parametrize(
    ("entry", "key", "ends"),
    [
        (entries.NOBODY, "", None),
        (entries.Entry(offer=OFFER), "", LATER),
        (entries.Entry(offer=WAITS), "key-0", None),
        (entries.Entry(offer=USED, key="key-2"), "key-2", None),
    ],
    ids=["nothing", "offered", "waiting", "rotated"],
)
async def test_the_agent_is_shown_by_its_key_and_a_token_by_its_end(
    fleet: Fleet, entry: entries.Entry, key: str, ends: datetime.datetime | None
) -> None:
    found = letting_in.agent(fleet.looking, examples.cluster(0, entry=entry))

    assert (found.key, found.token_expires_at) == (key, ends)


async def test_a_cluster_that_is_not_heard_says_why_if_it_was_never_let_in(fleet: Fleet) -> None:
    cluster = await fleet.hub.add_cluster("c")
    await fleet.hub.entrance.offer("c", ttl=datetime.timedelta(hours=1), manual=False, by="test")
    detail = views.detail(fleet.looking, fleet.hub.world.clusters[cluster])

    assert detail.cluster.reason == "its agent has not shown its token yet"
    assert detail.agent.admission is letting_in.Admission.OFFERED
