"""Routes of the pages on which people look at what they have done: contradictions, progress, identities."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI, Query

from reid_al_agents.annotate.messages import Conflict, Json, Unknown
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import bodies
from reid_al_agents.annotate.server.callers import Reader, Writer
from reid_al_agents.annotate.server.views import Views
from reid_al_agents.annotate.session import AnnotationSession


def add_review(app: FastAPI, session: AnnotationSession, refreshing: Refreshes, views: Views) -> None:
    """Add the routes to ``app``."""

    def changed(who: str, event: int) -> Json:
        refreshing.start_if_due()
        return {"event": event, "status": views.status(who)}

    @app.get("/api/contradictions")
    def contradictions(who: Reader) -> Json:
        return views.contradictions()

    @app.post("/api/contradictions/settle")
    def settle(who: Writer, body: bodies.SettleBody) -> Json:
        check_images(session, [body.query, body.candidate])
        if body.query == body.candidate:
            raise Unknown("an image cannot be compared with itself")
        done = session.settle(who, body.key, body.query, body.candidate, body.answer)
        return changed(who, done.event.id)

    @app.post("/api/retract")
    def retract(who: Writer, body: bodies.RetractBody) -> Json:
        return changed(who, session.retract(who, body.key, body.event).id)

    @app.get("/api/progress")
    def progress(who: Reader) -> Json:
        return views.progress()

    @app.post("/api/refresh")
    def refresh(who: Writer, body: bodies.KeyBody) -> Json:
        refreshing.start()
        return {"refresh": refreshing.state, "status": views.status(who)}

    @app.get("/api/identities")
    def identities(
        who: Reader,
        offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 60,
        sort: Literal["size", "recent", "name"] = "size",
    ) -> Json:
        return views.identities(offset, limit, sort)

    @app.get("/api/identities/{identity}")
    def identity(who: Reader, identity: str) -> Json:
        return views.identity(identity)

    @app.post("/api/identities/merge")
    def merge(who: Writer, body: bodies.MergeBody) -> Json:
        sheet = session.identities()
        first, second = (sheet.images(_current(session, each)) for each in (body.a, body.b))
        if first == second:
            raise Conflict("merge: this is one identity already")
        payload = {"a": first[0], "b": second[0], "images": [*first[1:], *second[1:]]}
        return changed(who, session.edit("merge", who, body.key, payload).event.id)

    @app.post("/api/identities/split")
    def split(who: Writer, body: bodies.SplitBody) -> Json:
        sheet = session.identities()
        members = sheet.images(_current(session, body.identity))
        chosen = sorted(set(body.images))
        rest = [image for image in members if image not in set(chosen)]
        if set(chosen) - set(members):
            raise Conflict(
                "split: some of the images are not of this identity (any more); load the page again"
            )
        if not rest:
            raise Conflict("split: all its images are chosen; leave out those that stay")
        payload = {"images": chosen, "rest": rest[0], "kept": rest[1:]}
        return changed(who, session.edit("split", who, body.key, payload).event.id)

    @app.post("/api/identities/name")
    def name(who: Writer, body: bodies.NameBody) -> Json:
        payload = {"image": _typical(session, body.identity), "name": body.name.strip()}
        return changed(who, session.edit("name", who, body.key, payload).event.id)


def check_images(session: AnnotationSession, images: list[int]) -> None:
    """Raise :class:`Unknown` unless the pool has all the images."""
    if not all(0 <= image < len(session.state.features) for image in images):
        raise Unknown("there is no such image")


def _current(session: AnnotationSession, identity: str) -> int:
    """The group of that name; a name that is out of date is a conflict, not a mistake."""
    try:
        return session.identities().find(identity)
    except Unknown as error:
        raise Conflict(str(error)) from None


def _typical(session: AnnotationSession, identity: str) -> int:
    return session.identities().images(_current(session, identity), 1)[0]
