"""Whatever lies in a file: data loads, or is refused in one line; never a traceback."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reid_al_agents.data import DataSettings, load_data, load_split, make_split
from reid_al_agents.data.layouts.market1501 import market1501_name
from reid_al_env.errors import InputError

BRIEF = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
WORD = st.sampled_from(
    ["path", "identity", "camera", "bbox", "date", "split", "side", "species", "sequence", "file_name",
     "label", "name", "group_size", "a.png", "b.png", "", "1.0", "nan", "train", "query", "[1, 2, 3, 4]",
     "2026-01-01", "mediaID", "deploymentID", "filePath", "eventID", "eventStart", "observationType", "bboxX",
     "animal"]
)  # fmt: skip
CELL = WORD | TEXT
TABLE = st.lists(st.lists(CELL, min_size=1, max_size=6), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | CELL,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["images", "file", "detections", "category", "conf", "bbox", "failure",
                             "detection_categories", "pool_identities", "test_identities", "query",
                             "test_queries"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


def _loads_or_is_refused(spec, **options):
    data = _or_one_line(load_data, spec, DataSettings(**options))
    if data is not None:
        assert len(data) > 0
        _or_one_line(make_split, data, 0)


def _or_one_line(function, *arguments):
    """What a function gives, or None where it refuses in one line."""
    message = ""
    try:
        return function(*arguments)
    except InputError as error:
        message = str(error)
    assert message
    assert "\n" not in message
    return None


@pytest.fixture
def photographs(tmp_path):
    """A folder with two images."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (9, 8)).save(tmp_path / name)
    return tmp_path


def _csv(rows):
    return "\n".join(",".join(cell.replace(",", ";") for cell in row) for row in rows)


@BRIEF
@given(rows=TABLE, skip=st.booleans())
def test_tables(photographs, rows, skip):
    (photographs / "t.csv").write_text(_csv([["path", "identity", "bbox", "split"], *rows]), encoding="utf-8")
    _loads_or_is_refused(f"csv:{photographs / 't.csv'}", skip_damaged=skip, sequence_gap=9)
    (photographs / "t.csv").write_text(_csv(rows), encoding="utf-8")
    _loads_or_is_refused(f"wildlife:{photographs / 't.csv'}", skip_damaged=skip)


@BRIEF
@given(content=st.binary(max_size=60))
def test_bytes_where_text_belongs(photographs, content):
    for prefix, name in (("csv", "t.csv"), ("megadetector", "t.json"), ("imagefolder", "metadata.jsonl")):
        (photographs / name).write_bytes(content)
        _loads_or_is_refused(f"{prefix}:{photographs if prefix == 'imagefolder' else photographs / name}")
    with pytest.raises(InputError) as error:
        load_split(photographs / "t.csv")
    assert "\n" not in str(error.value)


@BRIEF
@given(content=JSON)
def test_json(photographs, content):
    (photographs / "t.json").write_text(json.dumps(content), encoding="utf-8")
    _loads_or_is_refused(f"megadetector:{photographs / 't.json'}", skip_damaged=True)
    (photographs / "metadata.jsonl").write_text(json.dumps(content), encoding="utf-8")
    _loads_or_is_refused(f"imagefolder:{photographs}", skip_damaged=True)
    _or_one_line(load_split, photographs / "t.json")


def test_json_nested_deep(photographs):
    for text in ("[" * 200_000, '{"images":' * 100_000):
        (photographs / "t.json").write_text(text)
        (photographs / "metadata.jsonl").write_text(text)
        _loads_or_is_refused(f"megadetector:{photographs / 't.json'}")
        _loads_or_is_refused(f"imagefolder:{photographs}")
        with pytest.raises(InputError, match="cannot be read as a split"):
            load_split(photographs / "t.json")


@BRIEF
@given(tables=st.tuples(TABLE, TABLE, TABLE))
def test_packages(photographs, tables):
    for name, rows in zip(("deployments", "media", "observations"), tables, strict=True):
        columns = ["mediaID", "deploymentID", "filePath", "eventID", "bboxX", "bboxY"]
        (photographs / f"{name}.csv").write_text(_csv([columns, *rows]), encoding="utf-8")
    _loads_or_is_refused(f"camtrapdp:{photographs}", skip_damaged=True)


@BRIEF
@given(lines=st.lists(CELL | st.just("0000/0000_000_01_0303morning_0008_0.jpg 0"), max_size=4))
def test_lists_of_msmt17(photographs, lines):
    (photographs / "train").mkdir(exist_ok=True)
    (photographs / "test").mkdir(exist_ok=True)
    for name in ("train", "val", "query", "gallery"):
        (photographs / f"list_{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    _loads_or_is_refused(f"msmt17:{photographs}", skip_damaged=True)


_PLACE = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
_PREFIX = st.sampled_from(["folder", "csv", "viper", "cuhk03", "prid2011", "megadetector", ""])


@BRIEF
@given(spec=_PLACE, prefix=_PREFIX)
def test_places(spec, prefix):
    _or_one_line(load_data, f"{prefix}:{spec}")


def test_names_that_no_file_can_have(photographs):
    (photographs / "t.csv").write_text("path\na.png\n" + "x" * 5000 + "\n")
    _loads_or_is_refused(f"csv:{photographs / 't.csv'}")
    for prefix in ("folder", "csv", "market1501", "msmt17", "cuhk03"):
        assert _or_one_line(load_data, f"{prefix}:{'x' * 5000}") is None


@BRIEF
@given(identity=st.integers(1, 10**9), camera=st.integers(0, 10**6), number=st.integers(0, 10**9))
def test_names_in_market1501s_layout_are_read_back(tmp_path_factory, identity, camera, number):
    folder = tmp_path_factory.mktemp("market")
    Image.new("RGB", (2, 2)).save(folder / market1501_name(identity, camera, number))
    images = load_data(f"market1501:{folder}")
    assert (images.identities.tolist(), images.cameras.tolist()) == ([identity], [camera])
