"""Who calls: a reader is let in, a writer has also proved to be on our page."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, HTTPException, Request

from reid_al_agents.annotate.server.access import COOKIE, Access


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
"""Name of a person who may look."""

Writer: TypeAlias = Annotated[str, Depends(_writer)]
"""Name of a person who may change something."""
