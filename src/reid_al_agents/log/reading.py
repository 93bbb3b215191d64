"""What we write is read again: answers and identities from each kind of file that an export makes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data.rows import read_rows
from reid_al_agents.log.event_lines import read_events_jsonl
from reid_al_agents.log.events import Event
from reid_al_agents.log.known_identities import (
    TRUST,
    KnownIdentity,
    identities_in_folder,
    identities_in_table,
    identity_events,
)
from reid_al_agents.log.label_studio import read_label_studio
from reid_al_agents.log.pairs_csv import is_pairs_table, read_pairs_csv
from reid_al_env.errors import InputError
from reid_al_env.messages import Message


def read_import(
    path: Path, names: Sequence[str] | NDArray[np.str_], *, run: str, trust: float | None = None
) -> list[Event]:
    """Read answers or identities for a run.

    Args:
        path: ``pairs.csv``, ``identities.csv``, ``wildlife.csv``, ``events.jsonl`` or ``labelstudio.json`` of
            an export, or tables like these; or the folder that it made in Market-1501's layout.
        names: (N,) names of the run's images, by dataset index.
        run: The run.
        trust: How far identities are trusted; ``None`` is :data:`.TRUST`. Answers are weighed as answers.

    Returns:
        Events whose keys follow from the content, so that a file that is read twice counts once.

    Raises:
        InputError: The file is of no such kind, or a line of it cannot be used.
    """
    index = {str(name): number for number, name in enumerate(names)}
    if path.is_dir():
        return _identities(identities_in_folder(path), index, run, trust, path)
    if path.suffix == ".jsonl":
        return read_events_jsonl(path, index, run=run)
    if path.suffix == ".json":
        return read_label_studio(path, index, run=run)
    if not path.is_file():
        raise InputError(
            Message("{file}: no such file or folder; name a file that reid-al export wrote", file=path)
        )
    if is_pairs_table(path):
        return read_pairs_csv(path, names, run=run)
    return _identities(identities_in_table(read_rows(path), index), index, run, trust, path)


def _identities(
    found: list[KnownIdentity], index: dict[str, int], run: str, trust: float | None, path: Path
) -> list[Event]:
    chosen = TRUST if trust is None else trust
    return identity_events(found, index, run=run, trust=chosen, where=str(path), now=time.time())
