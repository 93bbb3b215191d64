"""Whole sessions at the annotation page in a real browser, from the command to the export.

Each annotator knows the true identities and thinks for a moment, less than a person: the minutes are those of
page, browser and this moment.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from drawn_animals import draw_pool
from recording import run, write_result

from reid_al_agents.annotate.server.serving import free_port
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_env import InputError

DESK = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "locale": "en-GB",
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
ANIMALS = ("--backbone", "efficientnet_lite0", "--weights", "pretrained", "--noun", "animal")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_WAIT = 60_000  # milliseconds for the page

# The names of the two pictures, once they can be answered; else why there are none.
_QUESTION = """() => {
  const empty = document.querySelector("#view-answer .empty[data-state]");
  const state = empty?.dataset.state;
  if (["finished", "others"].includes(state)) return { waiting: state };
  const captions = [...document.querySelectorAll("#view-answer figure.pane figcaption")];
  const pair = captions.map((each) => each.title);
  const open = document.querySelector("#view-answer [data-answer=same]:enabled:not([aria-disabled=true])");
  return pair.length === 2 && open ? { pair } : null;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pku", type=Path, help="folder of PKU-Reid, for the session of two people")
    parser.add_argument("--osnet", type=Path, help="weights of OSNet x0.25 for it")
    parser.add_argument("--share", type=float, default=0.6, help="answers to single questions, per image")
    parser.add_argument("--screens", type=int, default=200, help="identities looked at in the review")
    parser.add_argument("--think", type=float, default=0.3, help="seconds before an answer")
    parser.add_argument("--wrong", type=float, default=0.06, help="rate of wrong answers of the two people")
    parser.add_argument("--only", choices=("alone", "two", "phone"), help="one of the sessions")
    parser.add_argument("--shots", type=Path, help="folder for screenshots; some show real people")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the figures there")
    options = parser.parse_args()
    wanted = {"alone": alone, "two": two, "phone": phone}
    if options.pku is None or options.osnet is None:
        del wanted["two"]
    if options.only is not None:
        wanted = {name: play for name, play in wanted.items() if name == options.only}
    figures = {name: play(options) for name, play in wanted.items()}
    if options.out is not None:
        settings = {name: getattr(options, name) for name in ("share", "screens", "think", "wrong")}
        write_result(options.out, (options.seed,), settings, figures)
    print(json.dumps(figures, indent=2))


def alone(options: argparse.Namespace) -> dict[str, Any]:
    """Three hundred unsorted pictures of animals and one annotator, who never errs."""
    with tempfile.TemporaryDirectory() as name:
        truth = drawn(Path(name) / "photos", 60, 300, options.seed)
        with serving(Path(name), f"folder:{name}/photos", ANIMALS) as (base, started), browser() as chromium:
            anna = Annotator(chromium, base, truth, DESK, options.think)
            anna.shoot(options.shots, "alone-question")
            anna.answer_all([anna], round(options.share * len(truth)))
            answered = anna.exported()
            anna.review(options.screens)
            reviewed = anna.exported()
            anna.name_largest("Limpy")
            anna.answer_all([anna], round(options.share * len(truth) / 2))
            found = anna.exported()
            anna.shoot_pages(options.shots, "alone")
            made = {"after_questions": answered, "after_review": reviewed, "after_more_questions": found}
            return {**anna.figures(started), **made}


def two(options: argparse.Namespace) -> dict[str, Any]:
    """Two people who err; a split; and a bad merge that the review brings up."""
    data, weights = f"imagefolder:{options.pku}", str(options.osnet)
    truth = {f"{path.parent.name}/{path.name}": path.parent.name for path in options.pku.glob("*/*/*.png")}
    osnet = ("--backbone", "osnet_x0_25", "--weights", weights, "--size", "256x128", "--noun", "person")
    with tempfile.TemporaryDirectory() as name:
        served = serving(Path(name), data, (*osnet, "--annotators", "anna,ben"))
        with served as (base, started), browser() as chromium:
            tokens = json.loads((Path(name) / "session" / "tokens.json").read_text())
            rng = np.random.default_rng(options.seed)
            people = [
                Annotator(chromium, base, truth, DESK, options.think, who, tokens[who], options.wrong, rng)
                for who in tokens
            ]
            anna, ben = people
            anna.shoot(options.shots, "two-question")
            anna.answer_all(people, round(options.share * len(truth)))
            answered = anna.exported()
            split = anna.split_one()
            merged = ben.merge_badly()
            spoilt = anna.exported()
            place = anna.review(options.screens, merged)
            reviewed = anna.exported()
            anna.answer_all(people, round(options.share * len(truth) / 2))
            found = anna.exported()
            anna.shoot_pages(options.shots, "two")
            return {
                **anna.figures(started),
                "people": [who.tally() for who in people],
                "weights": anna.weights(),
                "images_split_off": split,
                "bad_merge_found_at_screen": place,
                "after_questions": answered,
                "after_split_and_bad_merge": spoilt,
                "after_review": reviewed,
                "after_more_questions": found,
            }


def phone(options: argparse.Namespace) -> dict[str, Any]:
    """A hundred pictures on an upright phone, by swipes and taps."""
    with tempfile.TemporaryDirectory() as name:
        truth = drawn(Path(name) / "photos", 20, 100, options.seed + 1)
        with serving(Path(name), f"folder:{name}/photos", ANIMALS) as (base, started), browser() as chromium:
            anna = Annotator(chromium, base, truth, PHONE, options.think)
            anna.shoot(options.shots, "phone-question")
            stacked = anna.page.evaluate(_STACKED)
            anna.answer_all([anna], round(options.share * len(truth)))
            answered = anna.exported()
            anna.review(options.screens)
            found = anna.exported()
            anna.shoot_pages(options.shots, "phone")
            made = {"stacked": stacked, "after_questions": answered, "after_review": found}
            return {**anna.figures(started), **made}


def drawn(folder: Path, individuals: int, images: int, seed: int) -> dict[str, str]:
    """Draw a pool; the true identity by the name of a picture."""
    labels = draw_pool(folder, individuals, images, seed)
    return dict(zip(sorted(path.name for path in folder.iterdir()), labels, strict=True))


@contextlib.contextmanager
def serving(folder: Path, data: str, more: Sequence[str]) -> Iterator[tuple[str, float]]:
    """A session that the command began: its address, and when the command was typed."""
    port, started = free_port("127.0.0.1", 0), time.perf_counter()
    command = [sys.executable, "-m", "reid_al_agents.cli", "annotate", data, "--out", str(folder / "session")]
    usual = ["--no-adapt", "--refresh", "none", "--no-open", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([*command, *usual, *more], stderr=log)
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_until_served(base, process, folder / "server.log")
            yield base, started
        finally:
            process.terminate()
            process.wait()


def _wait_until_served(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(base).status_code == 200:
                return
        time.sleep(0.2)
    raise InputError(f"the server ended: {log.read_text().splitlines()[-1]}")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    if found is None:
        raise InputError("chromium is not installed; install it, for example by: apt install chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield made
        made.close()


class Annotator:
    """One person at the page, who knows the truth and sometimes answers otherwise.

    Args:
        chromium: The browser.
        base: Address of the server.
        truth: True identity by the name of an image.
        device: Window, touch and language.
        think: Seconds before each answer.
        name: Of the annotator, for the figures.
        token: The token, where the page asks for one.
        wrong: Rate of wrong answers.
        rng: Generator of them.
    """

    def __init__(
        self,
        chromium: Any,
        base: str,
        truth: dict[str, str],
        device: dict[str, Any],
        think: float,
        name: str = "anna",
        token: str = "",
        wrong: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.base, self.truth, self.name, self.wrong = base, truth, name, wrong
        self.think = think
        self.rng = np.random.default_rng(0) if rng is None else rng
        self.context = chromium.new_context(**device)
        self.context.set_default_timeout(_WAIT)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda each: self.complaints.append(each.text) if each.type == "error" else 0)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.touch = self.context.new_cdp_session(self.page) if device.get("has_touch") else None
        self.counts: Counter[str] = Counter()
        self.answering = 0.0
        self.begun = time.perf_counter()
        self.page.goto(f"{base}/?token={token}" if token else base)
        self.page.wait_for_function(_QUESTION)
        self.waited = time.perf_counter() - self.begun

    # -- answering -----------------------------------------------------------------------------------------

    def answer_all(self, people: Sequence[Annotator], answers: int) -> None:
        """Let people answer in turn, until there are so many answers or no question is left."""
        self._go("answer", "h1")
        begun, given = time.perf_counter(), 0
        while given < answers:
            took = [who.answer_one() for who in people]
            given += sum(took)
            if not any(took):
                break
        self.page.wait_for_selector("#saved[data-state=saved]")
        self.answering += time.perf_counter() - begun

    def answer_one(self) -> bool:
        """Answer the question in view; whether there was one."""
        time.sleep(self.think)
        found = self.page.wait_for_function(_QUESTION).json_value()
        if "pair" not in found:
            return False
        a, b = (self._true(name) for name in found["pair"])
        same, errs = a == b, bool(self.rng.random() < self.wrong)
        self._say(same != errs)
        self.counts["answers"] += 1
        self.counts["wrong"] += errs
        return True

    def _say(self, same: bool) -> None:
        if self.touch is None:
            self.page.keyboard.press("y" if same else "n")
        elif self.counts["answers"] % 3:
            self._swipe(140 if same else -140)
        else:
            self.page.locator(f"[data-answer={'same' if same else 'different'}]").tap()

    def _swipe(self, dx: int) -> None:
        box = self.page.locator(".pane-picture").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        points = [{"x": x + part * dx, "y": y} for part in (0, 0.5, 1)]
        for kind, touched in zip(("touchStart", "touchMove", "touchMove"), points, strict=True):
            self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [touched]})
        self.touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def _true(self, name: str) -> str:
        """The true identity of an image, by as much of its path as is known."""
        short = "/".join(Path(name).parts[-2:])
        return self.truth[name] if name in self.truth else self.truth[short]

    # -- identities ----------------------------------------------------------------------------------------

    def review(self, screens: int, merged: frozenset[str] = frozenset()) -> int | None:
        """Look at the identities of the review: confirm what belongs together, take out what does not.

        Args:
            screens: The most identities looked at.
            merged: True identities that were merged by mistake.

        Returns:
            At which screen these were found, counted from 1; ``None`` if they were not.
        """
        found = None
        self._go("review", ".identity-bar, .empty h2")
        while self.counts["screens"] < screens and self.page.locator("#view-review .identity-bar").count():
            bar = self.page.locator("#view-review .identity-bar")
            bar.evaluate("(bar) => (bar.dataset.seen = true)")
            boxes = self.page.locator("#view-review .images input")
            names = [words.rpartition(", ")[2] for words in boxes.evaluate_all(_LABELS)]
            true = [self._true(name) for name in names]
            self.counts["screens"] += 1
            if merged and merged <= set(true) and found is None:
                found = self.counts["screens"]
            self._settle(boxes, true)
            self.page.wait_for_selector(_NEXT_SCREEN)
        return found

    def _settle(self, boxes: Any, true: list[str]) -> None:
        """Of one screen, keep the most frequent true identity."""
        stays = Counter(true).most_common(1)[0][0]
        out = [place for place, identity in enumerate(true) if identity != stays]
        for place in out:
            boxes.nth(place).check()
        kept = len(true) - len(out)
        what = "confirm" if not out else "both" if kept > 1 else "split"
        self.counts["taken_out"] += len(out)
        self.page.locator(f"#view-review [data-do={what}]").click()

    def split_one(self) -> int:
        """Open an identity that holds several animals or persons and split the smaller part off; its size."""
        for group in self._identities():
            true = [self._true(image["name"]) for image in self._identity(group["id"])["images"]]
            if len(set(true)) > 1:
                self._go(f"identities/{group['id']}", ".images")
                boxes = self.page.locator("#view-identities .images input")
                names = [words.rpartition(", ")[2] for words in boxes.evaluate_all(_LABELS)]
                stays = Counter(true).most_common(1)[0][0]
                out = [place for place, name in enumerate(names) if self._true(name) != stays]
                for place in out:
                    boxes.nth(place).check()
                self.page.locator("#view-identities [data-do=split]").click()
                self.page.wait_for_selector("#view-identities .sheet")
                return len(out)
        return 0

    def merge_badly(self) -> frozenset[str]:
        """Merge the two largest identities that show two persons each right; the true identities."""
        self._go("identities", ".sheet")
        picked: dict[str, str] = {}
        for group in self._identities(limit=60):
            true = {self._true(image["name"]) for image in self._identity(group["id"])["images"]}
            if len(true) == 1 and true.isdisjoint(picked.values()):
                picked[group["id"]] = true.pop()
            if len(picked) == 2:
                break
        for identity in picked:
            self.page.locator(f"#view-identities li[data-id='{identity}'] .pick input").check()
        self.page.locator(".merging button.primary").click()
        self.page.locator(".notice").first.wait_for()
        return frozenset(picked.values())

    def name_largest(self, name: str) -> None:
        """Give the first identity of the sheet a name."""
        self._go("identities", ".sheet")
        field = self.page.locator("#view-identities input.name").first
        field.fill(name)
        field.press("Enter")
        self.page.locator(".notice").first.wait_for()

    def _identities(self, limit: int = 200) -> list[dict[str, Any]]:
        return self._get(f"/api/identities?offset=0&limit={min(limit, 100)}")["items"]

    def _identity(self, identity: str) -> dict[str, Any]:
        return self._get(f"/api/identities/{identity}")

    def _get(self, path: str) -> Any:
        return self.page.request.get(self.base + path).json()

    def _go(self, view: str, ready: str) -> None:
        self.page.evaluate(f"location.hash = '#/{view}'")
        base = f"#view-{view.partition('/')[0]}:not([hidden])"
        self.page.wait_for_selector(", ".join(f"{base} {each.strip()}" for each in ready.split(",")))

    # -- figures -------------------------------------------------------------------------------------------

    def exported(self) -> dict[str, Any]:
        """Export the identities by the button, and compare them with the true ones."""
        self._go("progress", ".exports")
        with self.page.expect_download() as waiting:
            self.page.locator(".exports a[data-name='identities.csv']").click()
        rows = list(csv.DictReader(Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()))
        self._go("answer", "h1")
        true = np.unique([self._true(row["name"]) for row in rows], return_inverse=True)[1]
        groups = np.array([int(row["identity"]) for row in rows])
        sure = np.array([row["confirmed"] in ("1", "true", "True", "yes") for row in rows])
        confirmed = np.where(sure, groups, groups.max() + 1 + np.arange(len(groups)))
        return {
            "images_confirmed": int(sure.sum()),
            "confirmed": _scores(confirmed, true),
            "with_suggested": _scores(groups, true),
        }

    def figures(self, started: float) -> dict[str, Any]:
        """What the session took."""
        status = self._get("/api/status")
        return {
            "images": len(self.truth),
            "answers": status["answers_total"],
            "screens": self.counts["screens"],
            "first_question_after_seconds": round(self.begun + self.waited - started, 1),
            "questions_minutes": round(self.answering / 60, 2),
            "minutes": round((time.perf_counter() - self.begun) / 60, 2),
            "complaints": self.complaints,
        }

    def tally(self) -> dict[str, Any]:
        """Answers to single questions, and wrong ones among them."""
        return {"name": self.name, "answers": self.counts["answers"], "wrong": self.counts["wrong"]}

    def weights(self) -> dict[str, float]:
        """What the answers of each annotator weigh."""
        return {line["name"]: line["weight"] for line in self._get("/api/progress")["annotators"]}

    def shoot(self, folder: Path | None, name: str) -> None:
        """Take a picture of the page as it stands."""
        if folder is not None:
            self.page.screenshot(path=folder / f"{name}.png")

    def shoot_pages(self, folder: Path | None, name: str) -> None:
        """Take a picture of each page."""
        for view, ready in (
            ("identities", ".sheet"),
            ("review", ".identity-bar, .empty h2"),
            ("progress", ".exports"),
        ):
            self._go(view, ready)
            self.page.wait_for_load_state("networkidle")
            self.shoot(folder, f"{name}-{view}")


_LABELS = "inputs => inputs.map((input) => input.getAttribute('aria-label'))"
_NEXT_SCREEN = "#view-review .identity-bar:not([data-seen]), #view-review .empty h2"
_STACKED = """() => {
  const [a, b] = [...document.querySelectorAll(".pane-picture")].map((pane) => pane.getBoundingClientRect());
  return b.top >= a.bottom && a.width > 0.9 * innerWidth;
}"""


def _scores(groups: np.ndarray, true: np.ndarray) -> dict[str, float]:
    found = asdict(evaluate_groups(groups, true))
    return {name: round(found[name], 4) for name in ("pairwise_precision", "pairwise_recall", "bcubed_f1")}


if __name__ == "__main__":
    run(main)
