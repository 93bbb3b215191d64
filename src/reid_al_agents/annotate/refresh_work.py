"""What a refresh process is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Work:
    """What a refresh is to do.

    Args:
        folder: The session's folder.
        store: Address of the log's database.
        number: Number of the refresh, counted from 1.
        last_event: Id of the last event to learn from; 0 only adapts the model.
        device: Where to train.
    """

    folder: str
    store: str
    number: int
    last_event: int
    device: str

    def line(self) -> str:
        """As the process reads it."""
        return json.dumps(asdict(self)) + "\n"
