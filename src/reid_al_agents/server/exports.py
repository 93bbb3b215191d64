"""Answers and identities as files for other programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from reid_al_agents.live.pictures import Pictures
from reid_al_agents.live.session import LiveSession

EXPORTS = ("pairs.csv", "identities.csv", "events.jsonl", "labelstudio.json", "wildlife.csv")


class Exports:
    """Makes the files that the page offers.

    Args:
        session: The session.
        pictures: Its images.
    """

    def __init__(self, session: LiveSession, pictures: Pictures) -> None:
        self._session, self._pictures = session, pictures

    def make(self, what: str) -> tuple[bytes, str]:
        """The file's content and media type."""
        lines = [json.dumps(asdict(event)) for event in self._session.state.store.events(self._session.state.run)]
        return "\n".join(lines).encode(), "application/x-ndjson"
