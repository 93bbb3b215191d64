"""Routes of the pages of contradictions, identities, the review, and the history."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from reid_al_agents.annotate.identity_filter import IdentityFilter, Show
from reid_al_agents.annotate.messages import Answered, Json, Unknown
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.page_responses import PageResponses
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession

Offset = Annotated[int, Query(ge=0, lt=2**31)]
Limit = Annotated[int, Query(ge=1, le=200)]
Number = Annotated[int | None, Query(ge=0, lt=2**31)]
Day = Annotated[str | None, Query(pattern=r"^\d{4}-\d\d-\d\d$")]


def contradiction_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses, pages: PageResponses
) -> APIRouter:
    """Make the routes that show contradictions and settle them."""
    routes = APIRouter()

    @routes.get("/api/contradictions")
    def contradictions(annotator: Annotator) -> Json:
        return pages.contradictions()

    @routes.post("/api/contradictions/settle")
    def settle(annotator: VerifiedAnnotator, body: models.Settle) -> Json:
        responses.described.check_images([body.query, body.candidate])
        if body.query == body.candidate:
            raise Unknown("an image cannot be compared with itself")
        done = session.acts.settle(annotator, body.key, body.query, body.candidate, body.answer)
        refreshing.start_if_due()
        return {"event": done.event.id, "status": responses.status(annotator)}

    return routes


def history_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses, pages: PageResponses
) -> APIRouter:
    """Make the routes that list what was done, and take back any of it."""
    routes = APIRouter()

    @routes.get("/api/history")
    def history(annotator: Annotator, mine: bool = False, offset: Offset = 0, limit: Limit = 40) -> Json:
        return pages.history(annotator, mine, offset, limit)

    @routes.post("/api/retract")
    def retract(annotator: VerifiedAnnotator, body: models.Retract) -> Json:
        take_back = session.history.retract_act if body.whole else session.history.retract
        event = take_back(annotator, body.key, body.event)
        refreshing.start_if_due()
        return {"event": event.id, "status": responses.status(annotator)}

    return routes


def identity_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses, pages: PageResponses
) -> APIRouter:
    """Make the routes that list identities and edit them."""
    routes = APIRouter()

    def done(annotator: str, answered: Answered) -> Json:
        refreshing.start_if_due()
        return {"event": answered.event.id, "status": responses.status(annotator)}

    @routes.get("/api/identities")
    def identities(
        annotator: Annotator,
        offset: Offset = 0,
        limit: Limit = 60,
        sort: Literal["size", "recent", "name"] = "size",
        search: Annotated[str, Query(max_length=100)] = "",
        show: Show = "all",
        camera: Number = None,
        side: Number = None,
        since: Day = None,
        until: Day = None,
    ) -> Json:
        wanted = IdentityFilter(search, show, camera, side, since, until)
        return pages.identities(offset, limit, sort, wanted)

    @routes.get("/api/identities/{identity}")
    def identity(annotator: Annotator, identity: str) -> Json:
        return pages.identity(identity)

    @routes.get("/api/review")
    def review(
        annotator: Annotator, part: Literal["all", "suggested", "confirmed"] = "all", offset: Offset = 0
    ) -> Json:
        return pages.review(part, offset)

    @routes.post("/api/identities/merge")
    def merge(annotator: VerifiedAnnotator, body: models.Merge) -> Json:
        found = session.identities()
        return done(annotator, session.acts.merge(annotator, body.key, found, body.identities, body.name))

    @routes.post("/api/identities/split")
    def split(annotator: VerifiedAnnotator, body: models.Split) -> Json:
        found = session.identities()
        return done(annotator, session.acts.split(annotator, body.key, found, body.identity, body.images))

    @routes.post("/api/identities/confirm")
    def confirm(annotator: VerifiedAnnotator, body: models.Confirm) -> Json:
        found = session.identities()
        parts = body.same, body.different
        return done(
            annotator,
            session.acts.confirm(annotator, body.key, found, body.identity, *parts, body.seconds),
        )

    @routes.post("/api/identities/name")
    def name(annotator: VerifiedAnnotator, body: models.Name) -> Json:
        taken = pages.named(body.name, but=body.identity)
        if taken is not None:  # the page offers to merge the two
            return {"event": None, "taken": taken, "status": responses.status(annotator)}
        found, text = session.identities(), body.name.strip()
        return done(annotator, session.acts.name(annotator, body.key, found, body.identity, text))

    @routes.post("/api/identities/hide")
    def hide(annotator: VerifiedAnnotator, body: models.Hide) -> Json:
        found = session.identities()
        return done(annotator, session.acts.hide(annotator, body.key, found, body.identity, body.hidden))

    return routes
