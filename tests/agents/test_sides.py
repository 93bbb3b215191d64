"""Sides of an animal: what cannot be compared is not compared, and is no negative either."""

from dataclasses import replace
from types import SimpleNamespace

import live_world
import numpy as np
import pytest
from asking_world import Simulation
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.dispute import Disputes
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.sides import Sides, sides_of
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.experiment.loop import Loop
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.training.cluster.clusters import constrained_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import (
    ConstraintGraph,
    FeatureSet,
    InputError,
    LabelOracle,
    synthetic_features,
)

KNOWN = np.array([0, 1, 0, -1, 1, 2])


def animals(identities=20, seed=0):
    """Each seen three times from the left and three times from the right, which look unlike; some unknown."""
    drawn = synthetic_features(2 * identities, 3, noise=0.5, seed=seed)
    made = drawn.subset(np.argsort(drawn.identities, kind="stable"))
    sides = np.repeat(np.arange(2 * identities) % 2, 3)
    sides[::17] = -1
    return FeatureSet(made.features, made.identities // 2), sides


def test_comparable_by_hand():
    sides = Sides(KNOWN)
    one, other = np.array([0, 0, 0, 3, 3, 1, 4]), np.array([1, 2, 3, 3, 5, 4, 5])
    assert sides.comparable(one, other).tolist() == [False, True, True, True, True, True, False]


def test_no_known_side_is_no_sides():
    assert sides_of(None) is None
    assert sides_of(np.array([-1, -1])) is None
    assert sides_of(np.array([-1, 0])).sides.tolist() == [-1, 0]


def cosines(points):
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    return units @ units.T


@given(st.integers(0, 10_000))
def test_an_image_is_nearer_to_all_of_its_side_than_to_any_of_another(seed):
    rng = np.random.default_rng(seed)
    points, numbers = rng.normal(size=(12, 2)), rng.integers(0, 3, 12)
    numbers[0] = 2
    apart = Sides(numbers).separate(points)
    before, after = cosines(points), cosines(apart)
    same = numbers[:, None] == numbers
    np.testing.assert_allclose(after, np.where(same, (before + 2) / 3, before / 3), atol=1e-9)
    for row, alike in zip(after, same, strict=True):
        assert row[alike].min() >= row[~alike].max(initial=-1) - 1e-9


def test_an_unknown_side_lies_between():
    same_look = np.ones((4, 3), dtype=np.float32)
    apart = Sides(np.array([0, 1, -1, -1])).separate(same_look)
    assert apart.dtype == np.float32
    left = cosines(apart)[0]
    assert left[1] < left[2] < left[0]
    assert cosines(apart)[2, 3] == pytest.approx(1)


def test_similarities_across_sides_are_cut_and_the_others_kept():
    dense = np.arange(36, dtype=float).reshape(6, 6)
    cut = Sides(KNOWN).without_incomparable(sparse.csr_matrix(dense)).toarray()
    for i in range(6):
        for j in range(6):
            kept = KNOWN[i] == KNOWN[j] or -1 in (KNOWN[i], KNOWN[j])
            assert cut[i, j] == (dense[i, j] if kept else 0)


def test_sides_of_groups_by_hand():
    shown = Sides(KNOWN).of_groups(np.array([0, 0, 1, 2, -1, 3]))
    assert shown.tolist() == [
        [True, True, False], [True, False, False], [True, True, True], [False, False, True],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0, 2], [1, 4], None),
        ([1, 0, 2], [4, 2], ([1], [4])),  # two sides in common: one image of the poorer group either way
        ([1, 0, 2], [3], ([0, 2], [3])),  # unknown faces all, and the left has more
        ([3], [5, 1], ([3], [1])),
    ],
)
def test_facing_by_hand(ours, theirs, expected):
    found = Sides(KNOWN).facing(np.array(ours), np.array(theirs))
    if expected is None:
        assert found is None
        return
    assert min(len(found[0]), len(found[1])) == min(map(len, expected))
    assert Sides(KNOWN).comparable(*np.array([(i, j) for i in found[0] for j in found[1]]).T).all()


def spell(selector="gain", linked=6, seed=0, pool=12, compared=True, **changes):
    """Questions about animals; some animals' sides are joined by a sequence."""
    features, sides = animals(seed=seed)

    def known(_):
        constraints = ConstraintGraph(len(features))
        for animal in range(linked):
            constraints.add(6 * animal + 1, 6 * animal + 4, 1, 3.0)
        return constraints

    made = {"sides": Sides(sides) if compared else None, "known": known, "pool_size": pool, "k": 6}
    return Simulation(features, selector, seed=seed, **made, **changes), Sides(sides)


@pytest.mark.parametrize("selector", ["gain", "random", "entropy"])
@pytest.mark.parametrize("changes", [{}, {"noise": 0.1}, {"budget": 4}, {"audit_share": 0.4}])
def test_nobody_is_asked_about_what_cannot_be_compared(selector, changes):
    asked, sides = spell(selector, **changes)
    first, second = np.array(asked.ask(120).oracle.pairs).T
    assert len(first) == 120
    assert sides.comparable(first, second).all()


def test_all_that_can_be_told_is_told_and_sides_are_joined_where_a_sequence_joins_them():
    # With this seed, and lists of the usual length, no two animals' images look exactly alike: no piece is
    # wrong before the first answer.
    asked, sides = spell(
        linked=6, pool=100, neighbours=100, micro_cluster_similarity=1.0, seed=2, adapt=False
    )
    micro_clusters = form_groups(asked.visual.similarities, ConstraintGraph(120), 1.0).groups
    identities = asked.features.identities
    assert all(len(np.unique(identities[micro_clusters == each])) == 1 for each in micro_clusters)
    asked.ask(100_000)
    assert asked.engine.exhausted
    groups = form_groups(asked.visual.similarities, asked.constraints, 1.0).groups
    known = sides.sides >= 0
    for animal in range(20):
        own = np.flatnonzero(identities == animal)
        left, right = (own[known[own] & (sides.sides[own] == side)] for side in (0, 1))
        through_unknown = len(own) > len(left) + len(right)
        assert len(np.unique(groups[left])) == len(np.unique(groups[right])) == 1
        joined = groups[left[0]] == groups[right[0]]
        if animal < 6:
            assert joined
        elif not through_unknown:
            assert not joined


def test_without_sides_such_pairs_are_asked():
    asked, sides = spell(compared=False)
    assert not sides.comparable(*np.array(asked.ask(120).oracle.pairs).T).all()


def test_a_sequence_that_joins_two_sides_is_nobodys_to_judge():
    beliefs = Beliefs(lambda _: ConstraintGraph(4), 0.02)
    for i, j, answer, weight in [(0, 1, 1, 0.5), (1, 2, 1, 5.0), (2, 3, 1, 5.0), (0, 3, -1, 3.0)]:
        beliefs.constraints.add(i, j, answer, weight)
    (dispute,) = beliefs.constraints.disputes()
    assert set(dispute.ask) == {0, 1}  # the lightest, which joins left and right

    def asked(sides):
        return len(list(Disputes(beliefs, AskingReport(), sides).due(lambda: True)))

    assert asked(None) == 1
    assert asked(Sides(np.array([0, 0, 1, 1]))) == 1
    assert asked(Sides(np.array([0, 1, 1, 0]))) == 0


def test_nothing_is_alike_across_sides_however_few_there_are():
    features, sides = animals(identities=4)
    rows, columns = compare_visually(features.features, None, sides=Sides(sides)).similarities.nonzero()
    assert len(rows)
    assert Sides(sides).comparable(rows, columns).all()
    rows, columns = compare_visually(features.features, None).similarities.nonzero()
    assert not Sides(sides).comparable(rows, columns).all()


def test_clusters_of_different_sides_are_no_negatives_unless_answers_tell_them_apart():
    features, sides = animals(identities=12)
    sides = np.where(sides < 0, 0, sides)
    constraints = ConstraintGraph(len(features))
    settings = replace(ClusterSettings(), k1=6, k2=2, min_images=2, unsure_similarity=0.0)
    plain = constrained_clusters(features.features, None, constraints, settings)
    assert plain.unsure is None
    clusters = constrained_clusters(features.features, None, constraints, settings, Sides(sides))
    side = np.array(
        [np.unique(sides[clusters.labels == c]) for c in range(clusters.labels.max() + 1)]
    ).ravel()  # raises where a cluster shows both
    assert (clusters.unsure == (side[:, None] != side)).all()
    a, b = np.argwhere(clusters.unsure)[0]
    i, j = (int(np.flatnonzero(clusters.labels == cluster)[0]) for cluster in (a, b))
    constraints.add(i, j, -1)
    after = constrained_clusters(features.features, None, constraints, settings, Sides(sides))
    assert not after.unsure[after.labels[i], after.labels[j]]


def test_the_loop_hears_of_the_subjects_sides():
    features, sides = animals()
    subject = FeaturePool(features)
    subject.sides = sides
    pairs = []

    def answer(queries, galleries):
        pairs.extend(zip(queries.tolist(), galleries.tolist(), strict=True))
        return LabelOracle(features.identities).answer(queries, galleries)

    config = RunConfig(data="memory", refresh="none", evaluate_on="none", answers=90, pool_size=12, k=6)
    loop = Loop(subject, config, SimpleNamespace(answer=answer))
    loop.begin()
    while not loop.over:
        loop.play_round()
    assert len(pairs) == 90
    assert Sides(sides).comparable(*np.array(pairs).T).all()
    groups = loop.questions.identities()
    assert all(len(np.unique(sides[(groups == group) & (sides >= 0)])) <= 2 for group in np.unique(groups))


def test_people_are_given_pairs_and_rows_that_can_be_compared(tmp_path):
    features, sides = animals()
    features = FeatureSet(
        features.features, features.identities, paths=np.array([f"{i}.png" for i in range(len(features))])
    )
    pixels = np.zeros((len(features), 4, 4, 3), np.uint8)
    images = ImageSet(features.names, features.identities, source="animals", pixels=pixels, sides=sides)

    def known(_):
        constraints = ConstraintGraph(len(features))
        for animal in range(8):
            constraints.add(6 * animal + 1, 6 * animal + 4, 1, 3.0)
        return constraints

    with EventStore(tmp_path / "events.sqlite") as store:
        session = AnnotationSession(
            features, store, "run", lambda: make_selector("gain"), known=known,
            settings=AnnotationSettings(gold_share=0.0, refresh_every=None), images=images,
        )  # fmt: skip
        pairs = []
        for turn in range(40):
            rows = session.rows("anna", 1)
            if not rows:
                break
            for question in rows[0]:
                pairs.append((question.query, question.candidate))
                answer = live_world.truth(features, question)
                session.answer("anna", question.id, answer, key=f"{turn}-{question.id}")
    assert len(pairs) > 60
    assert Sides(sides).comparable(*np.array(pairs).T).all()


def test_the_column_of_a_table(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(b"")
    table = tmp_path / "table.csv"
    table.write_text("path,identity,side\na.png,1,right\nb.png,1, left \nc.png,2,\nd.png,2,right\n")
    images = load_data(f"csv:{table}")
    assert images.sides.tolist() == [1, 0, -1, 1]
    assert images.subset([1, 3]).sides.tolist() == [0, 1]
    table.write_text("path,identity\na.png,1\nb.png,1\n")
    assert load_data(f"csv:{table}").sides is None


def test_as_many_sides_as_images():
    with pytest.raises(InputError, match="1 sides for 2 images"):
        ImageSet(["a", "b"], [0, 1], source="two", pixels=np.zeros((2, 4, 4, 3), np.uint8), sides=[0])


def test_between_images_sides_are_refused_and_not_ignored():
    features, sides = animals()

    pool = FeaturePool(features)
    pool.sides = sides
    config = RunConfig("memory", nodes="images", refresh="none", evaluate_on="none", pool_size=12, k=6)
    with pytest.raises(InputError, match=r"across sides.*between groups"):
        Loop(pool, config, LabelOracle(features.identities))
