"""The route that serves images."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from reid_al_agents.annotate.pictures import Pictures, Reduction
from reid_al_agents.annotate.server.dependencies import Annotator
from reid_al_agents.annotate.server.responses import Responses
from reid_al_env import InputError

_UNCHANGING = {"Cache-Control": "private, max-age=31536000, immutable"}


def image_routes(pictures: Pictures, responses: Responses) -> APIRouter:
    """Make the route."""
    routes = APIRouter()

    @routes.get("/api/images/{image}")
    def image(annotator: Annotator, image: int, size: Reduction | None = None) -> Response:
        responses.described.check_images([image])
        try:
            content, media_type = pictures.encoded(image, size)
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        return Response(content, media_type=media_type, headers=_UNCHANGING)

    return routes
