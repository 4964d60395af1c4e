"""Entries and the shards that they stand in."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.domain import inventory, shards
from protocol import canonical, ids, reports
from tests.agents.domain import examples
from tests.agents.domain.examples import ONE, TWO, config_map, entry, owned

GONE = inventory.Settled(ids.DebtId("d1"), reports.Outcome.GONE)


def test_an_entry_knows_both_names() -> None:
    """Resolved for the cluster, written for the hub."""
    found = entry(config_map("x", "web"), written_namespace="")

    assert found.written == config_map("x", "")
    assert found.claim == ("test/web", config_map("x", ""))


def test_tombstones_are_not_ours() -> None:
    """They only remember."""
    gone = entry(config_map("gone"), settled=GONE)

    assert list(inventory.owned(owned(entry(), gone))) == [entry()]


def test_a_tombstone_stays_while_its_debt_is_named() -> None:
    """Then the hub has heard it."""
    gone = entry(config_map("gone"), settled=GONE)

    assert inventory.stale_tombstones(owned(entry(), gone), frozenset({ids.DebtId("d1")})) == ()
    assert inventory.stale_tombstones(owned(entry(), gone), frozenset()) == (config_map("gone"),)


@pytest.mark.parametrize(
    ("adopted", "digest", "forced"),
    [(canonical.NO_DIGEST, ONE, True), (ONE, ONE, False), (ONE, TWO, True)],
)
def test_what_we_adopted_is_forced_once_git_changed_it(
    adopted: canonical.Digest, digest: canonical.Digest, *, forced: bool
) -> None:
    """What we created always is."""
    assert inventory.forced(entry(adopted=adopted), digest) is forced


def test_changes_are_true_if_there_are_any() -> None:
    """A write of nothing is no write."""
    assert not inventory.Changes()
    assert inventory.Changes(put=(entry(),))
    assert inventory.Changes(remove=(config_map(),))


@given(examples.inventories())
def test_an_entry_survives_its_shard(entries: dict[ids.ObjectId, inventory.Entry]) -> None:
    """Written and read, under its own key."""
    for item in entries.values():
        assert shards.decode(shards.key(item.object), shards.encode(item)) == item


def test_a_strange_entry_is_an_error() -> None:
    """Not JSON, or another object's."""
    with pytest.raises(shards.ShardError, match="unreadable"):
        shards.decode("key", "{")
    with pytest.raises(shards.ShardError, match="is the entry of ConfigMap web/settings"):
        shards.decode("key", shards.encode(entry()))


def test_a_full_shard_takes_no_more() -> None:
    """By number, or by size."""
    full = shards.Load(inventory.ENTRIES_PER_SHARD_MAX, 0)
    large = shards.Load(1, inventory.SHARD_BYTES_MAX - 10)

    assert shards.place(entry(), {}) == 0
    assert shards.place(entry(), {0: shards.Load(1, 300)}) == 0
    assert shards.place(entry(), {0: full, 1: large}) == 2
    assert shards.place(entry(), {0: full, 2: shards.Load()}) == 2


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=40), min_size=1, max_size=60, unique=True))
def test_no_shard_outgrows_its_bounds(names: list[str]) -> None:
    """However many entries are placed, also once all of them are completed and settled."""
    loads: dict[int, shards.Load] = {}
    for name in names:
        intent = entry(config_map(name * 6), uid="")
        number = shards.place(intent, loads)
        loads[number] = loads.get(number, shards.Load()).plus(shards.size(intent))
        settled = inventory.Settled(ids.DebtId("d" * 32), reports.Outcome.RELEASED)
        grown = msgspec.structs.replace(intent, uid="u" * 36, settled=settled)
        assert shards.KEY_HEX_DIGITS + len(shards.encode(grown)) <= shards.size(intent)

    assert all(load.size <= inventory.SHARD_BYTES_MAX for load in loads.values())
    assert sum(load.entries for load in loads.values()) == len(names)
