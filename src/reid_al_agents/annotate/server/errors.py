"""Every failure as JSON: one line under ``error``, and under ``said`` what translates it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from reid_al_agents.annotate.messages import Conflict, Unknown, as_json
from reid_al_env import InputError
from reid_al_env.messages import Message, message_of

_STATUS = {Unknown: 404, Conflict: 409, InputError: 503}
"""What a route lets through as :class:`InputError` is the store's or the disk's; the page sends it again."""

_LONGEST = 300


def handle_errors(app: FastAPI) -> None:
    """Add the handlers to an application."""
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _reply_with(status))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)


def _reply_with(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def handle(request: Request, error: Exception) -> JSONResponse:
        return _reply(status, message_of(error))

    return handle


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail: str = error.detail
    return _reply(error.status_code, detail if isinstance(detail, Message) else Message(str(detail)))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return _reply(422, Message(f"{where}: {first['msg']}"[:_LONGEST]))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _reply(500, Message("the server failed; what was sent may not be saved, so send it again"))


def _reply(status: int, error: Message) -> JSONResponse:
    return JSONResponse(as_json(error, "error"), status)
