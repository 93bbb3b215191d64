"""Sign-in: annotators' names, tokens and cookies, and the proof that a request comes from the page."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from reid_al_env import InputError
from reid_al_env.messages import Message

LOOPBACK = ("localhost", "127.0.0.1", "::1")
DEFAULT_NAME = "me"
NAME = re.compile(r"[\w .@+-]{1,40}", re.UNICODE)


class Access:
    """Annotators and the secrets that they are recognised by.

    Without tokens the page is open to anyone who reaches it, as :data:`DEFAULT_NAME` until a name is chosen.

    Args:
        secret: Key of the session's folder, which cookies and CSRF tokens are signed with.
        tokens: Token of each annotator by name; ``None`` for open access.
        hosts: Host names under which the page is reached, besides those of this machine.
        secure: Whether the page is reached over HTTPS.
        admin: Annotator who may revoke the tokens of others; ``None`` for none.
        keep: Called with the tokens that are left once one is revoked.

    Attributes:
        session_id: Identifies the session among others that the same browser may have open.
        cookie_name: Name of its cookie; browsers share cookies between all ports of a host.
        hosts: All host names under which the page is reached.
        secure: As given.
    """

    def __init__(
        self,
        secret: bytes,
        tokens: Mapping[str, str] | None = None,
        hosts: tuple[str, ...] = (),
        secure: bool = False,
        admin: str | None = None,
        keep: Callable[[Mapping[str, str]], None] = lambda tokens: None,
    ) -> None:
        self._secret, self.secure, self._admin, self._keep = secret, secure, admin, keep
        self._tokens = None if tokens is None else dict(tokens)
        self.hosts = tuple(dict.fromkeys(name.lower() for name in (*LOOPBACK, *hosts)))
        self.session_id = self._sign("session", "")[:16]
        self.cookie_name = f"reid_al_{self.session_id}"

    @property
    def needs_token(self) -> bool:
        """Whether only annotators with a token are let in."""
        return self._tokens is not None

    def annotator(self, cookie: str | None) -> str | None:
        """Name of the annotator with this cookie; ``None`` if there is none or its token was withdrawn."""
        name = self._name_in(cookie)
        if self._tokens is None:
            return DEFAULT_NAME if name is None else name
        return name if name in self._tokens else None

    @property
    def annotators(self) -> list[str]:
        """Annotators with a token."""
        return sorted(self._tokens or {})

    def is_admin(self, name: str) -> bool:
        """Whether an annotator may revoke tokens."""
        return self._tokens is not None and name == self._admin

    def may_add(self, name: str) -> bool:
        """Whether an annotator may import files and add images: without tokens all may, else the admin."""
        return self._tokens is None or self.is_admin(name)

    def revoke(self, name: str) -> bool:
        """Revoke an annotator's token, which signs them out; return whether they had one."""
        if self._tokens is None or name not in self._tokens:
            return False
        left = {other: token for other, token in self._tokens.items() if other != name}
        self._keep(left)  # on disk first: a restart must not bring the token back
        self._tokens = left
        return True

    def name_for_token(self, token: str) -> str | None:
        """Name of the annotator with this token."""
        sent = _bytes(token)
        for name, known in (self._tokens or {}).items():
            if hmac.compare_digest(_bytes(known), sent):
                return name
        return None

    def cookie(self, name: str) -> str:
        """Value of the cookie that keeps an annotator signed in."""
        return f"{name.encode().hex()}.{self._sign('cookie', name)}"

    def csrf(self, name: str) -> str:
        """Token that the annotator's page sends with every request that changes something."""
        return self._sign("csrf", name)

    def is_csrf(self, name: str, token: str) -> bool:
        """Whether ``token`` is the annotator's CSRF token."""
        return hmac.compare_digest(_bytes(token), _bytes(self.csrf(name)))

    def _name_in(self, cookie: str | None) -> str | None:
        encoded, _, signature = (cookie or "").partition(".")
        try:
            name = bytes.fromhex(encoded).decode()
        except ValueError:
            return None
        if not name or not hmac.compare_digest(_bytes(signature), _bytes(self._sign("cookie", name))):
            return None
        return name

    def _sign(self, purpose: str, name: str) -> str:
        token = (self._tokens or {}).get(name, "")  # a changed token signs its annotator out
        message = f"{purpose}\0{name}\0{token}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _bytes(text: str) -> bytes:
    """Text from a request as bytes: ``compare_digest`` refuses text that is not ASCII."""
    return text.encode("utf-8", "surrogatepass")


def load_secret(folder: Path) -> bytes:
    """Read the folder's secret, or make one, so that annotators stay signed in over a restart.

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
        raise InputError(f"{path}: is shorter than 32 bytes; delete it, and all annotators sign in again")
    return secret


def check_name(name: str) -> str:
    """Return the name.

    Raises:
        InputError: It is not a valid annotator's name.
    """
    if not NAME.fullmatch(name) or not name.strip():
        raise InputError(
            Message(
                "annotator {name!r}: expected 1 to 40 letters, digits, spaces or . @ + - _", name=name[:40]
            )
        )
    return name
