"""Logs of version 1, which knew no match probability: they open, keep every answer, and go on."""

import csv
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from reid_al_agents.log.logged_oracle import LoggedOracle
from reid_al_agents.log.pair_log import SCHEMA_VERSION, PairAnswer, PairLog
from reid_al_agents.log.run_export import export_pairs_csv

from reid_al_env import InputError, LabelOracle

# What version 1 of the program wrote, to the letter.
VERSION_1 = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    round INTEGER NOT NULL,
    step INTEGER NOT NULL,
    query INTEGER NOT NULL CHECK (query >= 0),
    candidate INTEGER NOT NULL CHECK (candidate >= 0 AND candidate <> query),
    query_name TEXT NOT NULL,
    candidate_name TEXT NOT NULL,
    answer INTEGER NOT NULL CHECK (answer IN (-1, 0, 1)),
    selector TEXT NOT NULL,
    source TEXT NOT NULL,
    annotator TEXT NOT NULL,
    shown_at REAL NOT NULL,
    answered_at REAL NOT NULL
)
"""
APPLICATION_ID = 0x52654964
COLUMNS = (
    "key",
    "run",
    "round",
    "step",
    "query",
    "candidate",
    "query_name",
    "candidate_name",
    "answer",
    "selector",
    "source",
    "annotator",
    "shown_at",
    "answered_at",
)
NAMES = np.array([f"{number:04d}.jpg" for number in range(6)])
IDENTITIES = np.array([0, 0, 1, 1, 2, 2])


def old_answers():
    """Four answers of round 1 of a run, as the oracle of labels gave them."""
    pairs = [(0, 1), (2, 0), (3, 2), (4, 1)]
    return [
        PairAnswer(
            key=f"run/1/{min(pair)}-{max(pair)}/0",
            run="run",
            round=1,
            step=step,
            query=pair[0],
            candidate=pair[1],
            query_name=str(NAMES[pair[0]]),
            candidate_name=str(NAMES[pair[1]]),
            answer=1 if IDENTITIES[pair[0]] == IDENTITIES[pair[1]] else -1,
            selector="dqn",
            source="labels",
            annotator="Zoë",
            shown_at=1000.25 + step,
            answered_at=1001.5 + step,
        )
        for step, pair in enumerate(pairs)
    ]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "pairs.sqlite"
    connection = sqlite3.connect(file)
    connection.execute(VERSION_1)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("PRAGMA journal_mode = WAL")
    sql = f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    rows = [tuple(getattr(answer, name) for name in COLUMNS) for answer in old_answers()]
    connection.executemany(sql, rows)
    connection.commit()
    connection.close()
    return file


def version_of(path):
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def test_an_old_log_opens_with_every_answer_and_no_probability(path):
    with PairLog(path) as log:
        assert log.answers() == old_answers()
        assert [answer.probability for answer in log.answers()] == [None] * 4
        assert log.pairs().tolist() == [[0, 1, 1], [2, 0, -1], [3, 2, 1], [4, 1, -1]]
        assert log.count(run="run", round=1) == 4
    assert version_of(path) == SCHEMA_VERSION == 2


def test_what_is_answered_from_now_on_keeps_its_probability(path):
    new = [
        replace(old_answers()[0], key=f"run/2/{number}", round=2, probability=probability)
        for number, probability in enumerate([0.1 + 0.2, None, 0.0, 1.0, 1e-300])
    ]
    with PairLog(path) as log:
        assert log.record_many(new) == 5
    with PairLog(path) as log:  # brought up to date before, so nothing is done to it
        assert log.answers() == old_answers() + new
        assert [answer.probability for answer in log.answers(round=2)] == [0.1 + 0.2, None, 0.0, 1.0, 1e-300]


def test_an_old_answer_still_counts_once_and_stays_as_it_was(path):
    again = replace(old_answers()[2], answer=-1, probability=0.5)
    with PairLog(path) as log:
        assert log.record(again) is False
        assert log.answers() == old_answers()


def test_old_answers_are_replayed_and_new_ones_follow_them(path):
    asked = []

    class Spy:
        def answer(self, queries, galleries):
            asked.extend(zip(queries.tolist(), galleries.tolist(), strict=True))
            return LabelOracle(IDENTITIES).answer(queries, galleries)

    with PairLog(path) as log:
        oracle = LoggedOracle(Spy(), log, NAMES, run="run", selector="gain")
        oracle.begin_round(1)
        for pair, probability in (((1, 0), 0.25), ((0, 2), 0.5), ((5, 4), 0.75)):
            oracle.expect(probability)
            oracle.answer(np.array(pair[:1]), np.array(pair[1:]))
        assert asked == [(5, 4)]
        assert (oracle.replayed, oracle.asked) == (2, 1)
        assert [answer.probability for answer in log.answers()] == [None] * 4 + [0.75]
        assert log.answers()[-1].answer == 1


def test_two_that_open_an_old_log_both_see_everything(path):
    with PairLog(path) as first, PairLog(path) as second:
        first.record(replace(old_answers()[0], key="new", probability=0.5))
        assert first.answers() == second.answers()
        assert second.answers()[-1].probability == 0.5


def test_an_old_log_is_exported_with_an_empty_probability(path, tmp_path):
    with PairLog(path) as log:
        log.record(replace(old_answers()[0], key="new", probability=0.5))
        assert export_pairs_csv(log, tmp_path / "pairs.csv") == 5
    with (tmp_path / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["probability"] for row in rows] == ["", "", "", "", "0.5"]
    assert rows[0]["annotator"] == "Zoë"


def test_an_old_log_and_a_new_one_are_laid_out_alike(path, tmp_path):
    PairLog(path).close()
    PairLog(tmp_path / "new.sqlite").close()
    layouts = []
    for file in (path, tmp_path / "new.sqlite"):
        connection = sqlite3.connect(file)
        layouts.append(connection.execute("PRAGMA table_info(answers)").fetchall())
        connection.close()
    assert layouts[0] == layouts[1]


def test_another_programs_version_1_is_not_touched(tmp_path):
    file = tmp_path / "notes.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE answers (text)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with pytest.raises(InputError, match="not a pair log"):
        PairLog(file)
    assert file.read_bytes() == before
