"""Connections that send or read too slowly are closed, so that idle sockets cannot use the server up."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 15.0
"""Until a request must have arrived whole, from the opening of the connection or from its first byte."""

REPLY_SECONDS = 30.0
"""Until a peer must have read what was sent to it."""


class DeadlineProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines for whole requests and for reading replies.

    uvicorn itself limits only the pause between two requests of a connection.
    """

    request_seconds = REQUEST_SECONDS
    reply_seconds = REPLY_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._request_deadline: asyncio.TimerHandle | None = None
        self._reply_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Start the deadline at a request's first byte and end it with the last."""
        self._await_request()
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._end_request_deadline()

    def pause_writing(self) -> None:
        """Start waiting for the peer to read."""
        super().pause_writing()
        if self._reply_deadline is None:
            self._reply_deadline = self.loop.call_later(self.reply_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The peer has read."""
        super().resume_writing()
        self._end_reply_deadline()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its peer never reads the rest of the last reply."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.reply_seconds, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        super().connection_lost(exc)
        self._end_request_deadline()
        self._end_reply_deadline()

    def _await_request(self) -> None:
        if self._request_deadline is None:
            self._request_deadline = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _end_request_deadline(self) -> None:
        if self._request_deadline is not None:
            self._request_deadline.cancel()
            self._request_deadline = None

    def _end_reply_deadline(self) -> None:
        if self._reply_deadline is not None:
            self._reply_deadline.cancel()
            self._reply_deadline = None
