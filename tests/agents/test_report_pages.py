"""Tables, figures and pages: what they show is what was measured, and nothing in them is taken as code."""

import io
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from reid_al_agents.report.drawing import moving_average, spread
from reid_al_agents.report.gallery import Identity, Question, draw_identities, draw_questions
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.pages import write_comparison_page, write_run_page
from reid_al_agents.report.plots import (
    figure_bytes,
    headline,
    new_figure,
    plot_by_answers,
    plot_return_by_query,
    plot_run,
    save_figure,
)
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import reference_levels, series_of
from reid_al_agents.report.table import TextTable, as_rich, results_table, rounds_table
from reid_al_agents.report.theme import DARK, LIGHT, series_styles
from reid_al_env.errors import InputError

NASTY = "<script>alert('x')</script> & \"quotes\""
PROVENANCE = Provenance(NASTY, (0, 1), {NASTY: [NASTY]}, "abc", {"processor": NASTY}, {"numpy": "2"})
RETURNS = {name: [np.linspace(1, 2, 40), np.linspace(2, 3, 40)] for name in ("random", "dqn")}
ROUNDS = [
    {"round": 0, "answers": 0, "rank1": 39.3, "map": 21.2},
    {
        "round": 1,
        "answers": 1250,
        "implied": 40,
        "match_rate": 0.41,
        "return": 2.3,
        "rank1": 50.1,
        "map": 30.2,
    },
    {
        "round": 2,
        "answers": 2500,
        "implied": 99,
        "match_rate": 0.4,
        "return": 2.4,
        "rank1": 56.0,
        "map": 35.0,
    },
]


def example_rows(seeds: int = 2) -> list[ResultRow]:
    rows = []
    for seed in range(seeds):
        rows.append(ResultRow("start", "none", seed, 0, map=20.0 + seed, rank1=40.0))
        for selector, answers in itertools.product(("random", "dqn"), (1000, 2000)):
            gain = (2 if selector == "dqn" else 1) * answers / 1000
            row = ResultRow(
                selector, "triplet", seed, answers, 7, 0.25, 2.0 + seed, 50.0, 20 + seed + gain, 9.5
            )
            rows.append(row)
        rows.append(ResultRow("all labels", "none", seed, 0, map=46.0))
    return rows


def shown(table: TextTable, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(as_rich(table, width))
    return console.export_text()


def test_the_results_table_by_hand() -> None:
    table = results_table(example_rows())
    expected = ("selector", "answers", "seeds", "implied", "match %", "return", "rank-1", "mAP", "seconds")
    assert table.columns == expected
    assert [row[:3] for row in table.rows[:3]] == [
        ("start", "0", "2"),
        ("random", "1,000", "2"),
        ("random", "2,000", "2"),
    ]
    # two seeds one apart: s = 0.7071, t(0.975, 1) = 12.706, half width 12.706 * 0.7071 / sqrt(2) = 6.353
    assert table.rows[1][3:] == ("7", "25.0", "2.50 ± 6.35", "50.0 ± 0.0", "21.5 ± 6.4", "10")
    assert table.rows[0][3:7] == ("", "", "", "40.0 ± 0.0")


def test_one_seed_has_no_interval_in_the_table() -> None:
    table = results_table(example_rows(1))
    assert not any("±" in cell for row in table.rows for cell in row)
    assert "one seed" in table.note


def test_several_refreshes_get_a_column() -> None:
    rows = [ResultRow("dqn", refresh, 0, 10, map=1.0) for refresh in ("triplet", "cluster")]
    table = results_table(rows)
    assert [row[:2] for row in table.rows] == [("dqn", "triplet"), ("dqn", "cluster")]


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_never_cuts_a_cell(width: int) -> None:
    table = results_table(example_rows(3), "Title")
    text = shown(table, width)
    assert "…" not in text
    assert all(row[-2] in text for row in table.rows)  # mAP is always there
    assert max(map(len, text.splitlines())) <= width


def test_what_a_narrow_terminal_leaves_out_is_said() -> None:
    table = results_table(example_rows(3))
    narrow, wide = shown(table, 70), shown(table, 200)
    assert "implied" in wide
    assert "want of room" not in wide
    assert re.search(r"not shown for want of room: implied", " ".join(narrow.split()))


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    assert "[red]dqn[/red]" in shown(results_table([ResultRow("[red]dqn[/red]", "t", 0, 1, map=1.0)]), 80)


def test_the_rounds_table_by_hand() -> None:
    table = rounds_table(ROUNDS)
    assert table.columns == ("round", "answers", "implied", "match %", "return", "rank-1", "mAP")
    assert table.rows[0] == ("0", "0", "", "", "", "39.3", "21.2")
    assert table.rows[1] == ("1", "1,250", "40", "41.0", "2.30", "50.1", "30.2")


def test_every_line_begins_at_the_start_of_its_own_seeds() -> None:
    rows = [*example_rows(2), ResultRow("start", "none", 7, 0, map=99.0)]
    random, dqn = series_of(rows, "map")
    assert (random.name, random.answers, random.mean) == ("random", (0, 1000, 2000), (20.5, 21.5, 22.5))
    assert dqn.mean == (20.5, 22.5, 24.5)
    assert dqn.values[0] == (20.0, 21.0)


def test_what_stands_without_answers_is_a_level() -> None:
    levels = reference_levels(example_rows(), "map")
    assert [(level.name, level.mean) for level in levels] == [("start", (20.5,)), ("all labels", (46.0,))]


def test_lines_of_several_refreshes_are_told_apart() -> None:
    rows = [ResultRow("dqn", refresh, 0, 10, map=1.0) for refresh in ("triplet", "cluster")]
    assert [line.name for line in series_of(rows, "map")] == ["dqn, triplet", "dqn, cluster"]


def test_a_refresh_is_named_only_where_a_selector_has_several() -> None:
    ways = (("default way", "cluster"), ("paper's way", "triplet"))
    rows = [ResultRow(name, refresh, 0, 10, map=1.0) for name, refresh in ways]
    assert [line.name for line in series_of(rows, "map")] == ["default way", "paper's way"]


def test_the_headline_is_the_first_that_was_measured() -> None:
    assert headline(example_rows()) == "map"
    assert headline([ResultRow("dqn", "none", 0, 5, return_=1.0)]) == "return"
    assert headline([ResultRow("dqn", "none", 0, 5, return_=1.0, pairwise_f1=0.5)]) == "pairwise_f1"
    with pytest.raises(InputError, match="nothing to compare"):
        headline([ResultRow("dqn", "none", 0, 5)])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.data())
def test_moving_average_is_that_of_a_loop(values: list[float], data: st.DataObject) -> None:
    window = data.draw(st.integers(1, len(values)))
    expected = [np.mean(values[end - window : end]) for end in range(window, len(values) + 1)]
    np.testing.assert_allclose(moving_average(values, window), expected, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=9), st.floats(0.01, 0.2))
def test_labels_are_spread_in_order_and_only_as_needed(positions: list[float], gap: float) -> None:
    wanted = sorted(positions)
    placed = spread(wanted, gap)
    assert all(later - earlier >= gap - 1e-9 for earlier, later in itertools.pairwise(placed))
    assert np.sum(placed) == pytest.approx(np.sum(wanted))
    if all(later - earlier >= gap for earlier, later in itertools.pairwise(wanted)):
        assert placed == pytest.approx(wanted)


def test_two_labels_in_one_place_by_hand() -> None:
    assert spread([0.5, 0.5, 0.9], 0.1) == pytest.approx([0.45, 0.55, 0.9])


def test_styles_are_distinct_and_stay_with_a_selector() -> None:
    names = ["mine", "dqn", *(f"s{number}" for number in range(50))]
    for theme in (LIGHT, DARK):
        styles = series_styles(names, theme)
        assert len(set(styles.values())) == len(names)
        assert styles["dqn"] == series_styles(["dqn"], theme)["dqn"]


def _luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_and_lines_be_seen(theme: object) -> None:
    def contrast(colour: str) -> float:
        pair = sorted([_luminance(colour), _luminance(theme.background)])  # type: ignore[attr-defined]
        return (pair[1] + 0.05) / (pair[0] + 0.05)

    assert contrast(theme.text) >= 7  # type: ignore[attr-defined]
    assert contrast(theme.muted) >= 4.5  # type: ignore[attr-defined]
    assert min(map(contrast, theme.series)) >= 2  # type: ignore[attr-defined]


def test_figures_are_written_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        save_figure(plot_run(ROUNDS, np.linspace(1, 2, 40), title="Title"), tmp_path / name)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 2 * image.size[1]
        assert np.asarray(image.convert("L")).std() > 5  # something was drawn
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        save_figure(plot_by_answers(example_rows()), tmp_path / "a.gif")


def test_what_is_drawn_is_what_was_measured() -> None:
    (axes,) = plot_by_answers(example_rows()).axes
    lines = [line.get_ydata() for line in axes.get_lines() if len(np.atleast_1d(line.get_xdata())) == 3]
    assert [list(line) for line in lines] == [[20.5, 21.5, 22.5], [20.5, 22.5, 24.5]]
    labels = {text.get_text() for text in axes.texts}
    assert labels == {"random  22.5", "dqn  24.5", "start  20.5", "all labels  46.0"}


def test_a_huge_interval_does_not_flatten_the_lines() -> None:
    (axes,) = plot_by_answers(example_rows()).axes  # two seeds: ± 6.4 around gains of 2 to 4
    low, high = axes.get_ylim()
    assert low > 20 - 0.5 * 26
    assert high < 46 + 0.5 * 26


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_figures_of_little_data_are_drawn(seeds: int, theme: object) -> None:
    one_budget = [row for row in example_rows(seeds) if row.answers in {0, 2000}]
    only_start = [row for row in example_rows(seeds) if row.selector == "start"]
    for rows in (one_budget, only_start):
        assert figure_bytes(plot_by_answers(rows, theme=theme), "svg")  # type: ignore[arg-type]
    assert figure_bytes(plot_return_by_query({"dqn": [[1.0]]}, theme=theme), "svg")  # type: ignore[arg-type]
    assert len(plot_run(ROUNDS[:1], [], theme=theme).axes) == 1  # type: ignore[arg-type]
    assert len(plot_run(ROUNDS, [1.0, 2.0], theme=theme).axes) == 2  # type: ignore[arg-type]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        plot_by_answers([ResultRow("dqn", "none", 0, 5, return_=1.0)])
    for returns in ({}, {"dqn": []}, {"dqn": [[]]}):
        with pytest.raises(InputError, match="no returns"):
            plot_return_by_query(returns)
    with pytest.raises(InputError, match="nothing to draw"):
        plot_run([{"round": 0, "answers": 0}], [])


def painted(value: int) -> np.ndarray:
    return np.full((4, 2, 3), value, dtype=np.uint8)


def test_questions_are_drawn_with_their_answers() -> None:
    _, axes = new_figure((4, 2), LIGHT)
    asked = [Question(painted(1), painted(2), True), Question(painted(3), painted(4), False)]
    draw_questions(axes, asked, LIGHT)
    assert [image.get_array()[0, 0, 0] for image in axes.get_images()] == [1, 2, 3, 4]
    assert [text.get_text() for text in axes.texts] == ["same person", "different people"]
    frames = [patch.get_edgecolor() for patch in axes.patches]
    assert frames[0] == frames[1] != frames[2] == frames[3]


def test_identities_are_drawn_with_their_errors() -> None:
    _, axes = new_figure((4, 2), LIGHT)
    images = np.stack([painted(1), painted(2), painted(3)])
    draw_identities(axes, [Identity(images, np.array([True, True, False]), 5)], LIGHT)
    frames = [patch.get_edgecolor() for patch in axes.patches]
    assert frames[0] == frames[1] != frames[2]
    assert [text.get_text() for text in axes.texts] == ["+ 2"]  # two that are not shown
    assert np.diff([image.get_extent()[0] for image in axes.get_images()]).min() > 1  # none over another


class Page(HTMLParser):
    """Collects a page's elements, attributes and text, and checks that every element is closed."""

    VOID = frozenset({"meta", "img", "source", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data

    def values(self, *names: str) -> Iterator[str]:
        return (value or "" for _, attrs in self.tags for name, value in attrs.items() if name in names)


@pytest.fixture(params=["comparison", "run"])
def page_text(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "report.html"
    if request.param == "comparison":
        rows = [*example_rows(), ResultRow(NASTY, "triplet", 0, 1000, map=30.0)]
        write_comparison_page(file, rows, PROVENANCE, title=NASTY, returns=RETURNS)
    else:
        write_run_page(file, ROUNDS, PROVENANCE, title=NASTY, returns=np.linspace(1, 2, 30))
    return file.read_text(encoding="utf-8")


def test_a_page_loads_nothing_and_runs_nothing(page_text: str) -> None:
    page = Page(page_text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "form"})
    assert all(value.startswith("data:image/svg+xml;base64,") for value in page.values("src", "srcset"))
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert not re.search(r"url\(|@import|https?://", page_text)
    assert any("default-src 'none'" in value for value in page.values("content"))


def test_a_page_escapes_what_it_shows(page_text: str) -> None:
    assert "<script" not in page_text
    assert page_text.count("&lt;script&gt;") >= 4  # title, heading, command, settings


def test_a_page_has_light_and_dark_figures_with_descriptions(page_text: str) -> None:
    page = Page(page_text)
    assert "prefers-color-scheme: dark" in page_text
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    dark = [attrs for tag, attrs in page.tags if tag == "source"]
    assert len(images) == len(dark) >= 1
    assert all(attrs["alt"] for attrs in images)
    assert all(light["src"] != other["srcset"] for light, other in zip(images, dark, strict=True))


def test_the_page_of_a_comparison_holds_every_cell_of_its_table(tmp_path: Path) -> None:
    write_comparison_page(tmp_path / "c.html", example_rows(), PROVENANCE, title="t")
    page = Page((tmp_path / "c.html").read_text(encoding="utf-8"))
    expected = [cell for row in results_table(example_rows()).rows for cell in row]
    assert page.cells[: len(expected)] == expected


def test_the_page_of_a_run_names_the_change(tmp_path: Path) -> None:
    write_run_page(tmp_path / "r.html", ROUNDS, PROVENANCE, title="t")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "39.3 → 56.0" in text
    assert "21.2 → 35.0" in text


def test_one_seed_is_said_to_be_one_seed(tmp_path: Path) -> None:
    write_comparison_page(tmp_path / "c.html", example_rows(1), PROVENANCE, title="t")
    assert "may be chance" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_bare_features_are_compared_by_identities_or_return(tmp_path: Path) -> None:
    rows = [ResultRow("dqn", "none", seed, 50, return_=1.5, pairwise_f1=0.25 + seed / 8) for seed in (0, 1)]
    write_comparison_page(tmp_path / "c.html", rows, PROVENANCE, title="t")
    assert "pairwise F1 by answers" in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_importing_the_report_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, reid_al_agents.report, reid_al_agents.log; "
        "print([name for name in ('torch', 'matplotlib', 'rich', 'scipy') if name in sys.modules])"
    )
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
