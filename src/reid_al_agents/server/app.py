"""The routes of the annotation page."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from reid_al_agents.live.pictures import Pictures
from reid_al_agents.live.records import Conflict, Json, Unknown
from reid_al_agents.live.refreshing import Refreshing
from reid_al_agents.live.session import LiveSession
from reid_al_agents.server import bodies
from reid_al_agents.server.access import COOKIE, Access, Allowance, check_name
from reid_al_agents.live.exports import EXPORTS, Exports
from reid_al_agents.server.guard import Guard
from reid_al_agents.server.views import Views
from reid_al_env import InputError

PAGE = Path(__file__).parent / "page"
DEFAULT_NAME = "me"
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def _annotator(request: Request) -> str:
    access: Access = request.app.state.access
    name = access.name_in_cookie(request.cookies.get(COOKIE))
    if name is None:
        raise HTTPException(401, "who are you? open the address that the command printed")
    return name


def _writer(request: Request, who: Annotated[str, Depends(_annotator)]) -> str:
    access: Access = request.app.state.access
    if not access.is_csrf(who, request.headers.get("x-csrf-token", "")):
        raise HTTPException(403, "the page is out of date (CSRF token); load it again")
    return who


Reader: TypeAlias = Annotated[str, Depends(_annotator)]
Writer: TypeAlias = Annotated[str, Depends(_writer)]


def create_app(
    session: LiveSession,
    refreshing: Refreshing,
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
    app = FastAPI(title="reid-active-learning annotation", version=_version(), docs_url=None, redoc_url=None)
    views = Views(session, refreshing, pictures)
    exports = Exports(session)
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

    def changed(who: str, event: int) -> Json:
        refreshing.start_if_due()
        return {"event": event, "status": views.status(who)}

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
        done = session.answer(who, body.question, body.answer, body.key, body.seconds)
        refreshing.start_if_due()
        gone = [each for each in body.have if each != body.question and not session.is_open(each, who)]
        more: Json = {"questions": [], "waiting": None}
        if body.want:
            more = served(who, body.want, body.layout)
            have = set(body.have) - set(gone)
            more["questions"] = [each for each in more["questions"] if each["id"] not in have]
        return {
            "event": done.event.id,
            "counted": done.counted,
            "withdrawn": gone,
            **more,
            "status": views.status(who),
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

    @app.get("/api/contradictions")
    def contradictions(who: Reader) -> Json:
        return views.contradictions()

    @app.post("/api/contradictions/settle")
    def settle(who: Writer, body: bodies.SettleBody) -> Json:
        _check_images(session, [body.query, body.candidate])
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
        payload = {"images": chosen, "rest": rest[0]}
        return changed(who, session.edit("split", who, body.key, payload).event.id)

    @app.post("/api/identities/name")
    def name(who: Writer, body: bodies.NameBody) -> Json:
        payload = {"image": _typical(session, body.identity), "name": body.name.strip()}
        return changed(who, session.edit("name", who, body.key, payload).event.id)

    @app.get("/api/images/{image}")
    def image(who: Reader, image: int) -> Response:
        _check_images(session, [image])
        content, kind = pictures.encoded(image)
        return Response(content, media_type=kind, headers=_FOREVER)

    @app.get("/api/export/{what}")
    def export(who: Reader, what: str) -> Response:
        if what not in EXPORTS:
            raise Unknown(f"export {what[:40]!r}: expected one of {', '.join(EXPORTS)}")
        content, kind = exports.make(what)
        attached = {"Content-Disposition": f'attachment; filename="{what}"'}
        return Response(content, media_type=kind, headers=attached)

    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    return Guard(app, access, Allowance() if allowance is None else allowance)


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


def _check_images(session: LiveSession, images: list[int]) -> None:
    if not all(0 <= image < len(session.state.features) for image in images):
        raise Unknown("there is no such image")


def _current(session: LiveSession, identity: str) -> int:
    """The group of that name; a name that is out of date is a conflict, not a mistake."""
    try:
        return session.identities().find(identity)
    except Unknown as error:
        raise Conflict(str(error)) from None


def _typical(session: LiveSession, identity: str) -> int:
    return session.identities().images(_current(session, identity), 1)[0]


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
