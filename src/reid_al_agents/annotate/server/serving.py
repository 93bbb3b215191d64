"""Addresses, tokens, and the web server itself."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reid_al_agents.annotate.begin import OpenSession
from reid_al_agents.annotate.server.access import LOOPBACK, Access, check_name, load_secret
from reid_al_agents.files import atomic_write
from reid_al_env import InputError

_TOKENS = "tokens.json"
_SWITCH_SECONDS = 0.001  # planning in the background holds Python's lock; requests wait for it no longer


def make_access(
    folder: Path,
    host: str,
    annotators: tuple[str, ...],
    hosts: tuple[str, ...],
    secure: bool = False,
) -> tuple[Access, dict[str, str] | None]:
    """Set up access: open to this machine only, or by token for named annotators.

    Args:
        folder: Where the secret and the tokens are kept.
        host: Address to listen on.
        annotators: Annotators that need a token; tokens made earlier are kept. The first is the admin.
        hosts: Host names under which the page is reached.
        secure: Whether a proxy serves the page over HTTPS.

    Returns:
        The access rules, and the token of each annotator (``None`` if no token is needed).

    Raises:
        InputError: ``host`` admits other machines but no annotators are named, or a name is invalid.
    """
    if host not in LOOPBACK and not annotators:
        raise InputError(
            f"--host: {host} lets other machines in; give each annotator a token with --annotators anna,ben"
        )
    tokens = _tokens(folder, tuple(check_name(name) for name in annotators)) if annotators else None
    names = hosts if host in ("0.0.0.0", "::") else (*hosts, host)

    def keep(left: Mapping[str, str]) -> None:
        _write_tokens(folder / _TOKENS, left)

    admin = annotators[0] if annotators else None
    return Access(load_secret(folder), tokens, names, secure, admin, keep), tokens


def addresses(host: str, port: int, tokens: dict[str, str] | None, hosts: tuple[str, ...]) -> dict[str, str]:
    """Address of the page for each annotator; under the key ``""`` if no token is needed."""
    shown = (hosts or (host,))[0]
    shown = f"[{shown}]" if ":" in shown else shown
    base = f"http://{shown}:{port}/"
    return {"": base} if tokens is None else {name: f"{base}?token={token}" for name, token in tokens.items()}


def free_port(host: str, port: int) -> int:
    """Return ``port`` if it is free; for 0, any free port.

    Raises:
        InputError: The port is taken, or ``host`` is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"--port: {host}:{port} cannot be used ({error.strerror}); choose another"
            ) from error
        return int(probe.getsockname()[1])


def serve(
    opened: OpenSession, access: Access, host: str, port: int, data: str, ready: Callable[[], None]
) -> None:
    """Serve the page until interrupted.

    Args:
        opened: The session.
        access: The access rules.
        host: Address to listen on.
        port: Port to listen on.
        data: Name of the data.
        ready: Called once pages can be loaded.
    """
    import uvicorn

    from reid_al_agents.annotate.server.app import create_app
    from reid_al_agents.annotate.server.slow_peers import DeadlineProtocol

    app = create_app(opened.session, opened.refreshing, opened.pictures, access, data=data)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=DeadlineProtocol,
        log_level="warning",
        server_header=False,
        proxy_headers=access.secure,  # without a proxy, clients could forge their address with them
        timeout_graceful_shutdown=3,
    )
    logging.getLogger("uvicorn.error").addFilter(not_cut_off)
    server = uvicorn.Server(config)
    started: Any = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets=sockets)
        gc.collect()
        gc.freeze()  # what was loaded by now stays; to look through it for garbage would stop every request
        if server.started:
            ready()

    server.startup = startup  # type: ignore[method-assign]
    opened.refreshing.start_if_due()
    sys.setswitchinterval(_SWITCH_SECONDS)
    server.run()


def not_cut_off(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of requests that a stop cuts off: pages send them again."""
    cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cancelled and not record.getMessage().startswith("Cancel ")


def _tokens(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    path = folder / _TOKENS
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        tokens = {name: str(kept.get(name) or secrets.token_urlsafe(24)) for name in names}
        _write_tokens(path, {**kept, **tokens})
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be used ({error}); delete it to make new tokens") from error
    return tokens


def _write_tokens(path: Path, tokens: Mapping[str, str]) -> None:
    with atomic_write(path) as file:
        os.chmod(file.name, 0o600)  # before anything is in it
        file.write(json.dumps(dict(tokens), indent=1).encode())
