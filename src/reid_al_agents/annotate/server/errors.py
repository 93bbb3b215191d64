"""Every failure as one line of JSON: ``{"error": ...}``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from reid_al_agents.annotate.messages import Conflict, Unknown
from reid_al_env import InputError

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
        return _reply(status, str(error))

    return handle


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _reply(error.status_code, str(error.detail))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return _reply(422, f"{where}: {first['msg']}"[:_LONGEST])


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _reply(500, "the server failed; what was sent may not be saved, so send it again")


def _reply(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)
