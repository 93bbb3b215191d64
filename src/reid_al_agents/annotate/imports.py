"""Answers that were given elsewhere."""

from __future__ import annotations

from pathlib import Path

from reid_al_agents.annotate.session import AnnotationSession


def import_pairs(session: AnnotationSession, path: Path) -> int:
    """Take in the pairs of a CSV file, all or none; the same pair of the same file counts once.

    Returns:
        How many were new.

    Raises:
        InputError: A line cannot be used; nothing is taken in.
    """
    from reid_al_agents.log.formats import read_pairs_csv

    events = read_pairs_csv(path, session.state.features.names, run=session.state.run)
    return session.take_in(events)
