"""Memory that a long session has freed goes back to the system; by default glibc keeps much of it.

Only glibc has these functions. With another C library nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h
_LARGE = 256 * 1024  # bytes
_MISSING = (AttributeError, OSError, TypeError)  # what other C libraries raise, and Windows


def keep_memory_small() -> None:
    """Have glibc keep little of what is freed, for all of this process; call it before threads start.

    Each batch of questions and each refresh frees arrays of some megabytes. After that, glibc by default puts
    arrays of this size between small objects, in an arena of each thread, where holes seldom close. Here
    arrays from 256 KiB on are mapped and unmapped one by one, and all threads share an arena.
    """
    with contextlib.suppress(*_MISSING):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)  # setting it also stops glibc from raising it
        mallopt(_M_ARENA_MAX, 1)


def release_memory() -> None:
    """Give freed pages between live objects back to the system, too; takes some milliseconds."""
    with contextlib.suppress(*_MISSING):
        ctypes.CDLL(None).malloc_trim(0)
