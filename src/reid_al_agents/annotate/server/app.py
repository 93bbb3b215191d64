"""The annotation page as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from reid_al_agents.annotate.additions import Additions
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.addition_responses import AdditionResponses
from reid_al_agents.annotate.server.dependencies import Annotator
from reid_al_agents.annotate.server.errors import handle_errors
from reid_al_agents.annotate.server.middleware import protect
from reid_al_agents.annotate.server.page_responses import PageResponses
from reid_al_agents.annotate.server.rate_limit import RateLimit
from reid_al_agents.annotate.server.responses import Responses
from reid_al_agents.annotate.server.routes.adding import addition_routes, import_routes, upload_routes
from reid_al_agents.annotate.server.routes.answering import answering_routes
from reid_al_agents.annotate.server.routes.editing import (
    contradiction_routes,
    history_routes,
    identity_routes,
)
from reid_al_agents.annotate.server.routes.images import image_routes
from reid_al_agents.annotate.server.routes.progress import progress_routes
from reid_al_agents.annotate.server.routes.sign_in import sign_in_routes
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.uploads import Uploads

PAGE = Path(__file__).parent / "page"
_THREADS = 6


def create_app(
    session: AnnotationSession,
    refreshing: Refreshes,
    pictures: Pictures,
    access: Access,
    *,
    data: str = "",
    limit: RateLimit | None = None,
) -> ASGIApp:
    """Make the application.

    Args:
        session: The session.
        refreshing: Its refreshes; started when they are due.
        pictures: The images.
        access: The access rules.
        data: Name of the data set, shown on the page.
        limit: Rate limit of each client; ``None`` for the default.
    """
    app = FastAPI(
        title="reid-active-learning annotation",
        openapi_url=None,  # served below, to annotators only
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.access = access
    handle_errors(app)
    responses = Responses(session, refreshing, pictures, access.session_id)
    app.include_router(sign_in_routes(access, responses, data, PAGE))
    app.include_router(answering_routes(session, refreshing, responses))
    pages = PageResponses(session, refreshing, pictures, responses.described)
    for routes in (contradiction_routes, identity_routes, history_routes):
        app.include_router(routes(session, refreshing, responses, pages))
    app.include_router(progress_routes(session, refreshing, responses, pages))
    uploads = Uploads(refreshing.folder.path / "uploads")
    additions = app.state.additions = Additions(session, refreshing, pictures)
    proposed = AdditionResponses(additions, responses.described)
    app.include_router(addition_routes(additions, proposed, responses, uploads))
    app.include_router(upload_routes(uploads))
    app.include_router(import_routes(session, refreshing, responses, uploads))
    app.include_router(image_routes(session, pictures, responses))

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(annotator: Annotator) -> dict[str, Any]:
        return app.openapi()

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return protect(app, access, RateLimit() if limit is None else limit)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Let requests queue for few threads, first come first served, not threads for the session's lock."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield
    app.state.additions.close()
