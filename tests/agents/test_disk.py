"""The agent's file, where the way it is used from threads matters."""

import asyncio
import threading
from pathlib import Path

import pytest

from agents import disk


async def test_the_file_is_not_closed_under_work_whose_caller_was_cancelled(tmp_path: Path) -> None:
    """SQLite would crash the process."""
    kept = disk.Disk(tmp_path, cache_bytes_max=1000)
    await kept.open()
    begun, gate = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert gate.wait(30)
        return int(kept._db.execute("SELECT 7").fetchone()[0])

    caller = asyncio.create_task(kept._run(work))
    assert await asyncio.to_thread(begun.wait, 30)
    caller.cancel()
    closing = asyncio.create_task(kept.close())
    for _ in range(20):
        await asyncio.sleep(0)
        caller.cancel()

    assert not closing.done()
    gate.set()
    await closing
    with pytest.raises(asyncio.CancelledError):
        await caller
