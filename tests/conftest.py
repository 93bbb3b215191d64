"""What holds for every test: no window, and names that are the same in every process."""

import os
import re

import pytest

# Gymnasium's checker opens a window for every render mode that has one; this one is not seen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

OBJECT = re.compile(r"<.*>|\b0x[0-9a-f]{6,}")
"""The repr of an object or a lambda: it says nothing to a reader, and addresses differ between processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that pytest-xdist's workers would not agree on."""
    unclear = [item.nodeid for item in items if OBJECT.search(item.nodeid)]
    if unclear:
        raise pytest.UsageError(
            f"{unclear[0]} and {len(unclear) - 1} more: the id holds the repr of an object; give it ids="
        )
