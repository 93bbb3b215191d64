"""Rows, their files, where they are from, and the means and intervals made of them."""

import csv
import json
import math
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reid_al_agents.files import atomic_write, write_text
from reid_al_agents.report import machine
from reid_al_agents.report.machine import Provenance, current_commit, describe_machine, package_versions
from reid_al_agents.report.rows import ResultRow, read_json, results_object, write_csv, write_json
from reid_al_agents.report.summary import estimate, summarise
from reid_al_env.errors import InputError

ROW = ResultRow("dqn", "triplet", 3, 5000, 120, 0.41, 2.35, 58.4, 37.6, 88.25)
PROVENANCE = Provenance("reid-al demo --seed 3", (3,), {"budget": 10}, "abc", {"cores": "2"}, {"numpy": "2"})


def test_a_row_uses_the_names_of_the_design() -> None:
    names = list(ROW.as_dict())
    design = "selector, refresh, seed, answers, implied, match_rate, return, rank1, map, seconds"
    assert names[:10] == design.split(", ")
    assert ROW.as_dict()["return"] == 2.35
    assert ROW.as_dict()["minp"] is None


def test_json_holds_everything_and_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_json(file, [ROW, replace(ROW, seed=4, map=None)], PROVENANCE)
    content = json.loads(file.read_text())
    assert set(content) == {"command", "seeds", "settings", "commit", "machine", "versions", "rows"}
    assert content["rows"][0]["return"] == 2.35
    assert content == json.loads(
        json.dumps(results_object([ROW, replace(ROW, seed=4, map=None)], PROVENANCE))
    )
    assert read_json(file) == ([ROW, replace(ROW, seed=4, map=None)], PROVENANCE)


def test_what_is_not_a_number_is_null_and_blank(tmp_path: Path) -> None:
    row = replace(ROW, return_=math.nan, map=math.inf)
    write_json(tmp_path / "r.json", [row], PROVENANCE)
    assert "NaN" not in (tmp_path / "r.json").read_text()
    assert read_json(tmp_path / "r.json")[0][0].return_ is None
    write_csv(tmp_path / "r.csv", [row])
    with (tmp_path / "r.csv").open(newline="") as file:
        (read,) = csv.DictReader(file)
    assert (read["return"], read["map"], read["minp"], read["rank1"]) == ("", "", "", "58.4")


measured = st.none() | st.floats(-1e6, 1e6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            ResultRow,
            selector=st.text(max_size=8),
            refresh=st.sampled_from(["triplet", "cluster"]),
            seed=st.integers(0, 2**32),
            answers=st.integers(0, 10**6),
            implied=st.none() | st.integers(0, 10**6),
            match_rate=measured,
            return_=measured,
            map=measured,
            ari=measured,
        ),
        max_size=4,
    )
)
def test_any_rows_survive_json(tmp_path_factory: pytest.TempPathFactory, rows: list[ResultRow]) -> None:
    file = tmp_path_factory.mktemp("results") / "results.json"
    write_json(file, rows, PROVENANCE)
    assert read_json(file) == (rows, PROVENANCE)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"rows": 3}', '{"rows": [{"selector": "dqn"}]}', '{"rows": [], "seeds": [], "x": 1}'],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"other\.json") as error:
        read_json(file)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_csv(tmp_path / "absent" / "r.csv", [ROW])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_text(file, "old\r\n")

    def fail_half_way() -> None:
        with atomic_write(file) as stream:
            stream.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert file.read_bytes() == b"old\r\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_interval_by_hand() -> None:
    # mean 2, s = 1, t(0.975, 2) = 4.303 from a printed table: 4.303 / sqrt(3) = 2.484
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(2.484, abs=5e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9).filter(lambda sample: np.ptp(sample) > 1e-3))
def test_interval_is_that_of_the_one_sample_t_test(sample: list[float]) -> None:
    found = estimate(sample)
    low, high = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
    assert found is not None
    assert found.half_width is not None
    assert found.mean - found.half_width == pytest.approx(low, abs=1e-7)
    assert found.mean + found.half_width == pytest.approx(high, abs=1e-7)


def test_one_seed_has_no_interval_and_no_seed_no_estimate() -> None:
    found = estimate([None, 3.0, math.nan])
    assert found is not None
    assert (found.mean, found.half_width, found.seeds) == (3.0, None, 1)
    assert estimate([None, math.nan]) is None
    assert estimate([]) is None


def test_summaries_group_by_selector_and_answers() -> None:
    rows = [
        ResultRow(selector, "triplet", seed, answers, map=10.0 * seed + answers)
        for seed in (0, 1)
        for answers in (20, 10)
        for selector in ("random", "dqn")
    ]
    summaries = summarise(rows)
    expected = [("random", 10), ("random", 20), ("dqn", 10), ("dqn", 20)]
    assert [(s.selector, s.answers) for s in summaries] == expected
    assert [s.estimates["map"].mean for s in summaries] == [15.0, 25.0, 15.0, 25.0]
    assert {s.seeds for s in summaries} == {2}
    assert set(summaries[0].estimates) == {"map"}


def test_a_row_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="two rows for dqn, triplet, seed 3, 5000 answers"):
        summarise([ROW, replace(ROW, map=1.0)])


def test_the_machine_is_described_in_words() -> None:
    described = describe_machine()
    assert {"system", "processor", "cores", "memory"} <= described.keys()
    assert int(described["cores"]) >= 1
    assert all(described.values())
    versions = package_versions()
    assert versions["numpy"] == np.__version__
    assert {"python", "torch", "gymnasium", "stable-baselines3"} <= versions.keys()


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_checkout_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "machine.py"
    module.write_text("1")
    monkeypatch.setattr(machine, "__file__", str(module))
    assert current_commit() == "unknown"  # no checkout
    git(tmp_path, "init", "-q")
    assert current_commit() == "unknown"  # a checkout of something else
    git(tmp_path, "add", "machine.py")
    git(tmp_path, "commit", "-qm", "first")
    assert current_commit() == git(tmp_path, "rev-parse", "HEAD")
    module.write_text("2")
    assert current_commit() == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def test_provenance_of_this_process_is_complete(tmp_path: Path) -> None:
    provenance = Provenance.of_this_process("reid-al demo", (0, 1), {"path": Path("x")})
    write_json(tmp_path / "r.json", [], provenance)
    _, read = read_json(tmp_path / "r.json")
    assert read == replace(provenance, settings={"path": "x"})
