"""The annotation page in a real browser, against a stand-in for its server."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parent))
from annotate_mock import PAGE, AnnotateMock, serve  # noqa: E402

pytestmark = pytest.mark.slow
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESK = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB", "has_touch": True, "is_mobile": True}
SIDEWAYS = {**PHONE, "viewport": {"width": 844, "height": 390}}
FORMS = {"desk": DESK, "upright": PHONE, "sideways": SIDEWAYS}
NOUNS = ("person", "animal", "vehicle", "object")
VIEWS = ("answer", "contradictions", "progress", "identities", "identities/g0")


CLOSED = "[data-waits][aria-disabled=true]"  # what cannot be pressed, as its pictures are not there
OPEN = f"!document.querySelector('.stage .columns') || !document.querySelector('{CLOSED}')"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def mock(request) -> Iterator[AnnotateMock]:
    mock = AnnotateMock(identities=8, **getattr(request, "param", {}))
    server = serve(mock)
    mock.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield mock
    server.shutdown()
    server.server_close()


tall_and_wide = pytest.mark.parametrize(
    "mock", [{"wide": False}, {"wide": True}], ids=["tall", "wide"], indirect=True
)


@pytest.fixture
def visit(browser, mock) -> Iterator[Callable]:
    """Opens the page; in the end no request may have left the origin, and no script or policy have failed."""
    contexts, foreign, failures = [], [], []

    def note_console(message) -> None:
        expected = "Failed to load resource" in message.text  # what a test's own outage does
        if message.type == "error" and not expected:
            failures.append(message.text)

    def open_page(options=DESK, *, path="/", ready: str | None = ".pane-picture img", **more):
        context = browser.new_context(**options, **more)
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.on(
            "request", lambda request: foreign.append(request.url) if _leaves(request.url, mock) else None
        )
        page = context.new_page()
        page.on("console", note_console)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(mock.url + path)
        if ready:
            page.wait_for_selector(ready)
        until(page, lambda: page.evaluate(OPEN))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert foreign == []
    assert failures == []


def _leaves(url: str, mock: AnnotateMock) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != mock.url


def until(page, condition: Callable[[], bool]) -> None:
    """Wait until something holds; the browser goes on meanwhile (its own waiting needs eval)."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        try:
            page.evaluate("new Promise(requestAnimationFrame)")
        except sync_api.Error as error:  # the page is being loaded again
            if "Execution context was destroyed" not in str(error):
                raise


def shown(page) -> list[str]:
    return page.eval_on_selector_all(".pane-picture img", "all => all.map(img => img.getAttribute('src'))")


def press(page, *keys: str) -> None:
    """Press keys one after another, each once the pictures it answers are there, as the page shows it."""
    for key in keys:
        until(page, lambda: page.evaluate(OPEN))
        page.keyboard.press(key)


def answers(mock: AnnotateMock) -> list[str]:
    return [entry["answer"] for entry in mock.log]


def saved(page) -> None:
    page.wait_for_selector("#saved[data-state=saved]")


def test_a_session_by_keyboard(visit, mock):
    page = visit()
    keys = ("y", "a", "ArrowRight", "n", "x", "ArrowLeft", "Space", "c", "b", "Shift+B")
    for number, key in enumerate(keys, start=1):
        until(page, lambda: len(shown(page)) == 2)  # while no pair is there keys do nothing
        press(page, key)
        until(page, lambda wanted=number: len(mock.log) == wanted)
    assert answers(mock) == [
        *["same"] * 3,
        *["different"] * 3,
        *["cannot_tell", "incomparable", "bad_candidate", "bad_query"],
    ]
    assert [entry["question"] for entry in mock.log] == [f"q{i}" for i in range(1, 11)]
    assert all(entry["seconds"] >= 0 for entry in mock.log)
    saved(page)
    assert page.locator("[data-figure=today] b").inner_text() == "10"


def test_a_session_by_mouse_leaves_the_keys_alone(visit, mock):
    page = visit()
    for answer in ("same", "different", "cannot_tell", "incomparable", "bad_candidate", "bad_query"):
        page.click(f"button[data-answer={answer}]")
    until(page, lambda: len(mock.log) == 6)
    press(page, "Space")  # not a second click on the button pressed last
    until(page, lambda: len(mock.log) == 7)
    expected = [
        "same",
        "different",
        "cannot_tell",
        "incomparable",
        "bad_candidate",
        "bad_query",
        "cannot_tell",
    ]
    assert answers(mock) == expected


def test_the_next_pair_is_there_before_the_server_has_answered(visit, mock):
    page = visit()
    until(page, lambda: len(mock.held) == 6)
    mock.delay = 1.0
    first, second = mock.known["q1"], mock.known["q2"]
    assert shown(page) == [first["query"]["url"], first["candidate"]["url"]]
    page.keyboard.press("y")
    assert shown(page) == [second["query"]["url"], second["candidate"]["url"]]
    assert page.eval_on_selector_all(".pane-picture img", "all => all.every(img => img.complete)")
    assert page.locator("#saved").get_attribute("data-state") == "saving"
    saved(page)


def test_undo_goes_back_any_number_of_steps_and_across_a_reload(visit, mock):
    page = visit()
    press(page, "y", "n", "c")
    until(page, lambda: len(mock.log) == 3)
    press(page, "Backspace")
    until(page, lambda: len(mock.log) == 2)
    assert shown(page)[1] == mock.known["q3"]["candidate"]["url"]
    saved(page)
    page.reload()
    page.wait_for_selector(".pane-picture img")
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=Taken back: Different")
    assert shown(page)[1] == mock.known["q2"]["candidate"]["url"]
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=Taken back: Same")
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=There is nothing left to undo.")
    press(page, "n", "n", "n")
    until(page, lambda: len(mock.log) == 3)
    assert [entry["question"] for entry in mock.log] == ["q1", "q2", "q3"]


def test_undo_at_once_and_another_answer(visit, mock):
    page = visit()
    mock.delay = 0.1
    press(page, "y", "Backspace", "n", "y")
    until(page, lambda: len(mock.log) == 2)
    saved(page)
    assert [(entry["question"], entry["answer"]) for entry in mock.log] == [
        ("q1", "different"),
        ("q2", "same"),
    ]


def test_an_undo_that_took_back_another_step_says_so(visit, mock):
    page = visit()
    press(page, "y")
    until(page, lambda: len(mock.log) == 1)
    saved(page)
    mock.answer(
        {"question": "q2", "answer": "same", "key": "another tab", "seconds": 1, "want": 0, "have": []}
    )
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=Taken back: Same")
    assert shown(page)[1] == mock.known["q2"]["candidate"]["url"]


@pytest.mark.parametrize("outage", ["refuse", "lose", 503])
def test_answers_survive_an_outage_and_a_reload_and_count_once(visit, mock, outage):
    page = visit()
    mock.outage = outage
    press(page, "y", "n", "y")
    page.wait_for_selector("#saved[data-state=failing]")
    assert page.locator("#saved").inner_text().startswith("Not saved yet (3)")
    mock.outage = "refuse"
    page.on("dialog", lambda dialog: dialog.accept())  # the warning that something is not saved
    page.reload()
    page.wait_for_selector("#gate .empty")
    mock.outage = None
    page.click("#gate button")
    saved(page)
    until(page, lambda: len(mock.log) == 3)
    assert [(entry["question"], entry["answer"]) for entry in mock.log] == [
        ("q1", "same"),
        ("q2", "different"),
        ("q3", "same"),
    ]
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('outbox')).length") == 0
    if outage == "lose":
        assert len([body for path, body in mock.posts if path == "/api/answers"]) > 3


def test_an_outage_ends_by_itself(visit, mock):
    page = visit()
    mock.outage = "refuse"
    press(page, "y")
    page.wait_for_selector("#saved[data-state=failing]")
    mock.outage = None
    saved(page)
    assert answers(mock) == ["same"]


def test_an_answer_counted_already_is_dropped_with_its_undo(visit, mock):
    page = visit()
    with mock.lock:
        mock.log.append({"question": "q1", "answer": "same", "key": "other", "event": 99})
    mock.delay = 0.2
    press(page, "n", "y", "Backspace")
    page.wait_for_selector("text=your answer to it was not needed")
    saved(page)
    assert [entry["question"] for entry in mock.log] == ["q1"]
    assert shown(page)[1] == mock.known["q2"]["candidate"]["url"]


def test_withdrawn_questions_are_not_shown(visit, mock):
    page = visit()
    until(page, lambda: len(mock.held) == 6)
    mock.withdraw("q2", "q3")
    press(page, "y")
    page.wait_for_selector("text=has settled that question")
    assert shown(page)[1] == mock.known["q4"]["candidate"]["url"]
    press(page, "n")
    until(page, lambda: len(mock.log) == 2)
    assert [entry["question"] for entry in mock.log] == ["q1", "q4"]


def test_a_key_held_down_answers_once(visit, mock):
    page = visit()
    page.keyboard.down("y")
    for _ in range(5):
        page.keyboard.down("y")  # Playwright marks these as repeats
    page.keyboard.up("y")
    until(page, lambda: bool(mock.log))
    saved(page)
    assert len(mock.log) == 1


def test_help_and_fields_keep_the_keys_to_themselves(visit, mock):
    page = visit()
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    press(page, "y", "n", "Backspace")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")
    page.focus("#language")
    page.keyboard.press("c")
    page.keyboard.press("Control+y")
    page.evaluate("document.activeElement.blur()")
    press(page, "n")
    until(page, lambda: bool(mock.log))
    saved(page)
    assert answers(mock) == ["different"]


def test_a_row_of_five(visit, mock):
    page = visit()
    page.keyboard.press("l")
    page.wait_for_selector(".row-others li:nth-child(5)")
    press(page, "2", "3", "3", "ArrowRight", "c", "Enter")
    until(page, lambda: len(mock.log) == 5)
    assert answers(mock) == ["different", "same", "different", "incomparable", "different"]
    until(page, lambda: page.evaluate("document.querySelectorAll('li[data-mark=same]').length === 0"))
    press(page, "Backspace")
    until(page, lambda: not mock.log)
    assert page.locator("li[data-place='1']").get_attribute("data-mark") == "same"
    press(page, "Enter")
    until(page, lambda: len(mock.log) == 5)
    page.reload()
    page.wait_for_selector(".row-others")  # the layout is remembered
    page.click("li[data-place='0'] .mark")
    assert page.locator("li[data-place='0']").get_attribute("data-mark") == "same"


def test_zoom_is_the_same_in_both_panes(visit):
    page = visit()
    box = page.locator(".pane-picture").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.wheel(0, -400)
    read = "all => all.map(img => img.style.transform)"
    first, second = page.eval_on_selector_all(".pane-picture img", read)
    assert "scale(2" in first
    assert first == second
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.up()
    moved = page.eval_on_selector_all(".pane-picture img", read)
    assert moved[0] == moved[1] != first
    page.keyboard.press("0")
    assert page.eval_on_selector_all(".pane-picture img", read) == ["", ""]
    page.keyboard.press("+")
    assert "scale(1.4)" in page.eval_on_selector_all(".pane-picture img", read)[1]


def test_contradictions_are_settled_and_answers_taken_back(visit, mock):
    page = visit()
    page.click("#status >> text=to settle")
    page.wait_for_selector(".contradiction")
    first = page.locator(".contradiction").first
    letters = first.locator(".chain[data-side=same] .letter").all_inner_texts()
    assert letters == ["A", "B"]  # the chain leads from one end to the other
    assert first.locator(".chain[data-side=same] li").count() == 3
    first.locator("text=Take this answer back").nth(1).click()
    until(page, lambda: len(mock.contradictions) == 1)
    assert mock.edits[-1]["event"] == 5
    until(page, lambda: page.locator(".contradiction").count() == 1)
    page.click(".contradiction button[data-answer=different]")
    page.wait_for_selector("text=No contradictions")
    assert mock.edits[-1]["answer"] == "different"


def test_progress_and_a_refresh(visit, mock):
    page = visit()
    page.click("nav >> text=Progress")
    page.wait_for_selector(".estimate")
    assert "93% 88% \u2013 97%" in " ".join(page.locator(".estimate").first.inner_text().split())
    page.click("text=Figures for researchers")
    assert page.locator(".chart:visible").count() == 3
    page.click("text=Learn now")
    page.wait_for_selector("#status progress")
    assert page.locator("#status progress").get_attribute("value") == "120"
    with page.expect_download() as download:
        page.click("text=pairs.csv")
    assert download.value.suggested_filename == "pairs.csv"


def test_a_model_that_does_not_learn_has_no_button_to_learn(visit, mock):
    mock.learns = False
    page = visit(path="/#/progress", ready=".estimate")
    assert "does not learn" in page.locator(".cards:visible").inner_text()
    assert page.locator("[data-name=refresh]").count() == 0


def test_identities_are_merged_split_and_named(visit, mock):
    page = visit()
    before = len(mock.groups)
    page.click("nav >> text=Identities")
    page.wait_for_selector(".sheet")
    boxes = page.locator(".pick input")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.click("text=Merge the two")
    until(page, lambda: len(mock.groups) == before - 1)
    page.wait_for_selector("text=The two are one identity now.")
    field = page.locator("input.name").first
    field.fill("Anna")
    field.press("Enter")
    until(page, lambda: "Anna" in mock.titles.values())
    page.locator(".mosaic").first.click()
    page.wait_for_selector(".images")
    for box in page.locator(".images input").all()[:2]:
        box.check()
    page.click("text=Split off 2 pictures")
    until(page, lambda: len(mock.groups) == before)
    page.wait_for_selector(".sheet")
    assert [edit["kind"] for edit in mock.edits] == ["merge", "name", "split"]


def test_identities_undo_their_own_edits_and_no_answer(visit, mock):
    page = visit()
    press(page, "y", "n")
    until(page, lambda: len(mock.log) == 2)
    before = len(mock.groups)
    page.click("nav >> text=Identities")
    page.wait_for_selector(".sheet")
    undo = page.locator(".page-tools [data-do=undo]")
    assert undo.is_disabled()
    field = page.locator("input.name").first
    field.fill("Anna")
    field.press("Enter")
    sync_api.expect(undo).to_have_text("Undo the name")
    boxes = page.locator(".pick input")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.click("text=Merge the two")
    page.click("text=Undo the merge")
    until(page, lambda: len(mock.groups) == before)
    page.click("text=Undo the name")
    until(page, lambda: not mock.titles)
    sync_api.expect(undo).to_have_text("Undo the last change")
    assert undo.is_disabled()
    assert answers(mock) == ["same", "different"]


def test_an_edit_out_of_date_is_said_in_one_line(visit, mock):
    page = visit()
    page.evaluate("location.hash = '#/identities/g99999'")
    page.wait_for_selector("text=identity g99999 is out of date; reload the page")


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        ("planning", "Choosing the next questions"),
        ("finished", "All done"),
        ("others", "Others have the remaining questions"),
    ],
)
def test_waiting_is_said_and_ends_by_itself(visit, mock, waiting, words):
    mock.waiting = waiting
    page = visit(ready=f"text={words}")
    if waiting == "planning":
        mock.waiting = None
        page.wait_for_selector(".pane-picture img")


def test_a_visitor_without_a_token_signs_in_with_one(visit, mock):
    mock.token = "secret"
    page = visit(ready="text=Open the link that you were given")
    page.fill("input[name=token]", "wrong")
    page.click("#gate button[type=submit]")
    page.wait_for_selector("text=this token is not known")
    page.fill("input[name=token]", "secret")
    page.click("#gate button[type=submit]")
    page.wait_for_selector(".pane-picture img")
    assert page.locator("#who").inner_text() == "You are me"
    assert page.locator("#who button").count() == 0  # a token has one name


def test_the_token_of_a_link_does_not_stay_in_the_address(visit, mock):
    mock.token = "secret"
    page = visit(path="/?token=wrong", ready="text=this token is not known")
    page.goto(f"{mock.url}/?token=secret")
    page.wait_for_selector(".pane-picture img")
    assert urlsplit(page.url).query == ""


def test_a_name_is_chosen_on_the_page(visit, mock):
    page = visit()
    page.click("text=You are me")
    page.fill("#name input", "anna")
    page.click("text=Use this name")
    page.wait_for_selector("text=You are anna")
    assert ("/api/sign-in", {"name": "anna"}) in mock.posts


def test_the_name_of_a_link_is_taken_only_when_one_says_so(visit, mock):
    page = visit(path="/?as=ben", ready="text=Are you ben?")
    assert mock.annotator == "me"
    page.click("text=Go on as me")
    page.wait_for_selector("text=You are me")
    page.goto(f"{mock.url}/?as=ben")
    page.click("text=I am ben")
    page.wait_for_selector("text=You are ben")
    assert urlsplit(page.url).query == ""


def test_a_page_whose_session_has_gone_says_so_and_keeps_its_answers(visit, mock):
    page = visit()
    page.on("dialog", lambda dialog: dialog.accept())
    mock.outage = 503
    press(page, "y", "n")
    page.wait_for_selector("#saved[data-state=failing]")
    mock.outage, mock.session_id = None, "another"
    page.wait_for_selector("[data-lost=other_session]")
    assert "2 answers are not saved yet" in page.locator("#gate").inner_text()
    page.reload()
    page.wait_for_selector(".pane-picture img")
    assert mock.log == []  # they are no answers of this session
    mock.session_id = "session"
    page.reload()
    until(page, lambda: len(mock.log) == 2)
    assert answers(mock) == ["same", "different"]


def test_a_page_whose_name_was_changed_elsewhere_says_so_and_keeps_its_answers(visit, mock):
    page = visit()
    page.on("dialog", lambda dialog: dialog.accept())
    mock.annotator = "ben"
    press(page, "y")
    page.wait_for_selector("text=This browser now answers as ben")
    assert "1 answer is not saved yet" in page.locator("#gate").inner_text()
    page.click("text=Go on as ben")
    page.wait_for_selector("text=You are ben")
    assert mock.log == []  # it is none of ben's
    page.goto(f"{mock.url}/?as=me")
    page.click("text=I am me")
    page.wait_for_selector("text=You are me")
    until(page, lambda: answers(mock) == ["same"])


def test_a_page_that_was_signed_out_says_so(visit, mock):
    mock.token = "secret"
    page = visit(path="/?token=secret")
    page.context.clear_cookies()
    press(page, "y")
    page.wait_for_selector("[data-lost=signed_out]")
    page.fill("input[name=token]", "secret")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#gate button[type=submit]")
    until(page, lambda: answers(mock) == ["same"])


def test_of_a_picture_that_is_missing_nobody_says_who_is_on_it(visit, mock):
    mock.files[mock.fill(1)[0]["candidate"]["id"]] = b"no picture"
    page = visit(ready="text=This picture could not be loaded")
    sync_api.expect(page.locator("button[data-answer=same]")).to_be_disabled()
    open_ones = page.eval_on_selector_all(
        ".answer[data-answer]:not(:disabled)", "all => all.map(one => one.dataset.answer)"
    )
    assert open_ones == ["cannot_tell", "bad_query", "bad_candidate"]
    press(page, "y", "n", "c", "Space")
    until(page, lambda: answers(mock) == ["cannot_tell"])


@pytest.mark.parametrize("layout", ["pair", "row"])
def test_of_pictures_on_their_way_nothing_is_said_and_the_buttons_show_it(visit, mock, layout):
    page = visit()
    on_their_way, held = [], [True]
    page.route("**/images/**", lambda route: on_their_way.append(route) if held else route.continue_())
    if layout == "row":
        page.keyboard.press("l")
    else:
        page.reload()
    until(page, lambda: len(on_their_way) > 5 and page.locator(".stage .columns").count())
    closed = page.locator(CLOSED)
    assert closed.count() == page.locator("[data-waits]").count() == {"pair": 6, "row": 22}[layout]
    page.keyboard.press("y")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    for button in closed.all():
        button.click(force=True)
    assert page.locator("[data-mark=same]").count() == 0
    held.clear()
    for route in on_their_way:
        route.continue_()
    sync_api.expect(closed).to_have_count(0)
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    saved(page)
    until(page, lambda: len(mock.log) == {"pair": 1, "row": 5}[layout])


def test_in_a_row_a_candidate_without_its_picture_is_not_called_different(visit, mock):
    missing = mock.fill(5)[1]["candidate"]["id"]
    mock.files[missing] = b"no picture"
    page = visit()
    page.keyboard.press("l")
    page.wait_for_selector("li[data-place='1'] .missing")
    sync_api.expect(page.locator("li[data-place='1'] .mark")).to_be_disabled()
    press(page, "2", "1", "Enter")
    until(page, lambda: len(mock.log) == 5)
    assert answers(mock)[:3] == ["same", "cannot_tell", "different"]


def test_thumbnails_that_are_missing_are_left_out(visit, mock):
    seen = {image["id"] for question in mock.fill(1) for image in (question["query"], question["candidate"])}
    mock.files = [file if i in seen else b"no picture" for i, file in enumerate(mock.files)]
    page = visit()
    broken = "all => all.filter(img => img.checkVisibility() && img.complete && !img.naturalWidth).length"
    for place in (".thumbs img", ".mosaic img"):
        if place == ".mosaic img":
            page.evaluate("location.hash = '#/identities'")
            page.wait_for_selector(".mosaic")
        until(page, lambda place=place: page.locator(place.replace("img", "[hidden]")).count() > 0)
        until(page, lambda place=place: page.eval_on_selector_all(place, broken) == 0)


def test_languages(visit):
    page = visit()
    page.select_option("#language", "de")
    page.wait_for_selector("h1:has-text('Dasselbe?')")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.reload()
    page.wait_for_selector("h1:has-text('Dasselbe?')")
    assert page.locator("button[data-answer=different]").inner_text().startswith("Verschieden")


def test_the_language_reaches_the_bar_and_the_pictures(visit):
    page = visit()
    assert page.locator("#who").inner_text() == "You are me"
    assert page.locator(".pane-picture img").first.get_attribute("alt").startswith("Picture A, camera ")
    page.select_option("#language", "de")
    page.wait_for_selector("h1:has-text('Dasselbe?')")
    assert page.locator("#who").inner_text() == "Du bist me"
    assert page.locator(".pane-picture img").nth(1).get_attribute("alt").startswith("Bild B, Kamera ")


def test_labels_tell_things_apart(visit, mock):
    mock.titles["g0"] = "Anna"
    page = visit()
    page.keyboard.press("l")
    page.wait_for_selector(".row-others li:nth-child(5)")
    read = "all => all.map(one => one.alt || one.ariaLabel)"
    pictures = page.eval_on_selector_all(".pane-picture img", read)
    assert [words.split(",")[0] for words in pictures] == [
        "Find this",
        *(f"Picture {i}" for i in range(1, 6)),
    ]
    page.evaluate("location.hash = '#/identities'")
    page.wait_for_selector(".sheet")
    picks = page.eval_on_selector_all(".pick input", read)
    assert len(set(picks)) == len(picks)
    assert "Tick Anna" in picks
    page.evaluate("location.hash = '#/identities/g0'")
    page.wait_for_selector(".images")
    boxes = page.eval_on_selector_all(".images input", read)
    assert len(set(boxes)) == len(boxes)
    assert all(any(name in words for words in boxes) for name in (mock.names[i] for i in mock.groups["g0"]))
    assert page.locator(".images label").first.get_by_role("img").count() == 0  # said once, by the box


def test_the_first_tab_is_the_skip_link(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "brand"


def test_words_are_true(visit, mock):
    status = mock.status
    mock.status = lambda: {**status(), "model": {"round": 1, "answers": 0}}
    page = visit()
    page.wait_for_selector("text=The model has got used to your pictures, without answers.")
    assert page.locator("[data-figure=today] dd").inner_text() == "0 today by you, 340 in all"
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=There is nothing left to undo.")
    assert page.locator(".notice > .icon").count() == 0
    page.keyboard.press("?")
    assert "Everywhere" not in page.locator("#help").inner_text()
    page.keyboard.press("Escape")
    page.evaluate("location.hash = '#/progress'")
    page.wait_for_selector("a[href='/api/export/labelstudio.xml']")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_stand_out_from_their_ground(visit, scheme):
    page = visit(color_scheme=scheme)
    page.keyboard.press("l")
    page.wait_for_selector(".row-others li:nth-child(5)")
    page.locator("li[data-place='1'] .mark").click()
    contrast = """(all) => {
        const light = (words) => words.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
            .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        return all.filter((one) => one.checkVisibility()).map((one) => {
            let around = one.parentElement;
            const clear = (element) => /, 0\\)/.test(getComputedStyle(element).backgroundColor);
            while (clear(around)) around = around.parentElement;
            const border = light(getComputedStyle(one).borderBottomColor);
            const ground = light(getComputedStyle(around).backgroundColor);
            return (Math.max(border, ground) + 0.05) / (Math.min(border, ground) + 0.05);
        });
    }"""
    places = "#language, .secondary, .answer.minor, .mark, .marks .icon-button, input.name"
    shown_by = {"answer": ".row-others", "identities": ".sheet", "identities/g0": ".images"}
    for name, ready in shown_by.items():
        page.evaluate(f"location.hash = '#/{name}'")
        page.wait_for_selector(ready)
        assert min(page.eval_on_selector_all(places, contrast)) >= 3, name


def test_dark_mode_follows_the_system_until_one_chooses(visit):
    page = visit(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(15, 19, 25)"
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(243, 245, 248)"
    page.reload()
    page.wait_for_selector(".pane-picture img")
    assert page.evaluate(ground) == "rgb(243, 245, 248)"


def test_phone(visit, mock):
    page = visit(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("same", "different", "cannot_tell"):
        box = page.locator(f"button[data-answer={name}]").bounding_box()
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 844
    for way, expected in (((120, 0), "same"), ((-120, 0), "different"), ((0, -120), "cannot_tell")):
        count = len(mock.log)
        _swipe(page, *way)
        until(page, lambda count=count: len(mock.log) == count + 1)
        assert answers(mock)[-1] == expected
    _swipe(page, 0, 120)
    saved(page)
    assert len(mock.log) == 3


def test_the_help_begins_with_swipes_where_one_touches(visit):
    page = visit(PHONE)
    page.click("#help-button")
    titles = page.locator("dialog h3").all_inner_texts()
    assert titles[0] == "By touch, two at a time"
    desk = visit()
    desk.click("#help-button")
    assert desk.locator("dialog h3").all_inner_texts()[0] == "Your answer"


def _swipe(page, dx: int, dy: int) -> None:
    touch = page.context.new_cdp_session(page)
    box = page.locator(".pane-picture").first.bounding_box()
    x, y = box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 2
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.5, 1):
        point = {"x": x + dx * part, "y": y + dy * part}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(visit, width):
    page = visit({"viewport": {"width": width, "height": 740}, "locale": "de-DE"})
    for name in ("answer", "contradictions", "progress", "identities"):
        page.evaluate(f"location.hash = '#/{name}'")
        page.wait_for_selector(f"#view-{name}:not([hidden]) h1")
        until(page, lambda: page.evaluate("!document.querySelector('.view:not([hidden]) [aria-busy]')"))
        assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth"), name


def go(page, view: str) -> None:
    """Open a view and wait until it is drawn."""
    page.evaluate(f"location.hash = '#/{view}'")
    page.wait_for_selector(f"#view-{view.partition('/')[0]}:not([hidden]) h1")
    until(page, lambda: page.evaluate("!document.querySelector('.view:not([hidden]) [aria-busy]')"))


INSIDE = """all => all.filter(one => one.checkVisibility()).every(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
})"""


# -- layouts -----------------------------------------------------------------------------------------------


@tall_and_wide
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["pair", "row"])
def test_pictures_are_large_and_buttons_in_reach(visit, mock, form, layout):
    page = visit(FORMS[form])
    if layout == "row":
        page.keyboard.press("l")
        page.wait_for_selector(".row-others li:nth-child(5)")
    boxes = [box.bounding_box() for box in page.locator(".pane-picture").all()]
    wide = mock.width > mock.height
    assert len(boxes) == (2 if layout == "pair" else 6)
    least = {  # width and height of a box in pixels, of tall and of wide pictures
        ("pair", "desk"): [(480, 350), (480, 350)],
        ("pair", "upright"): [(170, 340), (350, 180)],
        ("pair", "sideways"): [(300, 280), (300, 280)],
        ("row", "desk"): [(120, 250), (250, 150)],
        ("row", "upright"): [(100, 160), (150, 90)],
        ("row", "sideways"): [(80, 180), (180, 80)],
    }[layout, form][wide]
    assert min(box["width"] for box in boxes) >= least[0]
    assert min(box["height"] for box in boxes) >= least[1]
    assert page.eval_on_selector_all(".answer, .marks button, .pane-picture", INSIDE)
    if form != "desk":
        heights = [one.bounding_box()["height"] for one in page.locator(".answer").all()]
        assert min(heights) >= 44
    sizes = "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    assert min(page.eval_on_selector_all(".answer", sizes)) >= 12


@tall_and_wide
def test_on_a_phone_held_upright_wide_pictures_are_stacked(visit, mock):
    page = visit(PHONE)
    first, second = (box.bounding_box() for box in page.locator(".pane-picture").all())
    assert (first["y"] + first["height"] <= second["y"]) == (mock.width > mock.height)


@pytest.mark.parametrize("view", ["answer", "contradictions", "identities", "identities/g0"])
def test_small_pictures_are_whole_and_their_boxes_filled(visit, view):
    page = visit()
    go(page, view)
    page.wait_for_selector(".view:not([hidden]) .tile img")
    tiles = page.locator(".view:not([hidden]) .tile")
    fits = tiles.locator("img").evaluate_all("all => all.map(img => getComputedStyle(img).objectFit)")
    assert set(fits) == {"contain"}
    fills = tiles.evaluate_all("all => all.map(box => getComputedStyle(box, '::before').backgroundImage)")
    assert all("size=small" in fill for fill in fills)


def test_the_picture_beside_is_not_repeated_in_the_strip(visit, mock):
    page = visit()
    for column, image in enumerate((mock.known["q1"]["query"], mock.known["q1"]["candidate"])):
        strip = page.locator(".pane").nth(column).locator(".thumbs img")
        sources = strip.evaluate_all("all => all.map(img => img.getAttribute('src'))")
        assert image["small"] not in sources


def test_the_original_is_fetched_only_when_enlarged(visit, mock):
    page = visit()
    assert all("size=large" in source for source in shown(page))
    page.keyboard.press("+")
    originals = [mock.known["q1"][side]["original"] for side in ("query", "candidate")]
    until(page, lambda: shown(page) == originals)


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_a_phone_shows_all_tabs_and_unfolds_all_figures(visit, mock, language):
    mock.refresh = {"state": "running", "what": "train", "done": 120, "total": 400, "message": None}
    page = visit({**PHONE, "locale": language})
    page.wait_for_selector("#status progress")
    assert page.eval_on_selector_all("nav a", INSIDE)
    page.click(".unfold")
    figures = page.locator(".figures > div")
    assert figures.count() == len([figure for figure in figures.all() if figure.is_visible()]) >= 8
    assert page.eval_on_selector_all(".figures > div", INSIDE)


def test_a_layout_chosen_while_an_answer_is_on_its_way_shows_whole_rows(visit, mock):
    page = visit()
    mock.delay = 0.5
    press(page, "n", "l")
    saved(page)
    page.wait_for_selector(".row-others li:nth-child(4)")
    assert mock.log[0]["question"] == "q1"


@pytest.mark.parametrize("form", FORMS)
def test_notices_cover_neither_heading_nor_buttons(visit, form):
    page = visit(FORMS[form])
    page.keyboard.press("Backspace")
    notice = page.wait_for_selector(".notice").bounding_box()
    for place in ("h1", ".main-answers .answer"):
        for one in page.locator(f"#view-answer {place}").all():
            box = one.bounding_box()
            apart = (
                notice["y"] + notice["height"] <= box["y"]
                or box["y"] + box["height"] <= notice["y"]
                or notice["x"] + notice["width"] <= box["x"]
                or box["x"] + box["width"] <= notice["x"]
            )
            assert apart, place


# -- words -------------------------------------------------------------------------------------------------


TABLES = {name: json.loads((PAGE / "i18n" / f"{name}.json").read_text("utf-8")) for name in ("en", "de")}
RESEARCH = {"progress.calibration", "progress.research", "rounds.returns", "rounds.map", "rounds.rank1"}


def forms(words) -> list[str]:
    return list(words.values()) if isinstance(words, dict) else [words]


def test_the_tables_have_the_same_keys_nouns_and_values_to_fill_in():
    english, german = TABLES["en"], TABLES["de"]
    assert list(english) == list(german)
    for key in english:
        assert type(english[key]) is type(german[key]), key
        for table in TABLES.values():
            assert not isinstance(table[key], dict) or tuple(table[key]) == NOUNS, key
        every = [form for table in TABLES.values() for form in forms(table[key])]
        gaps = [set(re.findall(r"{(\w+)}", form)) for form in every]
        assert all(gap == gaps[0] for gap in gaps), key


def test_every_key_that_the_page_uses_is_in_the_table():
    table = {*TABLES["en"], *(re.sub(r"\.(one|other)$", "", key) for key in TABLES["en"])}
    source = "".join(path.read_text("utf-8") for path in [*PAGE.glob("*.js"), PAGE / "index.html"])
    named = set(re.findall(r"""\bt\(\s*["']([\w.]+)["']""", source))
    named |= set(re.findall(r"""data-i18n(?:-label)?="([\w.]+)\"""", source))
    assert len(named) > 80
    assert named <= table
    for start in set(re.findall(r"\bt\(\s*`([\w.]+\.)\$\{", source)):
        assert any(key.startswith(start) for key in table), start


@pytest.mark.parametrize("language", ["en", "de"])
def test_words_of_the_field_are_kept_from_those_who_answer(language):
    jargon = r"quer(y|ies)|anfrage|candidate|kandidat|\bpicks?\b|k_max|\bagent|episode|embed|\bpool\b|crop"
    for key, words in TABLES[language].items():
        if key not in RESEARCH and not key.startswith("rounds."):
            for form in forms(words):
                assert not re.search(jargon, form, re.IGNORECASE), (key, form)


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_no_key_and_no_gap_is_shown(visit, mock, language):
    mock.refresh = {"state": "running", "what": "decode", "done": 1, "total": 4, "message": None}
    page = visit({**DESK, "locale": language})
    page.wait_for_selector("#status progress")
    for view in VIEWS:
        go(page, view)
        words = page.evaluate("""[...document.querySelectorAll('*')].flatMap(one => [
            ...[...one.childNodes].filter(node => node.nodeType === 3).map(node => node.data),
            one.title, one.alt, one.placeholder, one.ariaLabel].filter(Boolean))""")
        keys = tuple(TABLES["en"])
        raw = [word for word in words if word.strip() in keys or re.search(r"{\w+}", word)]
        assert raw == [], view


@pytest.mark.parametrize(
    ("noun", "english", "german"),
    [
        ("person", "Same person?", "Dieselbe Person?"),
        ("animal", "Same animal?", "Dasselbe Tier?"),
        ("vehicle", "Same vehicle?", "Dasselbe Fahrzeug?"),
        ("object", "Same one?", "Dasselbe?"),
    ],
)
def test_the_question_names_what_the_pictures_show(visit, mock, noun, english, german):
    mock.noun = noun
    page = visit()
    sync_api.expect(page.locator("#view-answer h1")).to_have_text(english)
    page.select_option("#language", "de")
    sync_api.expect(page.locator("#view-answer h1")).to_have_text(german)


@pytest.mark.parametrize(
    ("what", "words"),
    [("decode", "reading pictures"), ("something new", "working"), ("train", "learning from")],
)
def test_what_the_model_does_is_said_in_words(visit, mock, what, words):
    mock.refresh = {"state": "running", "what": what, "done": 1, "total": 4, "message": None}
    page = visit()
    sync_api.expect(page.locator("#status .refresh")).to_contain_text(words)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"round": 0, "answers": 0}, "The model has not learned from your pictures yet."),
        ({"round": 1, "answers": 0}, "The model has got used to your pictures, without answers."),
        ({"round": 2, "answers": 1}, "The model has learned from 1 answer."),
    ],
    ids=["at the start", "adapted", "refreshed"],
)
def test_what_the_model_has_learned_from_is_true(visit, mock, model, words):
    status = mock.status
    mock.status = lambda: {**status(), "model": model}
    sync_api.expect(visit().locator("#status")).to_contain_text(words)


@pytest.mark.parametrize(
    ("chance", "changed", "asked", "words"),
    [
        (0.9, 9, 10, "Go on: 9 of the last 10 answers changed something"),
        (0.01, 0, 100, "You may stop: of the last 100 answers, 0 changed something"),
        (1.0, 1, 1, "Not known yet: it takes a few more answers"),
        (None, 0, 0, "Not known yet: it takes a few more answers"),
    ],
    ids=["go on", "stop", "one answer", "no answer"],
)
def test_whether_to_go_on_is_said_in_words(visit, mock, chance, changed, asked, words):
    progress = mock.progress
    figures = {"stop_chance": chance, "changed": {"changed": changed, "asked": asked}}
    mock.progress = lambda: {**progress(), **figures}
    page = visit()
    go(page, "progress")
    sync_api.expect(page.locator("#view-progress")).to_contain_text(words)


def test_no_figure_is_shown_before_its_interval_is_worth_showing(visit, mock):
    progress = mock.progress
    audit = {"precision": [1.0, 0.03, 1.0], "recall": [0.71, 0.6, 0.83], "answers": 1}
    mock.progress = lambda: {**progress(), "audit": audit}
    page = visit()
    go(page, "progress")
    first, second = (one.inner_text() for one in page.locator(".estimate").all())
    assert "100" not in first
    assert "not known well enough yet" in first
    assert "71%" in second


def test_confirmed_and_suggested_pictures_are_told_apart(visit, mock):
    page = visit()
    assert page.locator("[data-figure=images] b").inner_text() == "5,210"
    assert page.locator("[data-figure=suggested] b").inner_text() == "800"
    assert page.locator(".thumbs .tile.suggested").count() > 0
    assert "of them suggested" in page.locator(".strip p").first.inner_text()
    go(page, "identities/g0")
    members = mock.group("g0", 100)["images"]
    boxes = page.locator(".images li:has(.suggested) input")
    marked = boxes.evaluate_all("all => all.map(box => box.ariaLabel)")
    assert len(marked) == sum(not image["confirmed"] for image in members) > 0
    assert all("suggested, 78%" in label for label in marked)


# -- reading aloud and the keyboard ------------------------------------------------------------------------


def test_each_question_is_announced_anew(visit, mock):
    mock.cameras = np.ones_like(mock.cameras)  # otherwise alike
    page = visit()
    read = "document.getElementById('live-question').textContent"
    said = [page.evaluate(read)]
    for count in range(1, 4):
        press(page, "n")
        until(page, lambda count=count: len(mock.log) == count)
        said.append(page.evaluate(read))
    assert len(set(said)) == 4


FOCUS = "document.activeElement === document.body ? 'body' : document.activeElement.dataset.name || 'heading'"


def test_the_focus_stays_where_one_pressed(visit, mock):
    page = visit()
    page.focus("button[data-answer=different]")
    press(page, "Enter")
    until(page, lambda: len(mock.log) == 1)
    assert page.evaluate(FOCUS) == "different"
    page.keyboard.press("l")
    page.focus("li[data-place='1'] .mark")
    press(page, "Enter")
    page.wait_for_selector("li[data-place='1'][data-mark=same]")
    assert page.evaluate(FOCUS) == "mark-1"


def test_the_focus_does_not_get_lost_with_what_was_pressed(visit, mock):
    page = visit()
    mock.waiting = "finished"
    for _ in range(6):
        page.focus("button[data-answer=different]")
        press(page, "Enter")
    until(page, lambda: len(mock.log) == 6)
    page.wait_for_selector("[data-state=finished]")
    assert page.evaluate(FOCUS) == "heading"
    go(page, "contradictions")
    page.focus(".contradiction button[data-answer=different]")
    page.keyboard.press("Enter")
    until(page, lambda: len(mock.contradictions) == 1)
    until(page, lambda: page.evaluate(FOCUS) != "body")
    go(page, "identities")
    for place in (0, 1):
        page.locator(".pick input").nth(place).check()
    page.focus(".merging .primary")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The two are one identity now.")
    until(page, lambda: page.evaluate(FOCUS) != "body")
