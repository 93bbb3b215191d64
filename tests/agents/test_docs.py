"""The pages: every figure is in a kept result, every link leads somewhere, and the README stays short."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("make_results", _ROOT / "docs" / "make_results.py")
make_results = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make_results)

PAGES = sorted(
    path.relative_to(_ROOT).as_posix()
    for folder in (_ROOT, _ROOT / "docs", _ROOT / "benchmarks")
    for path in folder.glob("*.md")
)
KEPT = sorted(path.stem for path in make_results.RESULTS.glob("*.json"))
FIGURE = re.compile(r"(?<![\w./])\d*\.\d+(?![\w./]*\w)")
"""A number with a decimal point that is no version, path or name."""


def read(page):
    return (_ROOT / page).read_text(encoding="utf-8")


def without_code_and_tables(text):
    text = re.sub(r"<!-- (\w+:? ?\w+) -->\n.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
    return re.sub(r"Python 3\.\d+", "", text)


def numbers(value):
    """All numbers anywhere in JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def test_tables_are_as_the_results_give_them():
    for page in make_results.PAGES:
        text = page.read_text(encoding="utf-8")
        assert make_results.filled(page) == text, "run python docs/make_results.py"


def test_every_table_is_shown_and_every_result_is_used():
    text = read("docs/results.md")
    shown = "".join(page.read_text(encoding="utf-8") for page in make_results.PAGES)
    assert set(re.findall(r"<!-- table: (\w+) -->", shown)) == set(make_results.TABLES)
    assert len(KEPT) <= 20
    for name in KEPT:
        assert f"{name}.json" in text, name
        assert f"`{name}.json`" in read("benchmarks/README.md"), name


@pytest.mark.parametrize("name", KEPT)
def test_a_result_says_where_it_is_from(name):
    found = make_results.result(name)
    assert {"command", "settings", "commit", "machine", "versions"} <= found.keys()
    assert found["command"].startswith(("reid-al ", "python benchmarks/"))


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/method.md"])
def test_a_figure_in_prose_is_in_a_table(page):
    tables = "\n".join(make_results.TABLES[name]() for name in make_results.TABLES)
    for figure in FIGURE.findall(without_code_and_tables(read(page))):
        assert re.search(rf"(?<!\d){re.escape(figure)}(?!\d)", tables), figure


def test_figures_in_docstrings_are_in_the_results_they_name():
    cited = 0
    for path in (_ROOT / "src").rglob("*.py"):
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            names = re.findall(r"benchmarks/results/(\w+)\.json", paragraph)
            found = [number for name in names for number in numbers(make_results.result(name))]
            for figure in FIGURE.findall(paragraph) if names else ():
                decimals = len(figure.partition(".")[2])
                assert any(abs(number - float(figure)) <= 0.5001 * 10**-decimals for number in found), figure
                cited += 1
    assert cited > 0


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", read(page)):
        if not target.startswith("http"):
            assert ((_ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([\w-]+)\)", read(page)):
        linked = (_ROOT / page).parent / target if target else _ROOT / page
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in headings}, anchor


def test_the_readme_is_short_and_keeps_the_commands_that_are_run():
    text = read("README.md")
    assert len(text.split()) <= 900
    for mark, command in (("demo", "reid-al demo"), ("tests", "pytest")):
        block = re.search(rf"<!-- {mark} -->\n```bash\n(.*?)\n```", text, re.DOTALL)
        assert block, mark
        assert block[1].endswith(command)
    second = text.partition("## For re-ID and wildlife teams")[2]
    assert re.search(r"reid-al [^\n]*", second)[0].startswith(
        "reid-al annotate folder:PHOTOS --out my-session"
    )


def test_the_changelog_of_a_release_is_ten_lines_with_breaking_changes_first():
    entries = re.findall(r"^- (.*)", read("CHANGELOG.md").partition("## 0.1.0")[2], re.MULTILINE)
    assert len(entries) <= 10
    breaking = [entry.startswith("**Breaking:**") for entry in entries]
    assert breaking == sorted(breaking, reverse=True)


def test_json_of_results_holds_no_nan():
    for name in KEPT:
        text = (make_results.RESULTS / f"{name}.json").read_text(encoding="utf-8")
        json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant}"))
