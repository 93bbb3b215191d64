"""CSV files: no cell runs as a formula in a spreadsheet, and all of them read back as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_env.spreadsheet import csv_text, escape_cell, unescape_cell

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(
    "'=+-@\t\r\n,;\"a1 "
)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2)))
def test_what_is_written_reads_back_and_no_cell_begins_like_a_formula(rows):
    text = csv_text(("a", "b"), rows)
    header, *read = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["a", "b"]
    assert not any(cell[:1] in tuple("=+-@\t\r\n") for row in read for cell in row)
    assert [[unescape_cell(cell) for cell in row] for row in read] == rows


@pytest.mark.parametrize("number", [-1, -0.5, 0, 1e-9, None])
def test_numbers_stay_numbers(number):
    assert escape_cell(number) is number
    assert csv_text(("n",), [[number]]).splitlines()[1].strip('"') == ("" if number is None else str(number))


def test_by_hand():
    assert escape_cell("=cmd()") == "'=cmd()"
    assert escape_cell("''=x") == "'''=x"
    assert escape_cell("'twas") == "'twas"
    assert csv_text(("n",), [["a\rb"], ["c\nd"], ["e"]]) == 'n\n"a\rb"\n"c\nd"\ne\n'
