"""Routes of the page on which annotators answer."""

from __future__ import annotations

from fastapi import APIRouter

from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession


def answering_routes(session: AnnotationSession, refreshing: Refreshes, responses: Responses) -> APIRouter:
    """Make the routes.

    Args:
        session: Takes the answers.
        refreshing: Started when a refresh is due.
        responses: Makes the replies.
    """
    routes = APIRouter()

    def given(annotator: str, count: int, layout: models.Layout) -> Json:
        found = responses.questions(annotator, count, layout)
        return {**found, "withdrawn": [], "status": responses.status(annotator)}

    @routes.post("/api/questions")
    def questions(annotator: VerifiedAnnotator, body: models.QuestionsWanted) -> Json:
        refreshing.start_if_due()
        return given(annotator, body.count, body.layout)

    @routes.post("/api/skip")
    def skip(annotator: VerifiedAnnotator, body: models.Skip) -> Json:
        session.skip(annotator, body.questions)
        return given(annotator, body.count, body.layout)

    @routes.post("/api/answers")
    def answer(annotator: VerifiedAnnotator, body: models.Answer) -> Json:
        with responses.lock:  # held for the whole reply: under load, every further acquisition would wait
            done = session.answer(annotator, body.question, body.answer, body.key, body.seconds, wait=False)
            others = [each for each in body.have if each != body.question]
            withdrawn = [each for each in others if not session.is_open(each, annotator)]
            more: Json = {"questions": [], "waiting": None}
            if body.want:
                more = responses.questions(annotator, body.want, body.layout)
                held = set(others) - set(withdrawn)
                more["questions"] = [each for each in more["questions"] if each["id"] not in held]
            status = responses.status(annotator)
        session.save()  # outside the lock: others go on meanwhile, and one sync serves all
        refreshing.start_if_due()
        return {
            "event": done.event.id,
            "counted": done.counted,
            "withdrawn": withdrawn,
            **more,
            "status": status,
        }

    @routes.post("/api/undo")
    def undo(annotator: VerifiedAnnotator, body: models.Undo) -> Json:
        done = session.history.undo(annotator, body.key, body.back_to)
        many = done.event.question_kind == "screen"
        return {
            "undone": {
                "kind": "confirm" if many else done.event.kind,
                "answer": None if many else done.event.answer,
                "count": done.count,
            },
            "question": None if done.question is None else responses.question(done.question),
            "status": responses.status(annotator),
        }

    @routes.get("/api/status")
    def status(annotator: Annotator) -> Json:
        return responses.status(annotator)

    return routes
