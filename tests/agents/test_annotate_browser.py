"""People at the real server with a real browser."""

import shutil
import time

import pytest

pytest.importorskip("fastapi")
sync_api = pytest.importorskip("playwright.sync_api", reason='needs playwright; pip install -e ".[dev]"')

from served import Server  # noqa: E402

from reid_al_agents.log.events import Event  # noqa: E402
from reid_al_agents.log.store import EventStore  # noqa: E402
from reid_al_agents.workspace.export import EXPORTS  # noqa: E402

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, identities=30) as made:
        yield made


class Page:
    """One person's page; whatever it complains about ends in ``complaints``."""

    def __init__(self, chromium, server, name, context=None):
        self.context = context or chromium.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.base = server.base
        self.page.goto(f"{server.base}/?as={name}")
        self.page.click(f"text=I am {name}")
        self.wait_for_pair()

    def _note(self, kind, text):
        if kind == "error" and "409" not in text:
            self.complaints.append(text)

    def wait_for_pair(self):
        sync_api.expect(self.page.get_by_role("button", name="Different").first).to_be_enabled(timeout=60_000)

    def api(self, path):
        return self.page.request.get(self.base + path).json()

    def wait_until(self, path, holds):
        """Ask the server until what it replies holds; the page goes on meanwhile."""
        end = time.monotonic() + 60
        while not holds(self.api(path)):
            assert time.monotonic() < end, f"{path}: waited in vain"
            self.page.evaluate("new Promise(requestAnimationFrame)")

    def wait_for_answers(self, count):
        self.wait_until("/api/status", lambda status: status["answers_total"] == count)

    def press(self, *keys):
        for key in keys:
            self.wait_for_pair()
            before = self.api("/api/status")["answers_total"]
            self.page.keyboard.press(key)
            self.wait_for_answers(before + (-1 if key == "Backspace" else 1))

    def go(self, name):
        self.page.get_by_role("link", name=name).first.click()


def stored(tmp_path, kind="answer"):
    with EventStore(tmp_path / "events.sqlite") as store:
        return store.events("run", kind=kind)


def test_a_whole_session_by_keyboard_and_mouse(chromium, server, tmp_path):
    anna = Page(chromium, server, "anna")
    anna.press("y", "n", "x", "a", "ArrowRight", "ArrowLeft", "Space", "c")
    anna.page.get_by_role("button", name="Different").first.click()
    anna.wait_for_answers(9)
    anna.page.get_by_role("button", name="Same").first.click()
    anna.wait_for_answers(10)
    said = [event.answer for event in stored(tmp_path)]
    wanted = ["same", "different", "different", "same", "same", "different", "cannot_tell", "incomparable"]
    assert said == [*wanted, "different", "same"]

    anna.page.reload()
    anna.press("Backspace", "Backspace", "Backspace")
    assert anna.api("/api/status")["answers_total"] == 7
    undone = [event.target for event in stored(tmp_path, "undo")]
    assert undone == [event.id for event in stored(tmp_path)][:-4:-1]
    anna.press("y")
    assert anna.complaints == []


def test_five_pictures_at_a_time(chromium, server, tmp_path):
    anna = Page(chromium, server, "anna")
    anna.page.keyboard.press("l")
    first = anna.page.locator(".row-others li").first
    sync_api.expect(first.locator(".mark")).to_be_enabled(timeout=60_000)
    anna.page.keyboard.press("1")
    sync_api.expect(first).to_have_attribute("data-mark", "same")
    anna.page.keyboard.press("Enter")
    anna.wait_until("/api/status", lambda status: status["answers_total"] > 1)
    sync_api.expect(anna.page.locator("#saved")).to_have_attribute("data-state", "saved", timeout=60_000)
    answers = [event.answer for event in stored(tmp_path)]
    assert answers == ["same"] + ["different"] * (len(answers) - 1)
    assert not anna.complaints


def test_two_sessions_in_one_browser_do_not_sign_each_other_out(chromium, server, tmp_path):
    (tmp_path / "other").mkdir()
    with Server(tmp_path / "other", identities=12) as other:
        anna = Page(chromium, server, "anna")
        ben = Page(chromium, other, "ben", anna.context)
        anna.press("y")
        ben.press("n")
        anna.press("n")
        assert {event.annotator for event in stored(tmp_path)} == {"anna"}
        assert {event.annotator for event in stored(tmp_path / "other")} == {"ben"}
        assert not anna.complaints + ben.complaints


def test_two_people_at_once_and_a_refresh_in_between(chromium, server, tmp_path):
    anna, ben = Page(chromium, server, "anna"), Page(chromium, server, "ben")
    anna.press("y", "n")
    ben.press("n", "y")
    anna.go("Progress")
    anna.page.get_by_role("button", name="Learn now").click()
    ben.press("n")
    anna.wait_until("/api/status", lambda status: status["model"]["round"] == 1)
    anna.go("Answer")
    anna.press("y")
    ben.press("n")
    answers = stored(tmp_path)
    assert len({event.question for event in answers}) == len(answers) == 7
    assert {event.annotator for event in answers} == {"anna", "ben"}
    assert not anna.complaints + ben.complaints


def test_a_contradiction_is_shown_and_settled_and_files_are_exported(chromium, tmp_path):
    said = [(0, 1, "same"), (1, 2, "same"), (0, 2, "different")]
    with EventStore(tmp_path / "events.sqlite") as store:
        store.append_many(answer_event(number, *pair) for number, pair in enumerate(said))
    with Server(tmp_path, identities=30) as server:
        settle_and_export(chromium, server, tmp_path)


def answer_event(number, query, candidate, answer):
    names = [f"crop{image:05d}.png" for image in (query, candidate)]
    return Event(
        f"triangle-{number}",
        "run",
        "answer",
        "anna",
        1.7e9 + number,
        query=query,
        candidate=candidate,
        query_name=names[0],
        candidate_name=names[1],
        answer=answer,
    )


def settle_and_export(chromium, server, tmp_path):
    anna = Page(chromium, server, "anna")
    anna.go("Contradictions")
    sync_api.expect(anna.page.get_by_text("anna").nth(1)).to_be_visible(timeout=30_000)
    assert len(anna.api("/api/contradictions")["items"]) == 1
    anna.page.get_by_role("button", name="Take this answer back").first.click()
    anna.wait_until("/api/contradictions", lambda found: not found["items"])
    assert len(stored(tmp_path, "retract")) == 1
    for what in EXPORTS:
        reply = anna.page.request.get(f"{server.base}/api/export/{what}")
        assert reply.ok, what
        assert reply.text().strip()
    assert not anna.complaints
