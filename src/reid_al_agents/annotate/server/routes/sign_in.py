"""Routes that sign annotators in and describe the session to the page."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response

from reid_al_agents.annotate.messages import Conflict, Json
from reid_al_agents.annotate.server import request_models as models
from reid_al_agents.annotate.server.access import Access, check_name
from reid_al_agents.annotate.server.dependencies import Annotator, VerifiedAnnotator
from reid_al_agents.annotate.server.responses import Responses
from reid_al_env import InputError
from reid_al_env.messages import Message, message_of

_COOKIE_SECONDS = 30 * 86_400


def sign_in_routes(access: Access, responses: Responses, data: str, page: Path) -> APIRouter:
    """Make the routes.

    Args:
        access: The access rules.
        responses: Makes the replies.
        data: Name of the data set, shown on the page.
        page: Folder of the page's files.
    """
    routes = APIRouter()
    languages = sorted(path.stem for path in (page / "i18n").glob("*.json"))

    def described(annotator: str) -> Json:
        return {
            "session": access.session_id,
            "annotator": annotator,
            "needs_token": access.needs_token,
            "csrf": access.csrf(annotator),
            "admin": access.is_admin(annotator),
            "may_add": access.may_add(annotator),
            "data": data,
            "languages": languages,
            "layouts": ["pair", "row"],
            "version": _version(),
            **responses.session(),
        }

    @routes.get("/api/session")
    def session(annotator: Annotator) -> Json:
        return described(annotator)

    @routes.post("/api/sign-in")
    def sign_in(body: models.SignIn, response: Response) -> Json:
        name = _name(access, body)
        response.set_cookie(
            access.cookie_name,
            access.cookie(name),
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=access.secure,
        )
        return described(name)

    @routes.get("/api/annotators")
    def annotators(annotator: Annotator) -> Json:
        _check_admin(access, annotator)
        return {"names": access.annotators}

    @routes.post("/api/annotators/revoke")
    def revoke(annotator: VerifiedAnnotator, body: models.Revoke) -> Json:
        _check_admin(access, annotator)
        if body.name == annotator:
            raise Conflict("revoke: this is your own token; another start without your name revokes it")
        if not access.revoke(body.name):
            raise Conflict(Message("revoke: {name} has no token; load the page again", name=body.name))
        return {"names": access.annotators}

    return routes


def _check_admin(access: Access, annotator: str) -> None:
    if not access.is_admin(annotator):
        raise HTTPException(403, "only the first of --annotators may do this")


def _name(access: Access, body: models.SignIn) -> str:
    if not access.needs_token:
        try:
            return check_name(body.name or "")
        except InputError as error:
            raise HTTPException(400, message_of(error)) from None
    name = access.name_for_token(body.token or "")
    if name is None:
        raise HTTPException(401, "this token is not known; ask for another link")
    return name


@cache
def _version() -> str:
    try:
        return version("reid-active-learning")
    except PackageNotFoundError:
        return "0"
