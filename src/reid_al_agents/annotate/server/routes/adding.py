"""Routes by which files come into a session: uploads, imports of answers and identities, and images."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import Response

from reid_al_agents.annotate.additions import Additions
from reid_al_agents.annotate.imports import read_upload, take_in_by
from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.pictures import Reduction
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.addition_responses import AdditionResponses
from reid_al_agents.annotate.server.dependencies import Adder, Reader
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.server.routes.images import picture_reply
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.uploads import Uploads

UploadId = Annotated[str, Path(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
FileName = Annotated[str, Query(min_length=1, max_length=1000)]
Offset = Annotated[int, Query(ge=0, lt=2**40)]
Part = Annotated[bytes, Body(media_type="application/octet-stream")]


def upload_routes(uploads: Uploads) -> APIRouter:
    """Make the routes that take files, part by part."""
    routes = APIRouter()

    @routes.put("/api/uploads/{upload}")
    def write(annotator: Adder, upload: UploadId, name: FileName, content: Part, offset: Offset = 0) -> Json:
        return {"size": uploads.write(upload, annotator, name, offset, content)}

    @routes.delete("/api/uploads/{upload}")
    def discard(annotator: Adder, upload: UploadId) -> Json:
        uploads.discard(upload, annotator)
        return {}

    return routes


def import_routes(
    session: AnnotationSession, refreshing: Refreshes, responses: Responses, uploads: Uploads
) -> APIRouter:
    """Make the routes that say what an uploaded file holds, and take it in."""
    routes = APIRouter()
    taken: dict[str, Json] = {}  # by key: a request whose reply was lost is sent again

    @routes.post("/api/imports/check")
    def check(annotator: Adder, body: models.Import) -> Json:
        return read_upload(session, uploads.files(body.upload, annotator)).summary

    @routes.post("/api/imports")
    def take_in(annotator: Adder, body: models.Import) -> Json:
        if body.key not in taken:
            found = read_upload(session, uploads.files(body.upload, annotator))
            count = take_in_by(session, annotator, body.key, found)
            taken[body.key] = {**found.summary, "new": count}
            uploads.discard(body.upload, annotator)
            refreshing.start_if_due()
        return {**taken[body.key], "status": responses.status(annotator)}

    return routes


def addition_routes(
    additions: Additions, described: AdditionResponses, responses: Responses, uploads: Uploads
) -> APIRouter:
    """Make the routes that say what is proposed for new images, and let them join the session."""
    routes = APIRouter()

    @routes.get("/api/additions")
    def now(annotator: Reader) -> Json:
        return described.now()

    @routes.post("/api/additions")
    def begin(annotator: Adder, body: models.Import) -> Json:
        additions.begin(uploads.folder(body.upload, annotator))
        uploads.discard(body.upload, annotator)
        return described.now()

    @routes.post("/api/additions/accept")
    def accept(annotator: Adder, body: models.Once) -> Json:
        additions.accept(annotator)
        return {**described.now(), "status": responses.status(annotator)}

    @routes.post("/api/additions/discard")
    def discard(annotator: Adder, body: models.Once) -> Json:
        additions.discard()
        return described.now()

    @routes.get("/api/additions/images/{image}")
    def image(annotator: Reader, image: int, size: Reduction | None = None) -> Response:
        return picture_reply(additions.shown(), image, size)

    return routes
