"""Routes of the progress page: figures, refreshes and exports."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from reid_al_agents.annotate.messages import Conflict, Json, Unknown
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.page_responses import PageResponses
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.workspace.archives import ARCHIVES, write_archive
from reid_al_agents.workspace.export import EXPORTS, Export
from reid_al_env import InputError
from reid_al_env.messages import Message, message_of


def progress_routes(
    session: AnnotationSession,
    refreshing: Refreshes,
    responses: Responses,
    pages: PageResponses,
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

    @routes.post("/api/refresh/pause")
    def pause(annotator: VerifiedAnnotator, body: models.Pause) -> Json:
        refreshing.pause(body.paused)
        return {"refresh": refreshing.state, "status": responses.status(annotator)}

    @routes.get("/api/export/{file}")
    def export(annotator: Annotator, file: str, confirmed: bool = False) -> Response:
        if file not in EXPORTS and file not in ARCHIVES:
            raise Unknown(
                Message(
                    "export {file!r}: expected one of {files}",
                    file=file[:40],
                    files=", ".join((*EXPORTS, *ARCHIVES)),
                )
            )
        made = session.export()
        made = made.confirmed_only() if confirmed else made
        if file in ARCHIVES:
            return _archive(file, made)
        content, media_type = made.make(file)
        attached = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(content, media_type=media_type, headers=attached)

    def _archive(file: str, made: Export) -> Response:
        """An archive is written to disk, as it may be larger than the memory, and deleted once it is sent."""
        place = tempfile.TemporaryDirectory(prefix="reid-al-")
        target = Path(place.name) / file
        try:
            write_archive(file, target, responses.described.known, made, session.state.settings.noun)
        except InputError as error:
            place.cleanup()
            raise Conflict(message_of(error)) from None
        sent = BackgroundTask(place.cleanup)
        return FileResponse(target, media_type="application/zip", filename=file, background=sent)

    return routes
