"""The pages of identities, the review and the history in a real browser, at the real server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("fastapi")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

from axe_core import axe_source, broken_rules  # noqa: E402
from page_server import SIZE, people, sequences, serving  # noqa: E402

from reid_al_agents.annotate.server.serving import make_access  # noqa: E402
from reid_al_agents.data import ImageSet  # noqa: E402
from reid_al_agents.log.events import Event  # noqa: E402

pytestmark = pytest.mark.slow
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESK = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
expect = sync_api.expect


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path) as (world, url):
        yield world, url


@pytest.fixture
def world(served):
    return served[0]


@pytest.fixture
def page(browser, served) -> Iterator[object]:
    """The page of one person; no script, policy or request may have failed in the end."""
    failures = []
    context = browser.new_context(**DESK)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(served[1])
    page.wait_for_selector(".pane-picture img")
    wait_for_pictures(page)
    yield page
    context.close()
    assert failures == []


def wait_for_pictures(page):
    """Wait until the question can be answered."""
    expect(page.locator("[data-waits][aria-disabled=true]")).to_have_count(0)


def go(page, view, ready):
    page.evaluate(f"location.hash = '#/{view}'")
    page.wait_for_selector(f"#view-{view.partition('/')[0]}:not([hidden]) {ready}")


def largest(world, count=1):
    found = world.session.identities()
    return [found.key(group) for group in found.ordered("size")[:count]]


def answers(world):
    return [event for event in world.session.counting() if event.kind == "answer"]


def saved(page, words):
    expect(page.locator(".notice", has_text=words).first).to_be_visible()


def test_a_suggested_identity_is_confirmed_by_the_keyboard_and_undone(page, world):
    (identity,) = largest(world)
    go(page, f"identities/{identity}", ".images")
    size = page.locator(".images li").count()
    page.focus("[data-do=confirm]")
    page.keyboard.press("Enter")
    saved(page, f"Confirmed: {size} pictures.")
    page.wait_for_selector(".sheet")
    assert len(answers(world)) == size - 1
    assert {event.question_kind for event in answers(world)} == {"screen"}
    undo = page.locator("[data-do=undo]").last
    expect(undo).to_have_text("Undo the confirmation")
    undo.click()
    saved(page, "Taken back: a confirmed identity")
    assert answers(world) == []


def test_the_review_shows_what_fits_least_splits_it_off_and_goes_on(page, world):
    go(page, "review", ".images")
    first = page.locator(".identity-bar").get_attribute("data-id")
    found = world.session.identities()
    likely = found.probabilities
    ids = found.images(found.find(first))
    lowest = np.nanmin(likely[ids])
    assert lowest == np.nanmin(likely)
    label = page.locator(".images input").first.get_attribute("aria-label")
    assert f"suggested, {round(100 * lowest)}%" in label
    page.locator(".images input").first.check()
    page.click("[data-do=both]")
    # What was confirmed forms the other identities again, so their number may rise, too.
    expect(page.locator(".identity-bar")).not_to_have_attribute("data-id", first)
    worst = ids[int(np.nanargmin(likely[ids]))]
    after = world.session.identities()
    rest = [image for image in ids if image != worst]
    assert after.confirmed[rest].all()
    assert len({after.of_image(image) for image in rest}) == 1
    assert after.of_image(worst) != after.of_image(rest[0])
    second = page.locator(".identity-bar").get_attribute("data-id")
    page.click("[data-do=later]")
    expect(page.locator(".identity-bar")).not_to_have_attribute("data-id", second)
    page.select_option("select[data-name=part]", "confirmed")
    page.wait_for_selector("text=Nothing left to look through")


def test_a_name_that_is_taken_is_an_offer_to_merge(page, world):
    go(page, "identities", ".sheet")
    fields = page.locator("input.name")
    before = page.locator(".sheet > li").count()
    fields.nth(0).fill("Limpy")
    fields.nth(0).press("Enter")
    saved(page, "The name is saved.")
    fields.nth(1).fill("limpy")
    fields.nth(1).press("Enter")
    page.wait_for_selector("#choice[open] >> text=Limpy is the name of another identity")
    page.get_by_role("button", name="Choose another name").click()
    expect(fields.nth(1)).to_have_value("")
    fields.nth(1).fill("Limpy")
    fields.nth(1).press("Enter")
    page.click("#choice >> text=Merge the two")
    expect(page.locator(".sheet > li")).to_have_count(before - 1)
    assert list(world.session.identities().names.values()) == ["Limpy"]


def test_several_are_merged_and_of_two_names_one_is_chosen(page, world):
    found = world.session.identities()
    for place, name in enumerate(("Limpy", "Anna")):
        world.session.acts.name("ben", f"name-{place}", found, largest(world, 2)[place], name)
    go(page, "identities", ".sheet")
    before = page.locator(".sheet > li").count()
    for place in range(3):
        page.locator(".pick input").nth(place).check()
    page.click("text=Merge all 3")
    page.wait_for_selector("#choice[open] >> text=Which name stays?")
    page.keyboard.press("Escape")
    expect(page.locator(".sheet > li")).to_have_count(before)
    page.click("text=Merge all 3")
    page.click("#choice >> text=Anna")
    saved(page, "The 3 are one identity now.")
    expect(page.locator(".sheet > li")).to_have_count(before - 2)
    assert list(world.session.identities().names.values()) == ["Anna"]
    page.click("text=Undo the merge")
    saved(page, "Taken back: a merge")
    assert sorted(world.session.identities().names.values()) == ["Anna", "Limpy"]


def test_the_list_is_searched_filtered_and_identities_are_hidden(page, world):
    world.session.acts.name("ben", "name", world.session.identities(), *largest(world), "Limpy")
    go(page, "identities", ".sheet")
    cells = page.locator(".sheet > li")
    everyone = cells.count()
    page.fill("input[data-name=search]", "limp")
    expect(cells).to_have_count(1)
    page.fill("input[data-name=search]", "")
    expect(cells).to_have_count(everyone)
    page.select_option("select[data-name=show]", "unnamed")
    expect(cells).to_have_count(everyone - 1)
    page.select_option("select[data-name=show]", "conflicting")
    page.wait_for_selector("text=Nothing found")
    page.select_option("select[data-name=show]", "named")
    expect(cells).to_have_count(1)
    page.locator(".mosaic").click()
    page.click("[data-do=hide]")
    page.wait_for_selector("text=Nothing found")  # the filter still stands
    page.select_option("select[data-name=show]", "hidden")
    expect(cells).to_have_count(1)
    page.locator(".mosaic").click()
    page.click("text=Show again")
    page.select_option("select[data-name=show]", "all")
    expect(cells).to_have_count(everyone)


def test_the_history_says_who_did_what_and_goes_back(page, world):
    world.session.acts.name("ben", "name-1", world.session.identities(), *largest(world), "Limpy")
    for key in ("y", "n", "Space"):
        count = len(answers(world))
        wait_for_pictures(page)
        page.keyboard.press(key)
        expect(page.locator("[data-figure=today] b")).to_have_text(str(count + 1))
    go(page, "history", ".acts")
    acts = page.locator(".acts > li")
    expect(acts).to_have_count(3)
    page.select_option("select[data-name=whose]", "all")
    expect(acts).to_have_count(4)
    assert "ben" in acts.last.inner_text()
    assert acts.last.locator("[data-do=back]").count() == 0  # one's own only
    acts.nth(1).locator("[data-do=back]").click()
    saved(page, "Everything from there on is taken back.")
    assert [event.answer for event in answers(world)] == ["same"]
    expect(page.locator(".acts > li[data-counts=false]")).to_have_count(2)
    acts.last.locator("[data-do=take]").click()
    saved(page, "Taken back.")
    expect(acts.last).to_contain_text("taken back by me")
    assert world.session.identities().names == {}
    go(page, "answer", ".pane-picture img")
    page.keyboard.press("Backspace")
    saved(page, "Taken back: Same")
    assert answers(world) == []


def correct(page, side, time=""):
    """Fill in the dialog of side and date."""
    page.wait_for_selector("#choice[open]")
    page.fill("#details-side", side)
    if time:
        page.fill("#details-time", time)
    page.click("#choice >> text=Save")
    saved(page, "Side and date are saved.")


def test_a_side_is_corrected_where_one_answers_and_rules_the_question_out(page, world):
    first = seen(page)
    one, other = (int(source.split("?")[0].rpartition("/")[2]) for source in first)
    page.keyboard.press("w")
    page.click("[data-name=correct-a]")
    correct(page, "left", "2026-01-31T14:05:09")
    assert seen(page) == first
    expect(page.locator("#why")).to_contain_text("left")
    expect(page.locator("#why")).to_contain_text("2026-01-31")
    expect(page.locator("#why")).to_contain_text("Pictures of different sides are never compared.")
    page.click("[data-name=correct-b]")
    assert "left" in page.eval_on_selector_all("#details-sides option", "all => all.map(one => one.value)")
    correct(page, "right")
    saved(page, "With that, this question is not needed any more")
    assert seen(page) != first
    state = world.session.state
    sides = state.images.side_names
    assert [sides[state.sides.sides[image]] for image in (one, other)] == ["left", "right"]
    assert str(state.images.times[one]) == "2026-01-31T14:05:09"
    page.keyboard.press("Backspace")
    saved(page, "Taken back: a corrected side or date")
    assert state.sides.sides[other] == -1


def test_sides_of_ticked_pictures_are_corrected_listed_and_taken_back(page, world):
    (identity,) = largest(world)
    go(page, f"identities/{identity}", ".images")
    for place in (0, 2):
        page.locator(".images input").nth(place).check()
    page.click("text=Side and date of 2 pictures")
    page.wait_for_selector("#choice[open]")
    page.keyboard.press("Escape")
    assert world.session.state.sides is None
    page.click("text=Side and date of 2 pictures")
    correct(page, "left")
    page.wait_for_selector(".images li >> text=left")
    assert page.locator(".images li", has_text="left").count() == 2
    assert (world.session.state.sides.sides == 0).sum() == 2
    go(page, "history", ".acts")
    expect(page.locator(".acts > li")).to_contain_text("Corrected 2 pictures (Side: left)")
    page.click("[data-do=take]")
    saved(page, "Taken back.")
    assert world.session.state.sides is None


def test_pictures_are_filtered_by_a_side_that_was_corrected(page, world):
    (identity,) = largest(world)
    go(page, f"identities/{identity}", ".images")
    page.click("[data-do=details]")
    correct(page, "left")
    page.locator(".images input").first.check()
    page.click("[data-do=details]")
    correct(page, "right")
    page.click("text=All identities")
    page.wait_for_selector(".sheet")
    page.select_option("select[data-name=side]", label="right")
    expect(page.locator(".sheet > li")).to_have_count(1)


def located(images):
    """The same images, two of each camera's a minute apart, the cameras a degree of longitude apart."""
    minutes = np.arange(len(images)).astype("m8[m]")
    found = ImageSet(
        images.names,
        images.identities,
        images.cameras,
        source=images.source,
        pixels=images.read(range(len(images)), SIZE),
        latitudes=np.zeros(len(images)),
        longitudes=images.cameras.astype(float),
        times=np.datetime64("2026-01-31T08:00:00") + minutes,
    )
    return found.identified(np.full(len(images), -1), ()).with_max_speed(60)


def test_a_highest_speed_excludes_pairs_and_is_told(browser, tmp_path):
    images = people()
    with serving(tmp_path, images=images, seen=located(images)) as (world, url):
        context = browser.new_context(**DESK)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".pane-picture img")
        page.keyboard.press("w")
        why = page.locator("#why")
        expect(why).to_contain_text("Pictures further apart than 60 km/h allows are known to differ.")
        expect(why).to_contain_text("Between the two")
        state = world.session.state
        excluded = state.images.too_far_apart
        assert len(excluded) > 100
        assert all(state.beliefs.constraints.relation(i, j) == -1 for i, j in excluded.tolist())
        asked = {tuple(sorted((q.query, q.candidate))) for q in world.session.questions("me", 20).questions}
        assert len(asked) > 5
        assert not asked & set(map(tuple, excluded.tolist()))
        context.close()


PHONE = {"viewport": {"width": 390, "height": 844}}


def name_taken(page):
    go(page, "identities", ".sheet")
    page.locator("input.name").last.fill("Limpy")
    page.locator("input.name").last.press("Enter")
    page.wait_for_selector("#choice[open]")


def ticked(page):
    go(page, "review", ".images")
    page.locator(".images input").first.check()
    page.wait_for_selector("[data-do=both]")


def details(page):
    page.keyboard.press("w")
    page.click("[data-name=correct-a]")
    page.wait_for_selector("#choice[open]")


STATES = {
    "details": details,
    "review": ticked,
    "list": lambda page: go(page, "identities", ".sheet"),
    "history": lambda page: go(page, "history", ".acts"),
    "choice": name_taken,
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("form", ["desk", "phone"])
def test_no_rule_of_accessibility_is_broken(browser, served, request, theme, form):
    axe = axe_source(request.config)
    world, url = served
    world.session.acts.name("me", "name", world.session.identities(), *largest(world), "Limpy")
    shape = DESK if form == "desk" else PHONE
    context = browser.new_context(**shape, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    broken = {}
    for name, show in STATES.items():
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".pane-picture img")
        show(page)
        broken[name] = broken_rules(page, axe)
        assert page.evaluate("document.querySelector('main').scrollWidth <= innerWidth"), name
        page.close()
    context.close()
    assert not any(broken.values()), broken


def seen(page):
    return page.eval_on_selector_all(".pane-picture img", "all => all.map(img => img.getAttribute('src'))")


def test_a_question_is_put_off_and_brought_back(page, world):
    first = seen(page)
    with page.expect_response("**/api/skip"):
        page.keyboard.press("s")
    assert seen(page) != first
    assert answers(world) == []
    page.keyboard.press("Backspace")
    assert seen(page) == first


def test_why_a_question_is_asked_is_told_on_demand(page, world):
    panel = page.locator("#why")
    expect(panel).to_be_hidden()
    page.keyboard.press("w")
    expect(panel).to_be_visible()
    text = panel.inner_text()
    question = world.session.questions("me", 1).questions[0]
    assert f"{round(100 * question.probability)}%" in text
    assert "Cameras" in text
    visual = world.session.planner.engine.visual
    assert f"{round(100 * visual.similarities[question.query, question.candidate])}%" in text
    place = visual.near[question.query].tolist().index(question.candidate)
    assert f"number {place}" in text
    wait_for_pictures(page)
    page.keyboard.press("n")
    expect(panel).to_be_visible()  # it stays as one left it
    page.get_by_role("button", name="Why this question?").click()
    expect(panel).to_be_hidden()


def test_a_question_about_a_named_identity_asks_for_it_by_name(page, world):
    question = world.session.questions("me", 1).questions[0]
    world.session.acts.edit("name", "ben", "one", {"image": question.query, "name": "Limpy"})
    page.reload()
    expect(page.locator("h1#answer-title")).to_have_text("Is this Limpy?")
    world.session.acts.edit("name", "ben", "three", {"image": question.candidate, "name": "Anna"})
    page.reload()
    expect(page.locator("h1#answer-title")).to_have_text("Are Limpy and Anna the same?")


def test_files_are_downloaded_with_or_without_suggestions(page, world):
    go(page, "progress", ".exports")
    with page.expect_download() as download:
        page.click("text=camtrapdp.zip")
    assert download.value.suggested_filename == "camtrapdp.zip"
    page.check("input[data-name=confirmed]")
    page.wait_for_selector("a[href='/api/export/identities.csv?confirmed=true']")
    with page.expect_download() as download:
        page.click("text=identities.csv")
    lines = download.value.path().read_text().splitlines()[1:]
    assert len(lines) == len(world.session.state.features)
    assert all(line.split(",")[2] == "1" for line in lines)  # nothing is confirmed yet


def test_the_list_is_a_contact_sheet_on_paper(page, world):
    world.session.acts.name("me", "name", world.session.identities(), *largest(world), "Limpy")
    go(page, "identities", ".sheet")
    page.evaluate("void (window.print = () => (document.body.dataset.printed = ''))")
    page.click("[data-do=print]")
    page.wait_for_selector("body[data-printed]")
    assert page.evaluate("[...document.querySelectorAll('.sheet img')].every(img => img.naturalWidth)")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.emulate_media(media="print")
    for hidden in (".bar", ".status", ".filters", ".pager", ".pick"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator("input.name").first).to_be_visible()
    assert page.evaluate(
        "document.querySelector('main').scrollHeight <= document.querySelector('main').clientHeight"
    )
    assert page.pdf().startswith(b"%PDF")


def test_an_admin_sees_how_reliable_people_are_and_revokes_a_token(browser, tmp_path):
    access, tokens = make_access(tmp_path, "127.0.0.1", ("anna", "ben"), ())
    with serving(tmp_path, access=access) as (world, url):
        session = world.session
        events = []
        for candidate in range(1, 21):  # anna agrees with herself when a pair comes again, ben does not
            pair = {"query": 0, "candidate": candidate, "query_name": "a", "candidate_name": "b"}
            for name, said in (("anna", "same"), ("ben", "same"), ("anna", "same"), ("ben", "different")):
                key = f"{candidate}-{len(events)}"
                events.append(
                    Event(key, "run", "answer", name, 1e9, question_kind="hidden", answer=said, **pair)
                )
        session.take_in(events)
        contexts = {name: browser.new_context(**DESK) for name in ("anna", "ben")}
        pages = {}
        for name, context in contexts.items():
            pages[name] = context.new_page()
            pages[name].goto(f"{url}/?token={tokens[name]}")
            pages[name].wait_for_selector("#status b")
            go(pages[name], "progress", ".table-box")
        row = pages["anna"].get_by_role("row").filter(has=pages["anna"].get_by_role("rowheader", name="ben"))
        found = session.state.beliefs.reliability
        assert found.weight("ben") < 0.5 < found.weight("anna")
        expect(row.locator("td").nth(1)).to_have_text(f"{round(100 * found.rates['ben'])}%")
        expect(row.locator("td").nth(2)).to_have_text(f"{round(100 * found.weight('ben'))}%")
        assert pages["ben"].get_by_role("button", name="Revoke").count() == 0
        pages["anna"].get_by_role("button", name="Revoke the access of ben").click()
        pages["anna"].locator("#choice button", has_text="Revoke").click()
        saved(pages["anna"], "ben has no access any more.")
        pages["ben"].wait_for_selector("[data-lost=signed_out]")
        for context in contexts.values():
            context.close()


def test_learning_is_paused_and_goes_on(page, world, tmp_path):
    (tmp_path / "hold").touch()
    go(page, "progress", ".exports")
    page.get_by_role("button", name="Learn now").click()
    page.get_by_role("button", name="Pause").click()
    saved(page, "Learning is paused.")
    expect(page.locator("#view-progress .refresh")).to_contain_text(
        "Learning is paused: learning from the answers"
    )
    page.get_by_role("button", name="Go on learning").click()
    saved(page, "Learning goes on.")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_sequence_is_one_tile_and_one_act_and_one_frame_is_taken_out(browser, tmp_path):
    with serving(tmp_path, images=sequences(people(6))) as (world, url):
        numbers = world.pictures.images.tracklets
        context = browser.new_context(**DESK)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#status b")
        (identity,) = largest(world)
        found = world.session.identities()
        images = found.images(found.find(identity))
        go(page, f"identities/{identity}", ".images")
        singles = sum(int(numbers[image] < 0) for image in images)
        frames = {int(numbers[image]) for image in images if numbers[image] >= 0}
        expect(page.locator(".images li")).to_have_count(singles + len(frames))
        first = page.locator(".images .sequence").first
        expect(first).to_contain_text("2 frames")
        first.locator("input").check()
        page.click("[data-do=split]")
        saved(page, "Split off: 2.")
        (split,) = [event for event in world.session.counting() if event.kind == "split"]
        pair = split.payload["images"]
        assert len(pair) == 2
        assert len({int(numbers[image]) for image in pair}) == 1
        after = world.session.identities()
        assert after.of_image(pair[0]) == after.of_image(pair[1])

        go(page, f"identities/{after.key(after.of_image(pair[0]))}", ".images")
        expect(page.locator(".images li")).to_have_count(1)
        page.get_by_role("button", name="Unfold the 2 frames").click()
        expect(page.locator(".images li")).to_have_count(2)
        page.locator(".images input").first.check()
        page.click("[data-do=split]")
        saved(page, "Split off: 1.")
        last = world.session.identities()
        assert last.of_image(pair[0]) != last.of_image(pair[1])
        context.close()


@pytest.mark.parametrize(("key", "place"), [("m", 0), ("Shift+M", 1)], ids=["left", "right"])
def test_a_group_that_is_mixed_is_mended_on_the_way(page, world, key, place):
    image = int(seen(page)[place].split("?")[0].rpartition("/")[2])
    found = world.session.identities()
    members = found.images(found.of_image(image))
    page.keyboard.press(key)
    page.wait_for_selector("#view-identities:not([hidden]) .images")
    expect(page.locator("h1#identities-title")).to_have_text("The group of this picture")
    assert page.locator(".images li").count() == len(members)
    page.locator(".images input").last.check()
    page.click("[data-do=both]")
    page.wait_for_selector("#view-answer:not([hidden])")
    after = world.session.identities()
    assert len({after.of_image(each) for each in members}) == 2
    assert after.confirmed[members].sum() >= len(members) - 1
    assert page.locator(".mixed").first.get_attribute("href").startswith("#/identities/i")
