"""The benchmark scripts: what the ablations change, and that every script can still be run."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_al_env import InputError
from reid_al_env.catalogue.rules import OFFSET, WEIGHTS
from reid_al_env.synthetic import synthetic_features

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def script(name):
    """Import a script as it is when run: beside the modules of its folder."""
    sys.path.insert(0, str(_FOLDER))
    try:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", _FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(_FOLDER))


NAMES = sorted(path.stem for path in _FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_script_can_be_imported(name):
    assert script(name).__doc__


refresh = script("refresh_ablation")
worth = script("worth")
audit = script("audit_coverage")


@pytest.fixture(scope="module")
def pool():
    return synthetic_features(identities=40, images_per_identity=8, noise=0.7, seed=0)


def as_sets(labels):
    kept = np.unique(labels[labels >= 0])
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in kept}


def test_errors_are_taken_away_one_kind_at_a_time():
    identities = np.array([0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1])
    groups = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3])  # one wrong image in 0; 1 and 2 are fragments of 0
    found = {name: as_sets(labels) for name, labels in refresh.variants(groups, identities, least=3)}
    first, second = frozenset(range(5)), frozenset({5, 6, 7})
    last = frozenset({9, 10})
    assert found["groups"] == {first, second, frozenset({8}), last}
    assert found["groups, no wrong image"] == {
        frozenset(range(4)), frozenset({4}), second, frozenset({8}), last,
    }  # fmt: skip
    assert found["groups, no fragment"] == {first | second | {8}, last}
    assert found["groups, no large fragment"] == {first | second}  # the rest is small, and left out
    assert found["groups, no small fragment"] == {first | {8}, second, last}


def test_small_groups_do_not_train_and_left_out_images_are_judged_alone():
    labels = np.array([7, 7, 7, 4, 4, -1, -1])
    row = refresh._fixed("x", labels, least=3)
    assert row.cluster(np.empty((7, 1), np.float32)).labels.tolist() == [0, 0, 0, -1, -1, -1, -1]
    assert as_sets(row.labels) == {
        frozenset({0, 1, 2}), frozenset({3, 4}), frozenset({5}), frozenset({6}),
    }  # fmt: skip


@pytest.fixture(scope="module")
def measured(pool):
    rows = (row for row in worth.ROWS if row.name in ("gain", "label-seeing", "gain-v1", "nearest"))
    return [
        {"set": "pool", "row": row.name, "seed": 0, "noise": 0.0, "images": len(pool), **line}
        for row in rows
        for line in worth.asked(pool, row, 0, 0.0)
    ]


def test_every_row_gives_the_answers_of_its_budget(pool, measured):
    budgets = [0, *(round(budget * len(pool)) for budget in worth.BUDGETS)]
    for row in ("gain", "gain-v1", "nearest"):
        assert [line["answers"] for line in measured if line["row"] == row] == budgets


def test_same_seed_same_figures(pool, measured):
    again = list(worth.asked(pool, worth.ROWS[0], 0, 0.0))
    assert again == [{key: line[key] for key in again[0]} for line in measured if line["row"] == "gain"]


def test_nearest_scores_0_and_label_seeing_1(measured):
    found = {line["row"]: line["score"] for line in worth.scores(measured)}
    assert found["nearest"] == 0
    assert found["label-seeing"] == 1


def test_the_mean_over_sets_is_paired_by_seed():
    lines = [
        {"set": name, "row": row, "seed": seed, "noise": 0.0, "budget": 0.1, "bcubed_f1": value + 0.1 * seed}
        for name, seed in (("a", 0), ("a", 1), ("b", 0))
        for row, value in (("gain", 0.5), ("gain-v1", 0.3 if name == "a" else 0.4))
    ]
    (line,) = (line for line in worth.mean_over_sets(lines) if line["row"] == "gain")
    assert line["above gain-v1"] == pytest.approx(0.15)
    assert "above nearest" not in line


def test_a_part_of_the_identities_is_drawn_whole(pool):
    part = worth.some_identities(pool, 3, 0.5, 100)
    assert len(part) == 8 * (100 // 8)
    assert set(np.bincount(part.identities).tolist()) <= {0, 8}
    assert worth.some_identities(pool, 3, 0.5, 1000).names.tolist() != part.names.tolist()


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(InputError, match="holds no label-free start"):
        refresh.World(tmp_path, 10, "last", "cpu")


def test_a_row_that_does_not_exist_is_named():
    labels = np.array([0, 0, 1, 1])
    rows = [refresh._fixed(name, labels, least=2) for name in ("one", "two")]
    assert refresh._wanted(rows, []) == rows
    assert refresh._wanted(rows, ["two"]) == rows[1:]
    with pytest.raises(InputError, match="no row 'three'; choose among 'one', 'two'"):
        refresh._wanted(rows, ["two", "three"])


def test_the_audit_is_compared_with_the_quality_it_estimates(pool):
    found = list(audit.simulate(pool, (100, 300), share=0.2, noise=0.0, seed=0))
    assert [row["answers"] for row in found] == [100, 300]
    groups = np.array([0, 0, 0, 1])
    near = np.array([[0, 1, 3], [1, 0, 2], [2, 0, 1], [3, 2, 0]])
    # Of six ordered pairs in a group two match; 3 has 2 of its identity among its nearest, in another group.
    assert audit.quality(groups, near, np.array([5, 5, 6, 6])) == (2 / 6, 2 / 3)
    for row in audit.summarise(found):
        assert 0 <= row["holds"] <= row["runs"] == 1


@pytest.mark.slow
def test_the_weights_of_expected_change_are_fitted_again_by_their_script():
    found = script("expected_change").fit(states=20_000, seed=77)
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=0.02)
    assert found.offset == pytest.approx(OFFSET, abs=0.02)


def test_the_script_of_expected_change_fits_by_seed():
    fit = script("expected_change").fit
    first, again, other = (fit(states=20, seed=seed) for seed in (1, 1, 2))
    assert (first.weights == again.weights).all()
    assert (first.weights != other.weights).any()
    assert first.weights.shape == WEIGHTS.shape
