"""A long session: what it has freed goes back to the system."""

import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

ARRAYS_AND_OBJECTS = """
import ctypes, gc, sys
import numpy as np
from reid_al_agents.annotate.memory import map_large_arrays, release_memory, share_one_arena

try:
    ctypes.CDLL(None).gnu_get_libc_version
except (AttributeError, OSError, TypeError):
    sys.exit(3)

def kilobytes():
    status = open("/proc/self/status").read()
    return int(status.split("VmRSS:")[1].split()[0])

if sys.argv[1] == "small":
    share_one_arena()
    map_large_arrays()
gc.disable()
before = kilobytes()
np.zeros(2**20, dtype=np.float64)[:] = 1  # once freed, further ones come from the heap
kept, large = [], []
for _ in range(64):
    large.append(np.ones(2**17))
    kept.append(np.ones(100))
large.clear()
release_memory() if sys.argv[2] == "release" else None
print(kilobytes() - before)
"""


def left_after(kept, released):
    """Kilobytes that a process holds after it has freed 64 MiB of arrays that lay between small ones."""
    script = [sys.executable, "-c", ARRAYS_AND_OBJECTS, kept, released]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("the C library is not glibc")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_arrays_that_were_freed_are_given_back_at_once():
    assert left_after("usual", "not") > 32_000
    assert left_after("small", "not") < 4_000


def test_what_glibc_kept_can_be_given_back_on_demand():
    assert left_after("usual", "release") < 8_000
