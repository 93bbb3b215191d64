"""The routes of the annotation page."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from reid_al_agents.annotate.messages import Conflict, Json, Unknown
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.server import bodies
from reid_al_agents.annotate.server.access import COOKIE, Access, Allowance, check_name
from reid_al_agents.annotate.server.callers import Reader, Writer
from reid_al_agents.annotate.server.guard import Guard
from reid_al_agents.annotate.server.review import add_review, check_images
from reid_al_agents.annotate.server.views import Views
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.workspace.export import EXPORTS
from reid_al_env import InputError

PAGE = Path(__file__).parent / "page"
DEFAULT_NAME = "me"
_THREADS = 6
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def create_app(
    session: AnnotationSession,
    refreshing: Refreshes,
    pictures: Pictures,
    access: Access,
    *,
    data: str = "",
    allowance: Allowance | None = None,
) -> Any:
    """The page as an ASGI application.

    Args:
        session: What people work on.
        refreshing: Its refreshes; started when they are due.
        pictures: The images.
        access: Who may in.
        data: Name of the data, shown on the page.
        allowance: How many requests a client may make; ``None`` is the default.
    """
    app = FastAPI(
        title="reid-active-learning annotation",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=_few_threads,
    )
    views = Views(session, refreshing, pictures)
    _handle_errors(app)

    app.state.access = access

    def served(who: str, count: int, layout: str) -> Json:
        if layout == "row":
            with session.state.lock:
                rows = session.rows(who, -(-count // 5))
                waiting = None if rows else session.questions(who, 1).waiting
                return {"rows": [views.row(row) for row in rows], "questions": [], "waiting": waiting}
        with session.state.lock:
            found = session.questions(who, count)
            return {"questions": [views.question(each) for each in found.questions], "waiting": found.waiting}

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        token, name = request.query_params.get("token"), request.query_params.get("as")
        if access.needs_token:
            known = access.name_for_token(token) if token is not None else None
            if token is not None and known is None:
                raise HTTPException(401, "this token is not known (any more); ask for another")
            return _signed_in(access, known) if known is not None else FileResponse(PAGE / "index.html")
        if name is not None:
            return _signed_in(access, check_name(name))
        reply = FileResponse(PAGE / "index.html")
        if access.name_in_cookie(request.cookies.get(COOKIE)) is None:
            _set_cookie(access, reply, DEFAULT_NAME)
        return reply

    @app.get("/api/session")
    def who_am_i(who: Reader) -> Json:
        return {
            "annotator": who,
            "csrf": access.csrf(who),
            "run": session.state.run,
            "data": data,
            "languages": sorted(path.stem for path in (PAGE / "i18n").glob("*.json")),
            "layouts": ["pair", "row"],
            "version": app.version,
            "overlap": session.state.settings.overlap,
            "lease_seconds": session.state.settings.lease_seconds,
        }

    @app.get("/api/questions")
    def questions(
        who: Reader,
        count: Annotated[int, Query(ge=1, le=50)] = 6,
        layout: Literal["pair", "row"] = "pair",
    ) -> Json:
        refreshing.start_if_due()
        return {**served(who, count, layout), "withdrawn": [], "status": views.status(who)}

    @app.post("/api/answers")
    def answer(who: Writer, body: bodies.AnswerBody) -> Json:
        with session.state.lock:  # taken once: under load, every further time is a wait of its own
            done = session.answer(who, body.question, body.answer, body.key, body.seconds)
            gone = [each for each in body.have if each != body.question and not session.is_open(each, who)]
            more: Json = {"questions": [], "waiting": None}
            if body.want:
                more = served(who, body.want, body.layout)
                have = set(body.have) - set(gone)
                more["questions"] = [each for each in more["questions"] if each["id"] not in have]
            status = views.status(who)
        refreshing.start_if_due()
        return {
            "event": done.event.id,
            "counted": done.counted,
            "withdrawn": gone,
            **more,
            "status": status,
        }

    @app.post("/api/undo")
    def undo(who: Writer, body: bodies.KeyBody) -> Json:
        done = session.undo(who, body.key)
        return {
            "undone": {"kind": done.event.kind, "answer": done.event.answer},
            "question": None if done.question is None else views.question(done.question),
            "status": views.status(who),
        }

    @app.get("/api/status")
    def status(who: Reader) -> Json:
        return views.status(who)

    add_review(app, session, refreshing, views)

    @app.get("/api/images/{image}")
    def image(who: Reader, image: int) -> Response:
        check_images(session, [image])
        content, kind = pictures.encoded(image)
        return Response(content, media_type=kind, headers=_FOREVER)

    @app.get("/api/export/{what}")
    def export(who: Reader, what: str) -> Response:
        if what not in EXPORTS:
            raise Unknown(f"export {what[:40]!r}: expected one of {', '.join(EXPORTS)}")
        content, kind = session.export().make(what)
        attached = {"Content-Disposition": f'attachment; filename="{what}"'}
        return Response(content, media_type=kind, headers=attached)

    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return Guard(app, access, Allowance() if allowance is None else allowance)


@contextlib.asynccontextmanager
async def _few_threads(app: FastAPI) -> AsyncIterator[None]:
    """Let requests queue for threads, first come first served, rather than threads for the session's lock."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


def _signed_in(access: Access, name: str) -> Response:
    """Off to the page proper, so that no token stays in the address."""
    reply = RedirectResponse("/", status_code=303)
    _set_cookie(access, reply, name)
    return reply


def _set_cookie(access: Access, reply: Response, name: str) -> None:
    reply.set_cookie(
        COOKIE,
        access.cookie(name),
        max_age=30 * 86_400,
        httponly=True,
        samesite="strict",
        secure=access.secure,
    )


def _handle_errors(app: FastAPI) -> None:
    def reply(status: int, error: str) -> JSONResponse:
        return JSONResponse({"error": error}, status)

    @app.exception_handler(Unknown)
    def unknown(request: Request, error: Exception) -> JSONResponse:
        return reply(404, str(error))

    @app.exception_handler(Conflict)
    def conflict(request: Request, error: Exception) -> JSONResponse:
        return reply(409, str(error))

    @app.exception_handler(InputError)
    def bad(request: Request, error: Exception) -> JSONResponse:
        return reply(400, str(error))

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, error: StarletteHTTPException) -> JSONResponse:
        return reply(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> JSONResponse:
        return reply(
            500, "the server failed; what was sent may not be saved, so send it again"
        )  # it is logged

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return reply(422, f"{where}: {first['msg']}"[:300])


def _version() -> str:
    try:
        return version("reid-active-learning")
    except PackageNotFoundError:
        return "0"
