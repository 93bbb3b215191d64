"""Routes of the progress page: figures, refreshes and exports."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from reid_al_agents.annotate.messages import Json, Unknown
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.page_responses import PageResponses
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.workspace.export import EXPORTS


def progress_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses, pages: PageResponses
) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    @routes.get("/api/progress")
    def progress(annotator: Annotator) -> Json:
        return pages.progress()

    @routes.post("/api/refresh")
    def refresh(annotator: VerifiedAnnotator, body: models.Once) -> Json:
        refreshing.start()
        return {"refresh": refreshing.state, "status": responses.status(annotator)}

    @routes.get("/api/export/{file}")
    def export(annotator: Annotator, file: str) -> Response:
        if file not in EXPORTS:
            raise Unknown(f"export {file[:40]!r}: expected one of {', '.join(EXPORTS)}")
        content, media_type = session.export().make(file)
        attached = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(content, media_type=media_type, headers=attached)

    return routes
