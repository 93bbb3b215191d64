"""What holds for every test: one thread, no window, no clock, and names that are alike in every process."""

import os
import re

import pytest
from hypothesis import settings

# Before torch, faiss and NumPy are imported, which start their threads then. Networks and pools of tests are
# so small that threads only wait for each other: on two busy cores, the learning test of test_dqn_masked.py
# takes 54 s of processor time with two threads and 3 s with one. Programs that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Gymnasium's checker opens a window for every render mode that has one; this one is not seen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

OBJECT = re.compile(r"<.*>|\b0x[0-9a-f]{6,}")
"""The repr of an object or a lambda: it says nothing to a reader, and addresses differ between processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that pytest-xdist's workers would not agree on."""
    unclear = [item.nodeid for item in items if OBJECT.search(item.nodeid)]
    if unclear:
        raise pytest.UsageError(
            f"{unclear[0]} and {len(unclear) - 1} more: the id holds the repr of an object; give it ids="
        )
