"""The annotation page by axe-core: no violation of WCAG 2.2 AA, on any page, in either theme."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

from annotate_mock import AnnotateMock, serve  # noqa: E402
from axe_core import axe_source, broken_rules  # noqa: E402

pytestmark = pytest.mark.slow
SIZES = {"desk": (1280, 800), "upright": (390, 844), "sideways": (844, 390)}


@pytest.fixture(scope="module")
def axe(request) -> str:
    return axe_source(request.config)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    mock = AnnotateMock(identities=8)
    mock.refresh = {"state": "running", "what": "train", "done": 120, "total": 400, "message": None}
    server = serve(mock)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def gated() -> Iterator[str]:
    mock = AnnotateMock(identities=2)
    mock.token = "secret"
    server = serve(mock)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def view(name: str, ready: str) -> Callable:
    def show(page) -> None:
        page.evaluate(f"location.hash = '#/{name}'")
        page.wait_for_selector(ready)

    return show


def row(page) -> None:
    page.keyboard.press("l")  # the layout is remembered: this is the last state
    page.click("li[data-place='1'] .mark")
    page.wait_for_selector("li[data-mark=same]")


def research(page) -> None:
    view("progress", ".research")(page)
    page.click(".research summary")
    page.wait_for_selector(".chart:visible")


def picked(page) -> None:
    view("identities", ".sheet")(page)
    for place in (0, 1):
        page.locator(".pick input").nth(place).check()


def unfolded(page) -> None:
    if page.locator(".unfold").is_visible():
        page.click(".unfold")


def undone(page) -> None:
    page.keyboard.press("Backspace")
    page.wait_for_selector(".notice")


STATES = {
    "two pictures": lambda page: None,
    "figures unfolded": unfolded,
    "a notice": undone,
    "contradictions": view("contradictions", ".contradiction"),
    "progress": research,
    "identities": picked,
    "one identity": view("identities/g0", ".images"),
    "adding": view("add", "#view-add .card"),
    "help": lambda page: page.keyboard.press("?"),
    "six pictures": row,
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_no_rule_is_broken(browser, url, axe, theme, size):
    width, height = SIZES[size]
    broken = {}
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",  # colours are final at once
        bypass_csp=True,
    )
    for name, show in STATES.items():
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".pane-picture img")
        show(page)
        broken[name] = broken_rules(page, axe)
        page.close()
    context.close()
    assert not any(broken.values()), broken


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_gate_breaks_no_rule(browser, gated, axe, theme):
    context = browser.new_context(color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{gated}/?token=wrong")
    page.wait_for_selector("#gate input")
    assert broken_rules(page, axe) == []
    context.close()
