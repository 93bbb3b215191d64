"""The routes that serve images, and correct what is known of them."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.pictures import Pictures, Reduction
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_env import InputError

_UNCHANGING = {"Cache-Control": "private, max-age=31536000, immutable"}


def image_routes(session: AnnotationSession, pictures: Pictures, responses: Responses) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    @routes.post("/api/images/describe")
    def describe(annotator: VerifiedAnnotator, body: models.Describe) -> Json:
        responses.described.check_images(body.images)
        done = session.acts.describe(annotator, body.key, body.images, body.side, body.time)
        return {
            "event": done.event.id,
            "images": [responses.described.image(image) for image in body.images],
            "withdrawn": [each for each in body.have if not session.is_open(each, annotator)],
            "pool": responses.described.pool(),
            "status": responses.status(annotator),
        }

    @routes.get("/api/images/{image}")
    def image(annotator: Annotator, image: int, size: Reduction | None = None) -> Response:
        responses.described.check_images([image])
        return picture_reply(pictures, image, size)

    return routes


def picture_reply(pictures: Pictures, image: int, size: Reduction | None) -> Response:
    """The reply that shows an image."""
    if not 0 <= image < len(pictures):
        raise HTTPException(404, f"image: expected a number from 0 to {len(pictures) - 1}")
    try:
        content, media_type = pictures.encoded(image, size)
    except InputError as error:
        raise HTTPException(404, str(error)) from None
    return Response(content, media_type=media_type, headers=_UNCHANGING)
