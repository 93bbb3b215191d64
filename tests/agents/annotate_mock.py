"""A stand-in for the annotation server: the contract of its HTTP API in memory, with faults to order.

Nothing is stored and nothing is learned. Everything can be looked at and changed from the test's own process:
``mock.log`` is what was counted, ``mock.outage`` makes the network fail, ``mock.withdraw`` takes questions.
Run as a script it serves until interrupted: ``python tests/agents/annotate_mock.py 8899``.
"""

from __future__ import annotations

import io
import json
import mimetypes
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

import reid_al_agents.annotate.server
from reid_al_agents.data.synthetic import DOMAINS, render_pedestrians

PAGE = Path(reid_al_agents.annotate.server.__path__[0]) / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class RefusedError(Exception):
    """A request that the contract answers with an error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class AnnotateMock:
    """The state behind the API.

    Attributes:
        log: Effective answers in order: dictionaries with ``question``, ``answer``, ``key``, ``event``.
        posts: Every POST that reached the server, as (path, body), repeats included.
        outage: None, ``"refuse"`` (nothing arrives), ``"lose"`` (arrives, reply lost) or an HTTP status.
        token: Where given, a visitor without this cookie gets 401.
        annotator: The name that the browser answers under.
        session_id: Told in every reply; another one is another session on the same port.
        noun: What the pictures show.
        waiting: What the server says when it has no question.
        learns: Whether the session's model can be refreshed.
        supply: How many questions it will ask in all.
        width: Of every picture, pixels; ``wide`` makes them wider than high.
        height: Likewise.
    """

    def __init__(self, identities: int = 24, supply: int = 400, wide: bool = False) -> None:
        domain = replace(DOMAINS["pedestrians-source"], identities=identities, size=(192, 96))
        drawn = render_pedestrians(domain, 5)
        self.people = np.asarray(drawn.identities)
        self.cameras = np.asarray(drawn.cameras)
        self.names = [str(name) for name in drawn.names]
        pixels = drawn.read(range(len(self.names)), domain.size)
        pixels = np.rot90(pixels, axes=(1, 2)) if wide else pixels
        self.height, self.width = pixels.shape[1:3]
        self.files = [_png(picture) for picture in pixels]
        self.groups = _first_groups(self.people)
        self.titles: dict[str, str] = {}
        self.supply, self.made = supply, 0
        self.held: list[dict] = []
        self.known: dict[str, dict] = {}
        self.withdrawn: list[str] = []
        self.log: list[dict] = []
        self.keys: dict[str, dict] = {}
        self.edits: list[dict] = []
        self.steps: list[tuple] = []  # what an undo takes back: an answer, or an edit with what was before it
        self.posts: list[tuple[str, dict]] = []
        self.outage: str | int | None = None
        self.token: str | None = None
        self.annotator = "me"
        self.session_id = "session"
        self.noun = "object"
        self.waiting: str | None = None
        self.learns = True
        self.refresh: dict | None = None
        self.contradictions = self._invent_contradictions()
        self.delay = 0.0
        self.lock = threading.RLock()
        self._rng = np.random.default_rng(1)

    # images, groups, questions

    def image(self, index: int) -> dict:
        hour = f"2024-05-0{1 + index % 9}T1{index % 10}:2{index % 6}:00"
        return {
            "id": int(index),
            "url": f"/api/images/{index}?size=large",
            "small": f"/api/images/{index}?size=small",
            "original": f"/api/images/{index}",
            "name": self.names[index],
            "camera": int(self.cameras[index]),
            "side": None,
            "place": None,
            "sequence": None,
            "time": hour if index % 3 else None,
            "width": self.width,
            "height": self.height,
        }

    def group(self, gid: str, most: int = 6) -> dict:
        members = self.groups[gid]
        return {
            "id": gid,
            "size": len(members),
            "confirmed": len(members) - len(members) // 3,
            "images": [
                {
                    **self.image(index),
                    "confirmed": place % 3 != 2,
                    "probability": None if place % 3 != 2 else 0.78,
                }
                for place, index in enumerate(members[:most])
            ],
            "cameras": sorted({int(self.cameras[index]) for index in members}),
            "name": self.titles.get(gid),
        }

    def group_of(self, index: int) -> dict:
        return self.group(next(gid for gid, members in self.groups.items() if index in members))

    def _make(self) -> dict:
        block, place = divmod(self.made, 5)
        query = (block * 37) % len(self.people)
        others = np.flatnonzero((self.people == self.people[query]) & (np.arange(len(self.people)) != query))
        if place in (0, 3) and len(others) > place:
            candidate = int(others[(block + place) % len(others)])
        else:
            candidate = int(self._rng.choice(np.flatnonzero(self.people != self.people[query])))
        self.made += 1
        question = {
            "id": f"q{self.made}",
            "kind": "policy",
            "query": self.image(query),
            "candidate": self.image(candidate),
            "query_group": self.group_of(query),
            "candidate_group": self.group_of(candidate),
            "probability": round(0.35 + 0.1 * place, 2),
            "alike": {"shared": 0.31, "place": 4},
            "travel": None,
        }
        self.known[question["id"]] = question
        return question

    def fill(self, want: int) -> list[dict]:
        while len(self.held) < want and self.made < self.supply and self.waiting is None:
            self.held.append(self._make())
        return self.held[:want]

    def withdraw(self, *ids: str) -> None:
        """Take questions away, as if their answers had become known."""
        with self.lock:
            self.held = [question for question in self.held if question["id"] not in ids]
            self.withdrawn += ids

    def _reply(self, questions: list[dict]) -> dict:
        gone, self.withdrawn = self.withdrawn, []
        waiting = self.waiting or ("finished" if self.made >= self.supply and not self.held else None)
        return {"questions": questions, "withdrawn": gone, "waiting": waiting, "status": self.status()}

    # the API's routes

    @property
    def csrf(self) -> str:
        return f"{self.session_id}:{self.annotator}"

    def sign_in(self, body: dict) -> dict:
        if self.token and body.get("token") != self.token:
            raise RefusedError(401, "this token is not known; ask for another link")
        self.annotator = body.get("name", self.annotator)
        return self.session()

    def session(self) -> dict:
        return {
            "session": self.session_id,
            "annotator": self.annotator,
            "needs_token": self.token is not None,
            "admin": False,
            "noun": self.noun,
            "csrf": self.csrf,
            "run": "run",
            "data": "synthetic:pedestrians-source?seed=5",
            "languages": ["en", "de"],
            "layouts": ["pair", "row"],
            "learns": self.learns,
            "version": "0.1.0",
            "overlap": 1,
            "lease_seconds": 120,
            "cameras": [{"id": int(each), "name": str(each)} for each in np.unique(self.cameras)],
            "sides": [],
            "dated": True,
            "filters": ["side"],
            "max_speed": None,
            "may_add": True,
        }

    def status(self) -> dict:
        count = len(self.log)
        return {
            "answers_today": count,
            "answers_total": 340 + count,
            "questions_left": 433,
            "groups": len(self.groups),
            "images_confirmed": 5210 + count,
            "images_suggested": 800,
            "images": 8400,
            "saved": 12034 + 3 * count,
            "contradictions": len(self.contradictions),
            "per_minute": 14.2 if count else None,
            "seconds_left": 1830,
            "round": 2,
            "refresh": self.refresh,
            "model": {"round": 1, "answers": 300},
            "stop_chance": 0.21,
            "annotators": 2,
        }

    def questions(self, count: int, layout: str) -> dict:
        reply = self._reply(self.fill(count))
        if layout == "pair":
            return reply
        rows: list[dict] = []
        for question in reply.pop("questions"):
            names = ("id", "kind", "candidate", "candidate_group", "probability", "alike", "travel")
            item = {key: question[key] for key in names}
            if not rows or rows[-1]["query"]["id"] != question["query"]["id"] or len(rows[-1]["items"]) == 5:
                head = {key: question[key] for key in ("query", "query_group")}
                rows.append({**head, "items": []})
            rows[-1]["items"].append(item)
        return {"rows": rows, **reply}

    def skip(self, body: dict) -> dict:
        skipped = [question for question in self.held if question["id"] in body["questions"]]
        self.held = [question for question in self.held if question not in skipped]
        reply = self.questions(body["count"], body["layout"])
        self.held += skipped
        return reply

    def answer(self, body: dict) -> dict:
        if body["key"] in self.keys:
            return {"event": self.keys[body["key"]]["event"], "counted": False, **self._more(body)}
        if body["question"] not in self.known:
            raise RefusedError(404, f"question {body['question']!r} is not known here; reload the page")
        if any(entry["question"] == body["question"] for entry in self.log):
            raise RefusedError(409, "you answered this question already")
        entry = {"question": body["question"], "answer": body["answer"], "key": body["key"]}
        entry |= {"event": len(self.keys) + 1, "seconds": body["seconds"], "kind": "answer"}
        self.keys[body["key"]] = entry
        self.log.append(entry)
        self.steps.append(("answer", entry))
        self.held = [question for question in self.held if question["id"] != body["question"]]
        return {"event": entry["event"], "counted": True, **self._more(body)}

    def _more(self, body: dict) -> dict:
        held = self.fill(body["want"]) if body["want"] else []
        return self._reply([question for question in held if question["id"] not in body["have"]])

    def undo(self, body: dict) -> dict:
        if body["key"] in self.keys:
            return {**self.keys[body["key"]], "status": self.status()}
        if not self.steps:
            raise RefusedError(409, "nothing is left to undo")
        kind, *before = self.steps.pop()
        if kind == "answer":
            (entry,) = before
            self.log.remove(entry)
            question = self.known[entry["question"]]
            self.held.insert(0, question)
            undone = {"kind": "answer", "answer": entry["answer"], "count": 1}
            done = {"undone": undone, "question": question}
        else:
            self.groups, self.titles = before
            done = {"undone": {"kind": kind, "answer": None, "count": 1}, "question": None}
        self.keys[body["key"]] = done
        return {**done, "status": self.status()}

    def settle(self, body: dict) -> dict:
        ends = (body["query"], body["candidate"])
        self.contradictions = [
            item
            for item in self.contradictions
            if (item["ask"]["query"]["id"], item["ask"]["candidate"]["id"]) != ends
        ]
        return self._edited("settle", body)

    def retract(self, body: dict) -> dict:
        self.contradictions = [
            item
            for item in self.contradictions
            if body["event"] not in {link["event"] for link in item["same"] + item["different"]}
        ]
        return self._edited("retract", body)

    def start_refresh(self, body: dict) -> dict:
        if self.refresh and self.refresh["state"] != "failed":
            raise RefusedError(409, "a refresh runs already; wait until it is done")
        self.refresh = {"state": "running", "what": "train", "done": 120, "total": 400, "message": None}
        return self._edited("refresh", body)

    def identities(self, offset: int, limit: int, sort: str) -> dict:
        order = sorted(self.groups, key=lambda gid: -len(self.groups[gid]))
        if sort == "name":
            order.sort(key=lambda gid: self.titles.get(gid, "~"))
        items = [self._listed(gid, 8) for gid in order[offset : offset + limit]]
        return {"total": len(order), "items": items}

    def identity(self, gid: str) -> dict:
        return self._listed(self._present(gid), 10_000)

    def _listed(self, gid: str, most: int) -> dict:
        return {**self.group(gid, most), "hidden": False}

    def _present(self, gid: str) -> str:
        if gid not in self.groups:
            raise RefusedError(409, f"identity {gid} is out of date; reload the page")
        return gid

    def merge(self, body: dict) -> dict:
        first, *others = (self._present(gid) for gid in body["identities"])
        self._keep("merge")
        for other in others:
            self.groups[first] = self.groups[first] + self.groups.pop(other)
        return self._edited("merge", body)

    def split(self, body: dict) -> dict:
        identity = self._present(body["identity"])
        self._keep("split")
        members = self.groups.pop(identity)
        taken = [index for index in members if index in body["images"]]
        rest = [index for index in members if index not in taken]
        self.groups |= {f"g{part[0]}": part for part in (rest, taken)}
        return self._edited("split", body)

    def name(self, body: dict) -> dict:
        identity = self._present(body["identity"])
        self._keep("name")
        self.titles[identity] = body["name"]
        return self._edited("name", body)

    def _keep(self, kind: str) -> None:
        self.steps.append((kind, dict(self.groups), dict(self.titles)))

    def _edited(self, kind: str, body: dict) -> dict:
        self.edits.append({"kind": kind, **body})
        return {"event": 1000 + len(self.edits), "status": self.status()}

    def progress(self) -> dict:
        annotator = {
            "name": "me",
            "answers": 300,
            "per_minute": 14.2,
            "median_seconds": 2.1,
            "match_rate": 0.41,
            "weight": 0.9,
        }
        annotator |= {"error_rate": 0.07}
        annotator |= {"agreement": {"with": "anna", "kappa": 0.82, "pairs": 30}}
        other = {
            "name": "anna",
            "answers": 180,
            "per_minute": 11.0,
            "median_seconds": 2.9,
            "match_rate": 0.38,
            "weight": 1.0,
        }
        other |= {"error_rate": None, "agreement": None}
        rounds = [
            {"round": r, "answers": 150 * r, "groups": 1400 - 190 * r, "changed": 60 - 14 * r, "asked": 150}
            | {
                "map": 0.4 + 0.08 * r,
                "rank1": 0.7 + 0.05 * r,
                "seconds": 90 + r,
                "match_rate": 0.55 - 0.07 * r,
            }
            for r in range(1, 5)
        ]
        return {
            "audit": {"precision": [0.93, 0.88, 0.97], "recall": [0.71, 0.6, 0.83], "answers": 40},
            "stop_chance": 0.21,
            "changed": {"changed": 12, "asked": 100},
            "rounds": rounds,
            "annotators": [annotator, other],
            "match_rate": 0.41,
            "returns": [0.2, 0.5, 0.45, 0.8, 1.1, 1.0],
            "calibration_error": 0.04,
            "refresh": self.refresh,
        }

    def _invent_contradictions(self) -> list[dict]:
        first = np.flatnonzero(self.people == 1)[:4].tolist()
        second = np.flatnonzero(self.people == 2)[:2].tolist()

        def link(event: int | None, a: int, b: int, answer: str, who: str, weight: float) -> dict:
            ends = {"query": self.image(a), "candidate": self.image(b)}
            return {"event": event, **ends, "answer": answer, "annotator": who, "at": 1.7e9, "weight": weight}

        chain = [
            link(3, first[0], first[1], "same", "me", 2.9),
            link(5, first[2], first[1], "same", "anna", 2.9),
            link(8, first[2], second[0], "same", "me", 2.9),
        ]
        against = [link(9, second[0], first[0], "different", "anna", 2.9)]
        ends = {"query": self.image(first[0]), "candidate": self.image(second[0])}
        people = {"query": self.image(first[3]), "candidate": self.image(second[1])}
        return [
            {"id": "d:1", "kind": "evidence", "ask": ends, "same": chain, "different": against},
            {
                "id": "d:2",
                "kind": "people",
                "ask": people,
                "same": [link(11, first[3], second[1], "same", "me", 2.9)],
                "different": [link(None, first[3], second[1], "different", "model", 1.2)],
            },
        ]

    # one request

    def get(self, path: str, query: dict[str, str]) -> object:
        if path.startswith("/api/identities/"):
            return self.identity(path.rpartition("/")[2])
        return {
            "/api/session": self.session,
            "/api/status": self.status,
            "/api/progress": self.progress,
            "/api/additions": lambda: {"addition": None, "found": None},
            "/api/contradictions": lambda: {"items": self.contradictions},
            "/api/identities": lambda: self.identities(
                int(query["offset"]), int(query["limit"]), query["sort"]
            ),
        }[path]()

    def post(self, path: str, body: dict) -> object:
        self.posts.append((path, body))
        return {
            "/api/sign-in": self.sign_in,
            "/api/questions": lambda wanted: self.questions(wanted["count"], wanted["layout"]),
            "/api/answers": self.answer,
            "/api/skip": self.skip,
            "/api/undo": self.undo,
            "/api/contradictions/settle": self.settle,
            "/api/retract": self.retract,
            "/api/refresh": self.start_refresh,
            "/api/identities/merge": self.merge,
            "/api/identities/split": self.split,
            "/api/identities/name": self.name,
        }[path](body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, mock: AnnotateMock, *args: object) -> None:
        self.mock = mock
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/":
            return self._file(PAGE / "index.html")
        if url.path.startswith("/static/"):
            return self._file(PAGE / url.path.removeprefix("/static/"))
        if url.path.startswith("/api/export/"):
            return self._send(200, b"a,b\r\n", "text/csv")
        if url.path.startswith("/api/images/"):
            return self._send(200, self.mock.files[int(url.path.rpartition("/")[2])], "image/png")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        return self._api(lambda: self.mock.get(url.path, query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/sign-in" and self.headers["X-CSRF-Token"] != self.mock.csrf:
            return self._json(403, {"error": "the token is missing"})
        return self._api(lambda: self.mock.post(self.path, json.loads(body)))

    def _api(self, work) -> None:
        mock = self.mock
        if mock.outage == "refuse":
            return self._hang_up()
        if isinstance(mock.outage, int):
            return self._json(mock.outage, {"error": "out of order"})
        signed_in = mock.token is None or mock.token in (self.headers["Cookie"] or "")
        if not signed_in and self.path != "/api/sign-in":
            return self._json(401, {"error": "open the link that you were given"})
        try:
            with mock.lock:
                lose, reply = mock.outage == "lose", work()
        except RefusedError as refused:
            return self._json(refused.status, {"error": str(refused)})
        if lose:
            return self._hang_up()
        time.sleep(mock.delay)
        return self._json(200, reply)

    def _hang_up(self) -> None:
        self.close_connection = True

    def _json(self, status: int, reply: object) -> None:
        self._send(status, json.dumps(reply).encode(), "application/json")

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._send(404, b"no such file", "text/plain")
        return self._send(200, path.read_bytes(), mimetypes.guess_type(path)[0] or "application/octet-stream")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Reid-Session", self.mock.session_id)
        self.send_header("Content-Security-Policy", POLICY)
        if self.path == "/api/sign-in" and status == 200:
            self.send_header("Set-Cookie", f"reid_al_session={self.mock.token}; HttpOnly; SameSite=Strict")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "max-age=3600" if kind == "image/png" else "no-store")
        self.end_headers()
        self.wfile.write(body)


def serve(mock: AnnotateMock, port: int = 0) -> ThreadingHTTPServer:
    """Serve in a thread of its own; ``server.server_address`` says where, ``server.shutdown()`` ends it."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, mock))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _first_groups(people: np.ndarray) -> dict[str, list[int]]:
    """Each person's images in two groups, as after a few answers."""
    groups: dict[str, list[int]] = {}
    for person in np.unique(people).tolist():
        members = np.flatnonzero(people == person).tolist()
        cut = 2 * len(members) // 3
        for part in (members[:cut], members[cut:]):
            groups[f"g{part[0]}"] = part
    return groups


if __name__ == "__main__":
    print(f"http://127.0.0.1:{serve(AnnotateMock(), int(sys.argv[1])).server_address[1]}")
    threading.Event().wait()
