"""Who may ask for what: names, tokens, and proof that a request comes from the page."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from reid_al_env import InputError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
COOKIE = "reid_al_annotator"
NAME = re.compile(r"[\w .@+-]{1,40}", re.UNICODE)


class Access:
    """Annotators and their secrets.

    Args:
        secret: Key that cookies and page tokens are made with.
        tokens: Token of each annotator by name; ``None`` lets anybody on this machine choose a name.
        hosts: Names that the page is reached by, besides those of this machine.
        port: Where it listens.
        secure: Whether it is reached over HTTPS.
    """

    def __init__(
        self,
        secret: bytes,
        tokens: Mapping[str, str] | None = None,
        hosts: tuple[str, ...] = (),
        port: int = 8000,
        secure: bool = False,
    ) -> None:
        self._secret = secret
        self._names = None if tokens is None else {token: name for name, token in tokens.items()}
        self.secure = secure
        self._hosts = {name.lower() for name in (*LOOPBACK, *hosts)}
        self._port = port

    @property
    def needs_token(self) -> bool:
        """Whether only those with a token may in."""
        return self._names is not None

    def allows_host(self, header: str) -> bool:
        """Whether a Host header names this page; that of a page which resolves to us (rebinding) does not."""
        host, port = _host_and_port(header)
        return host in self._hosts and port in (None, self._port)

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Whether a request that changes something comes from our own page; one without Origin does not."""
        if origin is None:
            return False
        scheme, _, rest = origin.partition("://")
        return scheme in ("http", "https") and rest.lower() == host.lower() and self.allows_host(rest)

    def name_for_token(self, token: str) -> str | None:
        """Whose token this is."""
        for known, name in (self._names or {}).items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return name
        return None

    def cookie(self, name: str) -> str:
        """What proves later on that this person was let in."""
        return f"{name.encode().hex()}.{self._sign('cookie', name)}"

    def name_in_cookie(self, cookie: str | None) -> str | None:
        """The person of a cookie; ``None`` if it is not ours or their token was withdrawn."""
        encoded, _, signature = (cookie or "").partition(".")
        try:
            name = bytes.fromhex(encoded).decode()
        except (ValueError, UnicodeDecodeError):
            return None
        if not name or not hmac.compare_digest(signature, self._sign("cookie", name)):
            return None
        return name if self._names is None or name in self._names.values() else None

    def csrf(self, name: str) -> str:
        """The token that the page of this person sends along with whatever changes something."""
        return self._sign("csrf", name)

    def is_csrf(self, name: str, token: str) -> bool:
        """Whether ``token`` is that."""
        return hmac.compare_digest(token.encode(), self.csrf(name).encode())

    def _sign(self, purpose: str, name: str) -> str:
        # A token that is changed signs its person out.
        token = next((key for key, who in (self._names or {}).items() if who == name), "")
        said = f"{purpose}\0{name}\0{token}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


class Allowance:
    """A bucket of requests for each client that fills up again.

    Args:
        per_second: Requests in the long run.
        burst: Requests at once.
        clock: Seconds.
    """

    def __init__(self, per_second: float = 100.0, burst: float = 300.0) -> None:
        self._rate, self._burst = per_second, burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str, now: float | None = None) -> bool:
        """Whether the client may make a request now."""
        now = time.monotonic() if now is None else now
        left, at = self._left.get(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if len(self._left) > 10_000:
            self._left.clear()
        self._left[client] = (left - 1 if left >= 1 else left, now)
        return left >= 1


def keep_secret(folder: Path) -> bytes:
    """The folder's secret, made where it is missing, so that a restart signs nobody out.

    Raises:
        InputError: It cannot be read or written.
    """
    path = folder / "secret"
    try:
        if not path.is_file():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        secret = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose a folder that is yours") from error
    if len(secret) < 32:
        raise InputError(f"{path}: is not a secret of 32 bytes; delete it, and everybody signs in anew")
    return secret


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        InputError: It is none.
    """
    if not NAME.fullmatch(name) or not name.strip():
        raise InputError(f"annotator {name!r}: expected 1 to 40 letters, digits, spaces or . @ + - _")
    return name


def _host_and_port(header: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/@\s]+))(?::(\d{1,5}))?", header)
    if match is None:
        return "", None
    return (match[1] or match[2]).lower(), None if match[3] is None else int(match[3])
