"""Answers that were given elsewhere."""

from __future__ import annotations

from pathlib import Path

from reid_al_agents.live.session import LiveSession


def import_pairs(session: LiveSession, path: Path) -> int:
    """Take in the pairs of a CSV file, all or none; the same pair of the same file counts once.

    Returns:
        How many were new.

    Raises:
        InputError: A line cannot be used; nothing is taken in.
    """
    from reid_al_agents.annotation.exchange import read_pairs_csv

    events = read_pairs_csv(path, session.state.features.names, run=session.state.run)
    return session.take_in(events)
