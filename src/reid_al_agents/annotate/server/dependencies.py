"""The annotator behind a request, as FastAPI's dependencies.

They are coroutines because FastAPI would give each plain function a thread of its own.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, HTTPException, Request

from reid_al_agents.annotate.server.access import Access


async def _annotator(request: Request) -> str:
    access: Access = request.app.state.access
    name = access.annotator(request.cookies.get(access.cookie_name))
    if name is None:
        raise HTTPException(401, "not signed in; open the link that you were given")
    return name


async def _verified_annotator(request: Request, annotator: Annotated[str, Depends(_annotator)]) -> str:
    access: Access = request.app.state.access
    if not access.is_csrf(annotator, request.headers.get("x-csrf-token", "")):
        raise HTTPException(403, "the page is out of date (CSRF token); load it again")
    return annotator


def _check_may_add(request: Request, annotator: str) -> str:
    access: Access = request.app.state.access
    if not access.may_add(annotator):
        raise HTTPException(403, "only the first of --annotators may add to the session")
    return annotator


async def _reader(request: Request, annotator: Annotated[str, Depends(_annotator)]) -> str:
    return _check_may_add(request, annotator)


async def _adder(request: Request, annotator: Annotated[str, Depends(_verified_annotator)]) -> str:
    return _check_may_add(request, annotator)


Annotator: TypeAlias = Annotated[str, Depends(_annotator)]
"""Name of the signed-in annotator; enough to read."""

VerifiedAnnotator: TypeAlias = Annotated[str, Depends(_verified_annotator)]
"""Name of the annotator whose request carries the page's CSRF token; needed to change something."""

Adder: TypeAlias = Annotated[str, Depends(_adder)]
"""Name of the annotator, likewise, who may also import files and add images."""

Reader: TypeAlias = Annotated[str, Depends(_reader)]
"""Name of the annotator who may add images; enough to see those that are not in the pool yet."""
