"""The benchmark scripts: what the ablations change, and that every script can still be run."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_env import InputError
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
asking = script("asking_ablation")
audit = script("audit_coverage")


@pytest.fixture(scope="module")
def pool():
    features = synthetic_features(identities=40, images_per_identity=8, dimensions=16, noise=0.6, seed=3)
    settings = GroupSettings()
    visual = compare_visually(features.features, features.cameras, settings.k1, settings.k2)
    return asking.Pool(features, visual)


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


BUDGETS = 40, 200


def rows(pool, variant, budgets=BUDGETS, seed=0):
    return list(asking.measure(variant, pool, budgets, seed))


@pytest.fixture(scope="module")
def measured(pool):
    return {variant.name: rows(pool, variant) for variant in asking._variants([0.2])}


def test_every_variant_gives_the_answers_it_was_asked_for(measured):
    for name, found in measured.items():
        assert [row["answers"] for row in found] == list(BUDGETS), name


def test_same_seed_same_figures(pool, measured):
    assert rows(pool, next(iter(asking._variants([])))) == measured["default"]


def test_what_is_changed_makes_a_difference(measured):
    def figures(name):
        return {key: value for key, value in measured[name][-1].items() if key != "variant"}

    usual = figures("default")
    assert usual["contradictions"] == 0
    for name in measured:
        if name not in ("default", "no label-free start"):  # that one differs in its features alone
            assert figures(name) != usual, name
    assert usual["match_rate"] > figures("random")["match_rate"] + 0.1
    assert usual["pairwise_f1"] > figures("images, no closure")["pairwise_f1"]


def test_first_guess_learns_nothing():
    model = asking.FirstGuess()
    rng = np.random.default_rng(0)
    described = rng.normal(size=(400, 10))
    before = model.probabilities(described)
    for row in described:
        model.add(row, 0.5, 1 if row[0] > 0 else -1)
    model.fit()
    assert np.array_equal(model.probabilities(described), before)


def test_means_are_over_seeds(pool):
    variant = next(iter(asking._variants([])))
    both = [row for seed in (0, 1) for row in rows(pool, variant, budgets=(40,), seed=seed)]
    (line,) = asking.summarise(both)
    assert line["seeds"] == [0, 1]
    assert line["pairwise_f1"]["mean"] == pytest.approx(np.mean([row["pairwise_f1"] for row in both]))


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
    features = pool.features
    found = list(audit.simulate(features, (100, 300), share=0.2, noise=0.0, seed=0))
    assert [row["answers"] for row in found] == [100, 300]
    groups = np.array([0, 0, 0, 1])
    near = np.array([[0, 1, 3], [1, 0, 2], [2, 0, 1], [3, 2, 0]])
    # Of six ordered pairs in a group two match; 3 has 2 of its identity among its nearest, in another group.
    assert audit.quality(groups, near, np.array([5, 5, 6, 6])) == (2 / 6, 2 / 3)
    for row in audit.summarise(found):
        assert 0 <= row["holds"] <= row["runs"] == 1
