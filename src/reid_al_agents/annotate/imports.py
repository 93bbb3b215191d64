"""Answers and identities from elsewhere, taken into a session that is open."""

from __future__ import annotations

from pathlib import Path

from reid_al_agents.annotate.session import AnnotationSession


def import_file(session: AnnotationSession, path: Path) -> int:
    """Take in what :func:`.read_import` reads, all or nothing; the same content counts once.

    Returns:
        How many answers and identities were new.

    Raises:
        InputError: Something in it cannot be used; nothing is taken in.
    """
    from reid_al_agents.log.formats import read_import

    state = session.state
    return session.take_in(read_import(path, state.features.names, run=state.run, trust=state.settings.trust))
