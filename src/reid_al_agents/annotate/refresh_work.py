"""The task of a refresh process, and the lines that halt it and let it go on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

PAUSE = "pause"
GO_ON = "go on"


@dataclass(frozen=True)
class Work:
    """The task of one refresh.

    Args:
        folder: The session's folder.
        store: Address of the log's database.
        number: Number of the refresh, counted from 1.
        last_event: Id of the last event to learn from; 0 for the label-free start only.
        device: Where to train.
    """

    folder: str
    store: str
    number: int
    last_event: int
    device: str

    def line(self) -> str:
        """Encode as the line of JSON that the process reads."""
        return json.dumps(asdict(self)) + "\n"
