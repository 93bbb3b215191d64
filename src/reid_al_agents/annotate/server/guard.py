"""What every request passes before anything looks at it, and what every reply carries."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_al_agents.annotate.server.access import Access, Allowance

LARGEST_BODY = 64 * 1024
"""Bytes of a request's body."""

LARGEST_QUERY = 4 * 1024

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


class Guard:
    """Refuses foreign hosts and origins, bodies that are too large, and too many requests.

    Args:
        app: What comes after.
        access: Who may in.
        allowance: How many requests a client may make; ``None`` counts nothing.
    """

    def __init__(self, app: ASGIApp, access: Access, allowance: Allowance | None = None) -> None:
        self._app, self._access, self._allowance = app, access, allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _reply(send, *refusal)
            return
        body = await _read(receive)
        if body is None:
            await _reply(send, 413, f"the request is larger than {LARGEST_BODY} bytes; send less at once")
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()  # what is left is that the client goes away
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, replay, with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:  # noqa: PLR0911 -- one for each reason
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        client = (scope.get("client") or ("unknown", 0))[0]
        cookie = headers.get("cookie", "")[:200]
        if not self._access.allows_host(host):
            return 403, f"host {host[:80]!r} is not ours; open the address that the command printed"
        if self._allowance is not None and not self._allowance.take(f"{client} {cookie}"):
            return 429, "too many requests; wait a second"
        if len(scope.get("query_string", b"")) > LARGEST_QUERY:
            return 413, "the address is too long"
        if scope["method"] in _CHANGING:
            if not self._access.allows_origin(headers.get("origin"), host):
                return 403, "the request does not come from this page; use the page that the command printed"
            length = headers.get("content-length")
            if length is not None and (not length.isdecimal() or int(length) > LARGEST_BODY):
                return 413, f"the request is larger than {LARGEST_BODY} bytes; send less at once"
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return 415, "expected Content-Type: application/json"
        return None


async def _read(receive: Receive) -> bytes | None:
    """The whole body, however it is cut; ``None`` if it is too large or the client has gone."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if sum(map(len, parts)) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


async def _reply(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers: list[tuple[bytes, bytes]] = [
        (name.lower().encode(), value.encode())
        for name, value in {
            **HEADERS,
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
        }.items()
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
