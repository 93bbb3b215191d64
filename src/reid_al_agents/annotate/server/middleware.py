"""Checks that every request passes before its route, and headers of every reply."""

from __future__ import annotations

from typing import TypeAlias

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.rate_limit import RateLimit

LARGEST_BODY = 64 * 1024
"""Largest body of a request, in bytes."""

UPLOADS = "/api/uploads/"
"""Beginning of the addresses that take parts of files instead of JSON."""

LARGEST_PART = 4 * 1024 * 1024
"""Largest part of a file, in bytes."""

LARGEST_QUERY = 4 * 1024
"""Longest query string, in bytes."""

SESSION_HEADER = "Reid-Session"
"""Header that identifies the session, so that a page notices when another session uses its port."""

SECURITY_HEADERS = {
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
_Refusal: TypeAlias = tuple[int, str]


def protect(app: ASGIApp, access: Access, limit: RateLimit) -> ASGIApp:
    """Wrap an application in the checks and headers of this module.

    Args:
        app: The application.
        access: Knows the allowed host names.
        limit: Rate limit of each client.
    """
    hosts = [f"[{name}]" if ":" in name else name for name in access.hosts]
    trusted = TrustedHostMiddleware(RequestChecks(app, limit), allowed_hosts=hosts, www_redirect=False)
    return ReplyHeaders(trusted, {**SECURITY_HEADERS, SESSION_HEADER: access.session_id})


class ReplyHeaders:
    """Adds headers to every reply, and forbids caching unless the reply sets ``Cache-Control``."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class RequestChecks:
    """Refuses requests beyond the rate limit, from other origins, or with bodies too large or not JSON.

    Args:
        app: The application behind the checks.
        limit: Rate limit of each client.
    """

    def __init__(self, app: ASGIApp, limit: RateLimit) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        peer = (scope.get("client") or ("unknown", 0))[0]
        refusal = None if self._limit.take(peer) else (429, "too many requests; wait a second")
        refusal = refusal or _refusal(scope)
        body = None if refusal else await _read(receive, _largest(scope))
        if refusal is None and body is None:
            refusal = 413, f"the request is larger than {_largest(scope)} bytes; send less at once"
        if refusal is not None:
            await JSONResponse({"error": refusal[1]}, refusal[0])(scope, receive, send)
            return
        message: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def replay() -> Message:
            nonlocal message
            if message is None:
                return await receive()  # only the disconnect can follow
            first, message = message, None
            return first

        await self._app(scope, replay, send)


def _refusal(scope: Scope) -> _Refusal | None:
    headers = Headers(scope=scope)
    if len(scope.get("query_string", b"")) > LARGEST_QUERY:
        return 413, "the address is too long"
    if scope["method"] not in _CHANGING:
        return None
    if not _is_same_origin(headers.get("origin"), headers.get("host", "")):
        return 403, "the request does not come from this page; use the page that the command printed"
    length = headers.get("content-length")
    if length is not None and (not length.isdecimal() or int(length[:20]) > _largest(scope)):
        return 413, f"the request is larger than {_largest(scope)} bytes; send less at once"
    expected = "application/octet-stream" if _takes_part(scope) else "application/json"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != expected:
        return 415, f"expected Content-Type: {expected}"
    return None


def _takes_part(scope: Scope) -> bool:
    return bool(scope["method"] == "PUT" and scope["path"].startswith(UPLOADS))


def _largest(scope: Scope) -> int:
    return LARGEST_PART if _takes_part(scope) else LARGEST_BODY


def _is_same_origin(origin: str | None, host: str) -> bool:
    """Whether the Origin header names the host of the request; False without the header."""
    scheme, _, rest = (origin or "").partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


async def _read(receive: Receive, largest: int) -> bytes | None:
    """The whole body, joined from its parts; ``None`` if it is too large or the client disconnected."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > largest:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)
