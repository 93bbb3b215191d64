"""What every request passes before anything looks at it, and what every reply carries."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_al_agents.server.access import Access, Allowance

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


class TooLarge(Exception):  # noqa: N818 -- it is an answer, not a fault
    """The body is longer than is allowed."""


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
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _reply(send, *refusal)
            return
        taken, started = 0, False

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                raise TooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, limited, with_headers)
        except TooLarge:
            if started:
                raise
            await _reply(send, 413, f"the request is larger than {LARGEST_BODY} bytes; send less at once")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
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
