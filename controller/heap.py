"""How the C library keeps the memory of a process that runs for months: in one heap, which gives back what is free.

glibc gives threads heaps of their own, and raises the size from which it returns a block at once with every large block
that is freed. Each heap keeps what its busiest moment left in it, so that the process grows for as long as such moments
fall on other threads.
"""

import ctypes

_ARENA_MAX, _TRIM_THRESHOLD, _MMAP_THRESHOLD = -8, -1, -3
"""Of glibc's `mallopt`."""

HEAPS_MAX = 1
"""Threads of the hub wait for one another in Python anyhow."""

KEPT_BYTES_MAX = 128 * 1024
"""Free at the end of the heap, and of one block: glibc's own defaults, which stay as they are once they are set."""


def settle() -> bool:
    """Bound what this process' C library keeps; best called before there are threads. False where it is not glibc,
    which is left alone."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    chosen = ((_ARENA_MAX, HEAPS_MAX), (_TRIM_THRESHOLD, KEPT_BYTES_MAX), (_MMAP_THRESHOLD, KEPT_BYTES_MAX))
    return all(library.mallopt(which, value) == 1 for which, value in chosen)
