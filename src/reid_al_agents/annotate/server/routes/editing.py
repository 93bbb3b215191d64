"""Routes of the pages of contradictions and identities."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from reid_al_agents.annotate.messages import Conflict, Json, Unknown
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession


def contradiction_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses
) -> APIRouter:
    """Make the routes that show contradictions and settle them."""
    routes = APIRouter()

    @routes.get("/api/contradictions")
    def contradictions(annotator: Annotator) -> Json:
        return responses.contradictions()

    @routes.post("/api/contradictions/settle")
    def settle(annotator: VerifiedAnnotator, body: models.Settle) -> Json:
        responses.check_images([body.query, body.candidate])
        if body.query == body.candidate:
            raise Unknown("an image cannot be compared with itself")
        done = session.settle(annotator, body.key, body.query, body.candidate, body.answer)
        refreshing.start_if_due()
        return {"event": done.event.id, "status": responses.status(annotator)}

    @routes.post("/api/retract")
    def retract(annotator: VerifiedAnnotator, body: models.Retract) -> Json:
        event = session.retract(annotator, body.key, body.event)
        refreshing.start_if_due()
        return {"event": event.id, "status": responses.status(annotator)}

    return routes


def identity_routes(session: AnnotationSession, refreshing: Refreshes, responses: Responses) -> APIRouter:
    """Make the routes that list identities, and merge, split and name them."""
    routes = APIRouter()

    @routes.get("/api/identities")
    def identities(
        annotator: Annotator,
        offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 60,
        sort: Literal["size", "recent", "name"] = "size",
    ) -> Json:
        return responses.identities(offset, limit, sort)

    @routes.get("/api/identities/{identity}")
    def identity(annotator: Annotator, identity: str) -> Json:
        return responses.identity(identity)

    def edited(kind: str, annotator: str, key: str, payload: Json) -> Json:
        event = session.edit(kind, annotator, key, payload).event
        refreshing.start_if_due()
        return {"event": event.id, "status": responses.status(annotator)}

    @routes.post("/api/identities/merge")
    def merge(annotator: VerifiedAnnotator, body: models.Merge) -> Json:
        first, second = (_images(session, each) for each in (body.a, body.b))
        if first == second:
            raise Conflict("merge: this is one identity already")
        payload = {"a": first[0], "b": second[0], "images": [*first[1:], *second[1:]]}
        return edited("merge", annotator, body.key, payload)

    @routes.post("/api/identities/split")
    def split(annotator: VerifiedAnnotator, body: models.Split) -> Json:
        members, chosen = _images(session, body.identity), set(body.images)
        rest = [image for image in members if image not in chosen]
        if not chosen <= set(members):
            raise Conflict("split: some of the images are no longer of this identity; load the page again")
        if not rest:
            raise Conflict("split: all its images are chosen; leave out those that stay")
        payload = {"images": sorted(chosen), "rest": rest[0], "kept": rest[1:]}
        return edited("split", annotator, body.key, payload)

    @routes.post("/api/identities/name")
    def name(annotator: VerifiedAnnotator, body: models.Name) -> Json:
        payload = {"image": _images(session, body.identity)[0], "name": body.name.strip()}
        return edited("name", annotator, body.key, payload)

    return routes


def _images(session: AnnotationSession, identity: str) -> list[int]:
    """Images of an identity, the most typical first.

    Raises:
        Conflict: There is no such identity any more: the page that sent it is out of date.
    """
    found = session.identities()
    try:
        return found.images(found.find(identity))
    except Unknown as error:
        raise Conflict(str(error)) from None
