"""Exports that other programs read, and imports that are taken wholly or not at all."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_al_agents.data import ImageSet
from reid_al_agents.data.layouts.market1501 import load_market1501
from reid_al_agents.data.rows import read_rows
from reid_al_agents.log.events import ANSWERS, Event
from reid_al_agents.log.formats import (
    LABEL_STUDIO_CONFIG,
    PAIR_COLUMNS,
    events_jsonl,
    identities_csv,
    label_studio_json,
    pairs_csv,
    read_pairs_csv,
    wildlife_csv,
    write_market1501,
)
from reid_al_agents.log.tables import LABELS
from reid_al_env import RecordedOracle
from reid_al_env.errors import InputError

NAMES = [f"{number:04d}.jpg" for number in range(6)]
OLD_COLUMNS = (
    "key,run,round,step,query,candidate,query_name,candidate_name,answer,selector,source,annotator,"
    "shown_at,answered_at,probability"
)
"""Of ``pairs.csv`` as version 0.1 wrote it."""


def answer(number: int, verdict: str = "same", *, pair: tuple[int, int] = (0, 1), **changes: object) -> Event:
    query, candidate = pair
    made = Event(
        key=f"k{number}",
        run="run",
        kind="answer",
        annotator="me",
        at=1000.5,
        seconds=1.25,
        question="q",
        query=query,
        candidate=candidate,
        query_name=NAMES[query],
        candidate_name=NAMES[candidate],
        answer=verdict,
        selector="dqn",
        probability=0.25,
        id=number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write(folder: Path, text: str) -> Path:
    file = folder / "pairs.csv"
    file.write_text(text, encoding="utf-8")
    return file


def refused(file: Path, *expected: str) -> None:
    with pytest.raises(InputError) as error:
        read_pairs_csv(file, NAMES, run="run")
    message = str(error.value)
    assert "\n" not in message
    for part in (str(file), *expected):
        assert part in message


def test_pairs_by_hand() -> None:
    events = [answer(1), Event("n", "run", "name", "me", 1.0), answer(2, "bad_query", kind="import", round=3)]
    rows = table(pairs_csv(events))
    assert [row["answer"] for row in rows] == ["1", "0"]
    assert [row["verdict"] for row in rows] == ["same", "bad_query"]
    assert [row["source"] for row in rows] == ["person", "import"]
    assert [row["round"] for row in rows] == ["", "3"]
    assert rows[0]["seconds"] == "1.25"
    assert rows[0]["answered_at"] == "1000.5"
    assert rows[0]["query_name"] == "0000.jpg"


def test_pairs_have_the_columns_of_version_01_and_what_came_since() -> None:
    assert pairs_csv([]).strip() == f"{OLD_COLUMNS},verdict,seconds"
    assert PAIR_COLUMNS[-2:] == ("verdict", "seconds")


def test_answers_from_labels_say_so() -> None:
    (row,) = table(pairs_csv([answer(1, annotator=LABELS)]))
    assert row["source"] == "labels"


def test_identities_by_hand() -> None:
    text = identities_csv(["a", 'b "x"', "c"], np.array([4, 2, 4]), {4: "Anna"})
    assert text == 'name,identity,group_size,label\na,4,2,Anna\n"b ""x""",2,1,\nc,4,2,Anna\n'
    with pytest.raises(InputError, match="2 names but 1 groups"):
        identities_csv(["a", "b"], np.array([0]))


def test_every_event_is_one_line_of_json() -> None:
    events = [answer(1, payload={"a": "Zoë\n"}), Event("u", "run", "undo", "me", 2.0, target=1, id=2)]
    lines = events_jsonl(events).splitlines()
    assert [Event(**json.loads(line)) for line in lines] == events
    assert events_jsonl([]) == ""


def test_wildlife_table_by_hand() -> None:
    groups = np.array([0, 1, 0, 3, 4, 4])
    labels = {1: "Leo", 3: "unknown", 4: "Leo"}
    rows = table(wildlife_csv(NAMES, groups, labels=labels, facts={"camera": list("abcdef")}))
    assert list(rows[0]) == ["image_id", "identity", "path", "camera"]
    assert [row["identity"] for row in rows] == [
        "identity_0",
        "Leo (1)",  # two groups of one name are not known to be one animal
        "identity_0",
        "unknown (3)",
        "Leo (4)",
        "Leo (4)",
    ]
    assert [row["image_id"] for row in rows] == [str(number) for number in range(6)]
    assert rows[2]["path"] == "0002.jpg"


def test_wildlife_paths_keep_the_names_beside_them_and_loners_are_unknown() -> None:
    text = wildlife_csv(["a", "b"], np.array([0, 1]), labels={1: "Leo"}, paths=["x/a.jpg", "y/b.jpg"])
    assert text == "image_id,identity,path,name\n0,unknown,x/a.jpg,a\n1,Leo,y/b.jpg,b\n"


def test_label_studio_tasks_by_hand() -> None:
    events = [
        answer(1, pair=(0, 1)),
        answer(2, "different", pair=(2, 3), query_name="b/ü 1.jpg", annotator="anna"),
        answer(3, "bad_query", pair=(1, 0), annotator="anna"),  # the other way round: the candidate is bad
    ]
    first, second = json.loads(label_studio_json(events, prefix="http://x/"))
    assert first["data"]["query"] == "http://x/0000.jpg"
    assert first["data"]["annotators"] == ["me", "anna"]
    results = [annotation["result"] for annotation in first["annotations"]]
    assert [result[0]["value"] for result in results] == [
        {"choices": ["same"]},
        {"choices": ["bad_candidate"]},
    ]
    assert second["data"]["query"] == "http://x/b/%C3%BC%201.jpg"
    assert second["annotations"][0]["lead_time"] == 1.25
    assert second["annotations"][0]["created_at"] == "1970-01-01T00:16:40.500000Z"


def test_label_studio_tasks_fit_the_interface() -> None:
    from xml.etree import ElementTree

    view = ElementTree.fromstring(LABEL_STUDIO_CONFIG)
    choices = view.find("Choices")
    assert choices is not None
    assert [choice.get("value") for choice in choices] == list(ANSWERS)
    (task,) = json.loads(label_studio_json([answer(1)]))
    for image in view.iter("Image"):
        assert task["data"][str(image.get("value")).removeprefix("$")].startswith("/data/local-files/?d=")
    result = task["annotations"][0]["result"][0]
    assert (result["from_name"], result["to_name"]) == (choices.get("name"), choices.get("toName"))
    assert result["type"] == "choices"


# Market-1501


@pytest.fixture
def files(tmp_path: Path) -> ImageSet:
    paths = []
    for number, name in enumerate(NAMES):
        path = tmp_path / "images" / name.replace(".jpg", ".JPG" if number == 2 else ".png")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"bytes of image {number}".encode())
        paths.append(str(path))
    return ImageSet(NAMES, [-1] * 6, cameras=[1, 2, 1, 2, 3, 3], source="test", paths=paths)


GROUPS = np.array([5, 0, 2, 5, 2, 1])


@pytest.mark.parametrize("link", [False, True])
def test_a_market_folder_holds_the_files_byte_for_byte(tmp_path: Path, files: ImageSet, link: bool) -> None:
    folder = tmp_path / "out" / "market"
    assert write_market1501(folder, files, GROUPS, link=link) == 4
    written = {path.name: path for path in (folder / "bounding_box_train").iterdir()}
    assert sorted(written) == [
        "0001_c1s1_000000_00.png",
        "0001_c2s1_000003_00.png",
        "0002_c1s1_000002_00.jpg",
        "0002_c3s1_000004_00.png",
    ]
    assert written["0002_c1s1_000002_00.jpg"].read_bytes() == b"bytes of image 2"
    assert files.paths is not None
    assert written["0001_c1s1_000000_00.png"].samefile(str(files.paths[0])) == link
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["market"]


def test_a_market_folder_reads_back(tmp_path: Path, files: ImageSet) -> None:
    assert write_market1501(tmp_path / "market", files, GROUPS, smallest=1) == 6
    read = load_market1501(tmp_path / "market")
    found = [files.names.tolist().index(name) for name in read.names]
    assert files.cameras is not None
    assert read.cameras is not None
    assert read.cameras.tolist() == files.cameras[found].tolist()
    assert len(set(zip(read.identities.tolist(), GROUPS[found].tolist(), strict=True))) == 4


def test_images_in_memory_are_written_without_loss(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 7, 5, 3), dtype=np.uint8)
    images = ImageSet(["a", "b", "c"], [-1] * 3, source="test", pixels=pixels)
    assert write_market1501(tmp_path / "market", images.subset([2, 0]), np.array([0, 0])) == 2
    with Image.open(tmp_path / "market/bounding_box_train/0001_c1s1_000001_00.png") as image:
        assert np.array_equal(np.asarray(image), pixels[0])


def test_a_market_folder_that_cannot_be_is_refused_and_leaves_nothing(
    tmp_path: Path, files: ImageSet
) -> None:
    with pytest.raises(InputError, match="not an empty folder"):
        write_market1501(tmp_path, files, GROUPS)
    with pytest.raises(InputError, match="no identity has 2 images"):
        write_market1501(tmp_path / "market", files, np.arange(6))
    with pytest.raises(InputError, match="6 names but 2 groups"):
        write_market1501(tmp_path / "market", files, np.zeros(2, dtype=np.int64))
    assert files.paths is not None
    Path(str(files.paths[4])).unlink()
    with pytest.raises(InputError, match=r"0004\.png") as error:
        write_market1501(tmp_path / "market", files, GROUPS)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


# Import


def test_the_three_columns_are_enough(tmp_path: Path) -> None:
    text = "\ufeffquery_name, candidate_name ,answer\n0000.jpg,0003.jpg,+1\n\n0001.jpg,0002.jpg, -1.0\n"
    text += "0004.jpg,0005.jpg,0\n"
    first, second, third = read_pairs_csv(write(tmp_path, text), NAMES, run="r", annotator="me", now=5.0)
    assert (first.kind, first.run, first.annotator, first.at) == ("import", "r", "me", 5.0)
    assert (first.query, first.candidate, first.query_name) == (0, 3, "0000.jpg")
    assert [event.answer for event in (first, second, third)] == ["same", "different", "cannot_tell"]
    assert [event.payload["line"] for event in (first, second, third)] == [2, 4, 5]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("yes", "same"), ("Different", "different"), ("can't tell", "cannot_tell"), ("No match", "different")]
    + [(verdict, verdict) for verdict in ANSWERS],
)
def test_words_and_short_names_are_understood(tmp_path: Path, word: str, expected: str) -> None:
    file = write(tmp_path, f"candidate,query,answer,more\n0001.jpg,0000.jpg,{word},x,y,z\n")
    (event,) = read_pairs_csv(file, NAMES, run="r")
    assert (event.query, event.candidate, event.answer) == (0, 1, expected)


def test_our_own_pairs_come_back(tmp_path: Path) -> None:
    events = [
        answer(number, verdict, pair=(number % 5, 5), annotator="Zoë")
        for number, verdict in enumerate(ANSWERS)
    ]
    text = pairs_csv(events)
    back = read_pairs_csv(write(tmp_path, text), NAMES, run="run")
    assert [event.key for event in back] == [event.key for event in events], "the run knows its own answers"
    kept = ("query", "candidate", "answer", "annotator", "at", "seconds", "selector", "probability")
    for before, after in zip(events, back, strict=True):
        assert [getattr(before, name) for name in kept] == [getattr(after, name) for name in kept]
    elsewhere = read_pairs_csv(write(tmp_path, text), NAMES, run="other")
    assert all(event.key.startswith("import/") for event in elsewhere)
    assert len({event.key for event in elsewhere}) == len(events)


def test_the_table_of_version_01_is_read_too(tmp_path: Path) -> None:
    row = f"k,old,0,0,9,8,{NAMES[2]},{NAMES[4]},-1,dqn,labels,,1.0,2.0,"
    (event,) = read_pairs_csv(write(tmp_path, f"{OLD_COLUMNS}\n{row}\n"), NAMES, run="run")
    assert (event.query, event.candidate, event.answer, event.at) == (2, 4, "different", 2.0), "names decide"


def test_a_file_read_twice_has_the_same_keys_and_repeated_rows_count(tmp_path: Path) -> None:
    text = "query_name,candidate_name,answer\n0000.jpg,0001.jpg,1\n0000.jpg,0001.jpg,1\n"
    once = [event.key for event in read_pairs_csv(write(tmp_path, text), NAMES, run="run")]
    grown = [
        event.key
        for event in read_pairs_csv(write(tmp_path, text + "0002.jpg,0001.jpg,1\n"), NAMES, run="run")
    ]
    assert len(set(once)) == 2
    assert grown[:2] == once
    assert len(set(grown)) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found nothing; expected the columns query_name, candidate_name and answer"),
        ("query_name,answer\n", "line 1: found query_name, answer"),
        ("query_name,candidate_name\n", "line 1"),
        ("query_name;candidate_name;answer\n", "line 1"),
        (
            "query_name,candidate_name,answer\n0000.jpg,0001.jpg,1\n0000.jpg,absent.jpg,1\n",
            "line 3: candidate_name",
        ),
        ("query,candidate,answer\n0,1,1\n", "line 2: query '0' is none of the 6 images"),
        ("query_name,candidate_name,answer\n0000.jpg,0001.jpg,2\n", "line 2: answer '2'"),
        ("query_name,candidate_name,answer\n0000.jpg,0001.jpg,perhaps\n", "line 2: answer 'perhaps'"),
        ("query_name,candidate_name,answer\n0000.jpg,0001.jpg,nan\n", "line 2: answer 'nan'"),
        ("query_name,candidate_name,answer\n0000.jpg,0001.jpg\n", "line 2: no answer"),
        (
            "query_name,candidate_name,answer\n0000.jpg,0000.jpg,1\n",
            "line 2: compares '0000.jpg' with itself",
        ),
        ('query_name,candidate_name,answer\n"0000.jpg\n",0001.jpg,1\n', r"line 2: query_name '0000.jpg\n'"),
        ("query_name,candidate_name,answer,verdict\n0000.jpg,0001.jpg,1,different\n", "correct one of them"),
        ("query_name,candidate_name,answer,seconds\n0000.jpg,0001.jpg,1,long\n", "line 2: seconds 'long'"),
        ('query_name,candidate_name,answer\n"0000.jpg"x,0001.jpg,1\n', "cannot be read as CSV"),
    ],
)
def test_a_bad_row_refuses_the_file(tmp_path: Path, text: str, expected: str) -> None:
    refused(write(tmp_path, text), expected)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent.csv", "No such file")
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00bad")
    refused(tmp_path / "pairs.csv", "expected a UTF-8 file")


def test_imports_are_stored_once(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from reid_al_agents.log.store import EventStore

    with EventStore(tmp_path / "store") as store:
        original, _ = store.append(answer(1, id=0))
        file = write(tmp_path, pairs_csv(store.events("run")))
        assert store.append_many(read_pairs_csv(file, NAMES, run="run")) == 0
        assert store.append_many(read_pairs_csv(file, NAMES, run="other")) == 1
        assert store.append_many(read_pairs_csv(file, NAMES, run="other")) == 0
        (copy,) = store.events("other")
        assert (copy.kind, copy.answer, copy.annotator) == ("import", original.answer, "me")


HOSTILE = st.text("'=+-@\t\r\n,\"ab ", min_size=1, max_size=6)


@given(st.lists(HOSTILE, min_size=2, max_size=5, unique=True), HOSTILE, HOSTILE)
def test_pairs_whose_texts_look_like_formulas_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], annotator: str, selector: str
) -> None:
    events = [
        answer(
            number,
            "different",
            annotator=annotator,
            selector=selector,
            key=f"={number}",
            candidate=number,
            query_name=names[0],
            candidate_name=names[number],
        )
        for number in range(1, len(names))
    ]
    text = pairs_csv(events)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert all(row["answer"] == "-1" for row in rows)
    texts = [row[name] for row in rows for name in ("key", "query_name", "candidate_name", "annotator")]
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in texts)
    file = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    file.write_bytes(text.encode())
    imported = read_pairs_csv(file, names, run="run")
    kept = ("key", "query", "candidate", "query_name", "candidate_name", "annotator", "selector", "answer")
    assert [[getattr(e, n) for n in kept] for e in imported] == [
        [getattr(e, n) for n in kept] for e in events
    ]
    recorded = RecordedOracle.from_csv(file, names=names)
    assert [recorded.answer(0, number) for number in range(1, len(names))] == [-1] * len(events)


@given(st.lists(HOSTILE.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True))
def test_identities_whose_names_look_like_formulas_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    text = identities_csv(names, np.zeros(len(names), dtype=np.int64), {0: "=name"})
    file = tmp_path_factory.mktemp("identities") / "identities.csv"
    file.write_bytes(text.encode())
    rows = read_rows(file)
    assert rows.column("name") == names
    assert rows.column("label") == ["=name"] * len(names)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("probability", "1.01"),
        ("probability", "-0.1"),
        ("seconds", "-1"),
        ("seconds", "1e9"),
        ("answered_at", "-5"),
        ("answered_at", "1.7e12"),  # milliseconds
        ("shown_at", "1e300"),
    ],
)
def test_numbers_that_cannot_be_what_they_are_called_are_refused(
    tmp_path: Path, column: str, value: str
) -> None:
    text = f"query_name,candidate_name,answer,{column}\n{NAMES[0]},{NAMES[1]},1,{value}\n"
    refused(write(tmp_path, text), "line 2", "expected a number from 0 to")
