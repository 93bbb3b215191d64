"""The identities that the data give their images, taken into a session that trusts them."""

from __future__ import annotations

import logging

from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.data import ImageSet
from reid_al_agents.log.known_identities import events_of_data

_log = logging.getLogger(__name__)


def believe_data(session: AnnotationSession, images: ImageSet, data: str) -> None:
    """Take in, once for each image, the identities that the data give, if these are trusted."""
    state, trust = session.state, session.state.settings.trust
    if trust is None:
        labelled = int(images.labelled.sum())
        if labelled and not state.beliefs.answers:
            _log.info(
                "%d images have known identities, which are not used; --trust 0.98 takes them in", labelled
            )
        return
    events = events_of_data(
        images, state.keys.values(), run=state.run, trust=trust, where=data, now=state.clock()
    )
    if events:
        session.take_in(events)
        known = sum(len(event.payload["images"]) for event in events)
        _log.info("%d images of %d known identities are trusted by %g", known, len(events), trust)
