"""A server in a process of its own, and a person who talks HTTP to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from http.cookiejar import CookieJar
from pathlib import Path

from reid_al_agents.annotate.server.serving import free_port

HERE = Path(__file__).parent


class Server:
    """``serve_pool.py``, which can be killed and started again."""

    def __init__(self, folder, url="", identities=150):
        self.folder, self._url, self._identities = folder, url, identities
        self.port = free_port("127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        script = [sys.executable, str(HERE / "serve_pool.py"), str(self.folder), str(self.port)]
        self.process = subprocess.Popen(
            [*script, self._url, str(self._identities)],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.log").open("a"),
            text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        line = self.process.stdout.readline()
        assert line == "ready\n", (self.folder / "server.log").read_text()

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Person:
    """Talks to a server as the page does."""

    def __init__(self, server, name):
        self._base, self._name = server.base, name
        self._jar = CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar)).open
        self.sign_in()

    def sign_in(self):
        self.csrf = ""
        self.csrf = self.post("/api/sign-in", {"name": self._name})["csrf"]

    @property
    def cookie(self):
        """The header that signs this person in."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._jar)

    def get(self, path):
        with self._open(self._base + path) as reply:
            return json.load(reply)

    def post(self, path, body):
        headers = {"Content-Type": "application/json", "Origin": self._base, "X-CSRF-Token": self.csrf}
        request = urllib.request.Request(self._base + path, json.dumps(body).encode(), headers)
        with self._open(request) as reply:
            return json.load(reply)


def new_key():
    return uuid.uuid4().hex
