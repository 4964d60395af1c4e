"""Reports that wait: in order, within their bounds, over restarts and over disks that take nothing."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import disk, errors, outbox

ROOMY = outbox.Bounds(letters_max=1000, bytes_max=1_000_000)


def letter(name: str, size: int = 1) -> outbox.Letter:
    return outbox.Letter(f"report.{name}", name.encode().ljust(size, b"."), {"ce-id": name})


def name_of(found: outbox.Letter | None) -> str | None:
    return None if found is None else found.headers["ce-id"]


async def opened(store: outbox.Store, bounds: outbox.Bounds = ROOMY) -> outbox.Outbox:
    made = outbox.Outbox(store, bounds)
    await made.open()
    return made


async def emptied(box: outbox.Outbox) -> list[str | None]:
    """Deliver all that waits."""
    found = []
    while (one := await box.next()) is not None:
        found.append(name_of(one))
        box.delivered(one)
    return found


async def disk_at(directory: Path) -> disk.Disk:
    made = disk.Disk(directory, cache_bytes_max=1000)
    await made.open()
    return made


async def test_letters_survive_a_restart_in_their_order_and_only_those_that_wait(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store)
    names = [str(number) for number in range(3 * outbox.WINDOW)]
    for name in names:
        box.add(letter(name))
        await box.save()
    for _ in range(5):
        first = await box.next()
        assert first is not None
        box.delivered(first)
    box.add(letter("last"))
    await box.save()
    await store.close()

    again = await disk_at(tmp_path)
    assert await emptied(await opened(again)) == [*names[5:], "last"]
    await again.close()


async def test_what_was_delivered_and_not_forgotten_is_delivered_again(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store)
    box.add(letter("one"))
    assert await emptied(box) == ["one"]

    assert await emptied(await opened(store)) == ["one"]

    await box.save()
    assert await emptied(await opened(store)) == []
    await store.close()


async def test_the_oldest_go_first_and_how_many_were_ever_lost_is_remembered(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store, outbox.Bounds(letters_max=3, bytes_max=1000))
    dropped = []
    for number in range(5):
        dropped.append(box.add(letter(str(number))))
        await box.save()

    assert dropped == [0, 0, 0, 1, 1]
    again = await opened(store, ROOMY)
    assert (again.lost, await emptied(again)) == (2, ["2", "3", "4"])
    await store.close()


async def test_bytes_are_bounded_too_and_the_newest_stays_however_large(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store, outbox.Bounds(letters_max=100, bytes_max=1000))
    for name in ("a", "b", "c"):
        box.add(letter(name, 400))
    box.add(letter("huge", 5000))

    assert (box.lost, await emptied(box)) == (3, ["huge"])
    await store.close()


async def test_a_smaller_bound_holds_for_what_lies_there_already(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store)
    for number in range(10):
        box.add(letter(str(number)))
    await box.save()

    again = await opened(store, outbox.Bounds(letters_max=2, bytes_max=1000))
    assert (again.lost, await emptied(again)) == (8, ["8", "9"])
    await store.close()


class Flaky:
    """A store in memory that can be told to fail; it keeps its promises as the disk does."""

    def __init__(self) -> None:
        self.rows: dict[int, outbox.Letter] = {}
        self.first, self.lost = 1, 0
        self.fails = False
        self.posts = 0

    async def drawer(self) -> outbox.Drawer:
        return outbox.Drawer(self.first, tuple(self.rows[number].size for number in sorted(self.rows)), self.lost)

    async def post(self, letters: Sequence[outbox.Stored], *, first: int, lost: int) -> None:
        self.posts += 1
        self._answer()
        self.rows |= {one.number: one.letter for one in letters}
        self.rows = {number: found for number, found in self.rows.items() if number >= first}
        self.first, self.lost = first, lost

    async def letters(self, after: int, count: int) -> list[outbox.Stored]:
        self._answer()
        numbers = [number for number in sorted(self.rows) if number > after]
        return [outbox.Stored(number, self.rows[number]) for number in numbers[:count]]

    def _answer(self) -> None:
        if self.fails:
            raise errors.DiskFailed("disk: full")


async def test_a_full_disk_silences_nobody() -> None:
    store = Flaky()
    box = await opened(store)
    box.add(letter("saved"))
    await box.save()
    store.fails = True
    for name in ("a", "b"):
        box.add(letter(name))

    assert await emptied(box) == ["saved", "a", "b"]
    store.fails = False
    box.add(letter("c"))
    await box.save()
    assert [name_of(found) for found in store.rows.values()] == ["c"]


async def test_letters_that_cannot_be_read_wait_and_those_behind_them_do_not() -> None:
    store = Flaky()
    before = await opened(store)
    before.add(letter("old"))
    await before.save()
    box = await opened(store)
    store.fails = True
    box.add(letter("new"))

    assert (await emptied(box), len(box)) == (["new"], 1)
    store.fails = False
    assert await emptied(box) == ["old"]


async def test_forgetting_waits_until_it_is_worth_a_transaction() -> None:
    store = Flaky()
    box = await opened(store)
    box.add(letter("one"))
    await emptied(box)
    await box.rest()
    assert store.posts == 1

    for number in range(2 * outbox.WINDOW):
        box.add(letter(str(number)))
    await emptied(box)
    await box.rest()
    assert store.rows == {}


Step = st.one_of(st.integers(1, 40), st.sampled_from(["save", "deliver", "restart", "fail", "mend"]))


@given(st.lists(Step, max_size=60))
async def test_whatever_happens_order_and_bounds_hold_and_only_the_oldest_are_missing(steps: list[int | str]) -> None:
    """A model: what was said, less what was delivered, less the oldest that had no room; a restart costs at most what
    was never saved."""
    bounds = outbox.Bounds(letters_max=6, bytes_max=120)
    store = Flaky()
    box = await opened(store, bounds)
    said, heard = deque[str](), list[int]()
    for step in steps:
        if isinstance(step, int):
            said.append(str(len(said)))
            box.add(letter(said[-1], step))
        elif step == "save":
            await box.save()
        elif step == "deliver" and (one := await box.next()) is not None:
            heard.append(int(one.headers["ce-id"]))
            box.delivered(one)
        elif step == "restart":
            store.fails = False
            await box.save()
            box = await opened(store, bounds)
        elif step in ("fail", "mend"):
            store.fails = step == "fail"
        assert len(box) <= bounds.letters_max

    store.fails = False
    heard += [int(name) for name in await emptied(box) if name is not None]
    # Without an unreadable disk nothing overtakes anything.
    assert heard == sorted(heard) or "fail" in steps
    assert len(set(heard)) + box.lost >= len(said)


async def test_a_damaged_file_costs_the_letters_and_nothing_else(tmp_path: Path) -> None:
    store = await disk_at(tmp_path)
    box = await opened(store)
    box.add(letter("one"))
    await box.save()
    await store.close()
    path = tmp_path / disk.FILE
    path.write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

    again = disk.Disk(tmp_path, cache_bytes_max=1000)
    assert await again.open()
    box = await opened(again)
    box.add(letter("two"))
    assert await emptied(box) == ["two"]
    await again.close()


async def test_a_file_of_an_earlier_release_is_taken_on(tmp_path: Path) -> None:
    """One without a place for letters."""
    database = sqlite3.connect(tmp_path / disk.FILE)
    database.execute("CREATE TABLE boots (one INTEGER PRIMARY KEY CHECK (one = 1), boot INTEGER NOT NULL)")
    database.execute("INSERT INTO boots VALUES (1, 41)")
    database.commit()
    database.close()

    store = await disk_at(tmp_path)
    box = await opened(store)
    box.add(letter("one"))
    assert (await store.next_boot(0), await emptied(box)) == (42, ["one"])
    await store.close()


@pytest.mark.parametrize("size", [0, 1])
async def test_an_empty_box_gives_nothing(size: int) -> None:
    box = await opened(Flaky())
    for _ in range(size):
        box.add(letter("x", 0))

    assert len(await emptied(box)) == size
