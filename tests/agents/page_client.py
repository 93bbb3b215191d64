"""A person who talks HTTP to an application as the page does."""

import uuid

from starlette.testclient import TestClient

HOST = "127.0.0.1:8000"


class Browser:
    """What the page does, as one person."""

    def __init__(self, app, name="anna", token=None):
        self.http = TestClient(app, base_url=f"http://{HOST}")
        self.session = {}
        who = {"name": name} if token is None else {"token": token}
        self.session = self.post("/api/sign-in", who).json()

    def get(self, path, **params):
        return self.http.get(path, params=params)

    def post(self, path, body, **headers):
        usual = {"Origin": f"http://{HOST}", "X-CSRF-Token": self.session.get("csrf", "")}
        return self.http.post(path, json=body, headers={**usual, **headers})

    def answer(self, question, answer, key=None, **more):
        return self.post(
            "/api/answers", {"question": question, "answer": answer, "key": key or key_(), **more}
        )


def key_():
    return uuid.uuid4().hex


def questions(browser, count=4):
    """Questions, once the first batch is planned."""
    for _ in range(10_000):
        got = browser.post("/api/questions", {"count": count}).json()
        if got["questions"] or got["waiting"] != "planning":
            return got["questions"]
    raise AssertionError("nothing was ever planned")
