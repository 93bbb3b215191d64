"""A checksum over the columns of a row, so that damage on the disk cannot pass for an answer."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from reid_al_agents.log.events import Event, StoredQuestion

EVENT_COLUMNS = tuple(field.name for field in fields(Event) if field.name != "id")
"""Columns of an event under its checksum: all but the id, which the database gives afterwards."""

QUESTION_COLUMNS = tuple(field.name for field in fields(StoredQuestion))


def checksum(values: Iterable[Any]) -> int:
    """CRC-32 of the values as JSON; the same on every database, since numbers come back as they were.

    Args:
        values: Plain values in the order of the columns, JSON columns as their text.
    """
    # ``default`` is for what only damage puts in a row, such as bytes.
    return zlib.crc32(json.dumps(list(values), default=repr).encode())
