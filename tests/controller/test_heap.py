"""The C library's heaps are counted in processes of their own: what is set there holds for good."""

import platform
import subprocess
import sys

import pytest

from controller import heap

SCRIPT = """
import ctypes, threading
from controller import heap
assert {settled}
held, ready = [], threading.Barrier(8)
def work():
    held.append(bytearray(10_000))
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ctypes.CDLL(None).malloc_stats()
"""


def _heaps(settled: str) -> int:
    script = SCRIPT.format(settled=settled)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc, and is left alone")
def test_threads_share_one_heap_once_it_is_settled() -> None:
    assert (_heaps("heap.settle()"), _heaps("True") > 1) == (heap.HEAPS_MAX, True)
