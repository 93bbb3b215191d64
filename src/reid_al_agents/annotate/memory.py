"""Memory that a long session has freed goes back to the system; by default glibc keeps much of it.

Only glibc has these functions. With another C library nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h
_LARGE = 256 * 1024  # bytes
_MISSING = (AttributeError, OSError, TypeError)  # what other C libraries raise, and Windows


def share_one_arena() -> None:
    """Have glibc give all threads one arena; call it before threads start.

    By default each thread has its own, whose holes seldom close.
    """
    with contextlib.suppress(*_MISSING):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def map_large_arrays() -> None:
    """Have glibc map and unmap arrays from 256 KiB on one by one, and give back what it holds by now.

    Each batch of questions and each refresh frees arrays of some megabytes. After that, glibc by default puts
    arrays of this size between small objects. Call it when the first features are made: a network's forward
    passes, which take and free large arrays all the time, are half as fast with it.
    """
    with contextlib.suppress(*_MISSING):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)  # which also stops glibc from raising it
    release_memory()


def release_memory() -> None:
    """Give freed pages between live objects back to the system, too; takes some milliseconds."""
    with contextlib.suppress(*_MISSING):
        ctypes.CDLL(None).malloc_trim(0)
