"""Adding pictures, answers and identities in a real browser, at the real server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

from axe_core import axe_source, broken_rules  # noqa: E402
from living_world import anna_answers, image_table  # noqa: E402
from page_server import serving_app  # noqa: E402
from test_adding_page import TRUTH, reopened, week_two  # noqa: E402
from test_importing_page import told  # noqa: E402

from reid_al_agents.annotate.server.access import Access  # noqa: E402
from reid_al_agents.annotate.server.app import create_app  # noqa: E402
from reid_al_agents.annotate.server.rate_limit import RateLimit  # noqa: E402

pytestmark = pytest.mark.slow
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESK = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB"}
expect = sync_api.expect


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path):
    """A session about 24 photographs in a folder, and its address."""
    image_table(tmp_path / "data", 4)
    with reopened(tmp_path) as opened:
        anna_answers(opened, 12, TRUTH)
        access, limit = Access(b"s" * 32), RateLimit(1e6, 1e6)
        app = create_app(opened.session, opened.refreshing, opened.pictures, access, limit=limit)
        with serving_app(app) as url:
            yield opened, url


@pytest.fixture
def page(browser, served) -> Iterator[object]:
    """The page of one person; no script and no policy may have failed in the end."""
    failures = []
    context = browser.new_context(**DESK)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(f"{served[1]}/#/progress")
    page.click("text=Add …")
    page.wait_for_selector("#view-add .card")
    yield page
    context.close()
    assert failures == []


def notice(page, words):
    expect(page.locator(".notice", has_text=words).first).to_be_visible()


def test_pictures_are_proposed_for_and_join(page, served, tmp_path):
    opened, _ = served
    images = sorted(week_two(tmp_path).iterdir())
    page.set_input_files("input[data-name=pictures]", images)
    page.wait_for_selector(".proposals > li")
    expect(page.locator("#view-add")).to_contain_text("6 pictures are new.")
    shown = page.locator(".proposals img")
    assert page.evaluate(
        "Promise.all([...document.querySelectorAll('.proposals img')].map(one => { one.loading = 'eager'; "
        "return one.decode().then(() => one.naturalWidth > 0) })).then(all => all.every(Boolean))"
    )
    assert shown.count() >= 6
    assert len(opened.session.state.features) == 24
    page.click("[data-do=accept]")
    notice(page, "The new pictures are in the project.")
    assert len(opened.session.state.features) == 30
    expect(page.locator("[data-figure=images] dd")).to_contain_text("of 30")
    page.set_input_files("input[data-name=pictures]", images)
    page.wait_for_selector("text=None of these pictures is new.")
    expect(page.locator("#view-add")).to_contain_text("6 pictures are here already.")
    page.click("[data-do=discard]")
    expect(page.locator("#view-add .proposals")).to_have_count(0)


def test_a_whole_folder_is_chosen_and_discarded(page, served, tmp_path):
    opened, _ = served
    page.set_input_files("input[data-name=folder]", week_two(tmp_path))
    page.wait_for_selector(".proposals > li")
    names = page.eval_on_selector_all(".proposals > li img", "all => all.map(one => one.alt)")
    assert any("week2/10_0.png" in name for name in names)
    page.reload()  # what is proposed is still there
    page.wait_for_selector(".proposals > li")
    page.click("[data-do=discard]")
    expect(page.locator(".proposals > li")).to_have_count(0)
    assert len(opened.session.state.features) == 24
    assert not list((tmp_path / "out" / "uploaded").iterdir())


def test_a_file_that_holds_no_picture_is_said(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    page.set_input_files("input[data-name=pictures]", tmp_path / "notes.txt")
    page.wait_for_selector("text=The pictures could not be added")
    page.get_by_role("button", name="Close").last.click()
    expect(page.locator("#view-add [role=alert]")).to_have_count(0)


def test_answers_are_shown_then_taken_in_and_taken_back(page, served, tmp_path):
    opened, _ = served
    names = opened.session.state.features.names
    before = len(told(opened))
    table = tmp_path / "pairs.csv"
    lines = [f"{names[0]},{names[6]},same", f"{names[0]},{names[1]},different"]
    table.write_text("query_name,candidate_name,answer\n" + "\n".join(lines) + "\n")
    page.set_input_files("input[data-name=import]", table)
    expect(page.locator("#view-add")).to_contain_text("2, of these 1 same and 1 different")
    assert len(told(opened)) == before
    page.click("[data-do=take-in]")
    notice(page, "Taken in from pairs.csv: 2 entries.")
    assert len(told(opened)) == before + 2
    page.set_input_files("input[data-name=import]", table)
    page.wait_for_selector("text=Everything in pairs.csv is here already.")
    page.evaluate("location.hash = '#/history'")
    first = page.locator(".acts > li").first
    expect(first).to_contain_text("Imported pairs.csv, about 3 pictures")
    first.locator("[data-do=take]").click()
    notice(page, "Taken back.")
    assert len(told(opened)) == before


def test_a_table_that_cannot_be_read_is_said_in_its_own_words(page, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    page.set_input_files("input[data-name=import]", tmp_path / "table.csv")
    expect(page.locator("#view-add [role=alert]")).to_contain_text("table.csv: line 1: found a, b")
    assert str(tmp_path) not in page.locator("#view-add").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("form", ["desk", "phone"])
def test_no_rule_of_accessibility_is_broken(browser, served, request, tmp_path, theme, form):
    axe = axe_source(request.config)
    opened, url = served
    shape = DESK if form == "desk" else PHONE
    context = browser.new_context(**shape, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    page = context.new_page()
    page.goto(f"{url}/#/add")
    page.wait_for_selector("#view-add .card")
    names = opened.session.state.features.names
    table = tmp_path / "identities.csv"
    table.write_text(f"path,identity\n{names[0]},Limpy\n{names[6]},Limpy\n")
    page.set_input_files("input[data-name=import]", table)
    page.wait_for_selector("[data-do=take-in]")
    page.set_input_files("input[data-name=pictures]", sorted(week_two(tmp_path).iterdir()))
    page.wait_for_selector(".proposals > li")
    assert broken_rules(page, axe) == []
    assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")
    context.close()


def test_in_german_what_readers_say_is_german(browser, served, tmp_path):
    """Both ways: a file that is refused at once, and pictures that cannot be looked at in the background."""
    (tmp_path / "pairs.csv").write_text("query_name,candidate_name,answer\n0_0.png,nobody.png,same\n")
    (tmp_path / "notes.txt").write_text("no picture")
    context = browser.new_context(**{**DESK, "locale": "de-DE"})
    page = context.new_page()
    page.goto(f"{served[1]}/#/add")
    page.set_input_files("input[data-name=import]", tmp_path / "pairs.csv")
    alert = page.locator("#view-add [role=alert]")
    expect(alert).to_have_text(
        "pairs.csv: Zeile 2: candidate_name „nobody.png“ ist keines der 24 Bilder; schreibe die Namen so "
        "wie in identities.csv."
    )
    page.set_input_files("input[data-name=pictures]", tmp_path / "notes.txt")
    expect(page.locator("#view-add [role=alert]").last).to_contain_text(
        "Darin ist kein Bild (ausgelassen: 1 .txt"
    )
    context.close()
