"""Answers and identities as files for other programs."""

from __future__ import annotations

from collections.abc import Callable

from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.log.formats import (
    LABEL_STUDIO_CONFIG,
    LOCAL_FILES,
    events_jsonl,
    identities_csv,
    label_studio_json,
    pairs_csv,
    wildlife_csv,
)

EXPORTS = {
    "pairs.csv": "text/csv; charset=utf-8",
    "identities.csv": "text/csv; charset=utf-8",
    "events.jsonl": "application/x-ndjson",
    "labelstudio.json": "application/json",
    "labelstudio.xml": "application/xml",
    "wildlife.csv": "text/csv; charset=utf-8",
}
"""Media type by the name of the file."""


class Exports:
    """Makes the files that the page and the command line offer.

    Args:
        session: The session.
        image_prefix: Put before each image's name to make its address in Label Studio.
    """

    def __init__(self, session: AnnotationSession, image_prefix: str = LOCAL_FILES) -> None:
        self._session, self._image_prefix = session, image_prefix

    def make(self, what: str) -> tuple[str, str]:
        """The content and media type of one of :data:`EXPORTS`."""
        prefix = self._image_prefix
        makers: dict[str, Callable[[], str]] = {
            "pairs.csv": lambda: pairs_csv(self._session.counting()),
            "identities.csv": self._identities,
            "events.jsonl": lambda: events_jsonl(self._session.state.store.events(self._session.state.run)),
            "labelstudio.json": lambda: label_studio_json(self._session.counting(), prefix=prefix),
            "labelstudio.xml": lambda: LABEL_STUDIO_CONFIG,
            "wildlife.csv": self._wildlife,
        }
        return makers[what](), EXPORTS[what]

    def _identities(self) -> str:
        sheet = self._session.identities()
        return identities_csv(self._session.state.features.names, sheet.labels, sheet.names)

    def _wildlife(self) -> str:
        sheet, features = self._session.identities(), self._session.state.features
        return wildlife_csv(features.names, sheet.labels, labels=sheet.names, cameras=features.cameras)
