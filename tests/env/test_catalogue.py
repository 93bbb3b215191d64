"""The catalogue against its specification: delivered identities, score, reward, questions."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_env import FeatureSet, InputError
from reid_al_env.catalogue.game import CatalogueGame, GameSettings
from reid_al_env.catalogue.identities import DeliveredIdentities
from reid_al_env.catalogue.pool import Pool, nearest
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.references import label_seeing
from reid_al_env.catalogue.specification import bcubed, deliver
from reid_al_env.catalogue.tasks import FAMILIES, Task, held_out_tasks
from reid_al_env.evidence.min_cut import Partition


def small_pool(seed, unknown=0.0):
    """A handful of identities in a few dimensions, so that groups and joins go wrong."""
    rng = np.random.default_rng(seed)
    identities = rng.integers(5, size=rng.integers(8, 24))
    centres = rng.standard_normal((5, 4))
    features = centres[identities] + 0.8 * rng.standard_normal((len(identities), 4))
    identities[rng.random(len(identities)) < unknown] = -1
    identities[0] = 0
    return Pool.of(FeatureSet(features, identities, rng.integers(3, size=len(identities))))


def ordered_joins(pool):
    ranked = sorted(np.flatnonzero(pool.joined), key=lambda pair: (-pool.similarity[pair], pair))
    return [(int(pool.left[pair]), int(pool.right[pair])) for pair in ranked]


def specified(pool, musts, cannots):
    """Delivered identity of each group and the scores, from the list of links alone."""
    identity = deliver(pool.size, musts, cannots, ordered_joins(pool))
    return identity, bcubed([identity[group] for group in pool.groups], pool.features.identities.tolist())


class Links:
    """The answers of an episode as links between the groups of the beginning."""

    def __init__(self, pool):
        self.pool, self.musts, self.cannots = pool, [], []

    def add(self, left, right, answer):
        pair = int(self.pool.groups[left]), int(self.pool.groups[right])
        if answer:
            (self.musts if answer > 0 else self.cannots).append(pair)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 0.3]), unknown=st.sampled_from([0.0, 0.3]))
def test_random_play_equals_the_specification(seed, noise, unknown):
    """Delivered identities, scores and rewards after every answer, right or wrong."""
    pool = small_pool(seed, unknown)
    game = CatalogueGame(pool, GameSettings(60, 8, noise, noise, noise / 2), seed=seed % 1000)
    rng, links = np.random.default_rng(seed), Links(pool)
    identity, scores = specified(pool, [], [])
    while not game.over:
        assert game.delivered.labels.tolist() == identity
        np.testing.assert_allclose(game.score, scores, rtol=1e-12)
        sizes = np.bincount(game.delivered.labels[pool.groups], minlength=pool.size)
        assert game.delivered.sizes[identity].tolist() == sizes[identity].tolist()
        assert game.delivered.count() == len(set(identity))
        before = scores[2]
        answered = game.step(int(rng.integers(len(game.slots))))
        links.add(answered.left, answered.right, answered.answer)
        identity, scores = specified(pool, links.musts, links.cannots)
        assert answered.reward == pytest.approx(scores[2] - before, abs=1e-12)
    assert game.spent <= 60


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_promised_gains_are_what_the_labels_bring(seed):
    pool = small_pool(seed)
    game = CatalogueGame(pool, GameSettings(40, 6), seed=0)
    rng = np.random.default_rng(seed)
    while not game.over:
        gains = game.gains()
        assert np.isneginf(gains[len(game.slots) :]).all()
        action = int(rng.integers(len(game.slots)))
        match, together = game.matches()[action], game.together()[action]
        answered = game.step(action)
        assert answered.reward == pytest.approx(gains[action], abs=1e-12)
        assert (answered.answer > 0) == match
        if match == together:
            assert answered.reward == pytest.approx(0.0, abs=1e-12) or together


def test_branches_of_a_game_do_not_share_what_they_remember_of_gains():
    for seed in range(20):
        game = CatalogueGame(small_pool(seed), GameSettings(40, 6), seed=0)
        branches = []
        for action in range(min(3, len(game.slots))):
            game.gains()
            branches.append(copy.deepcopy(game))
            branches[-1].step(action)
        for branch in branches:
            assert (branch.gains() == pickle.loads(pickle.dumps(branch)).gains()).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cannot_tell=st.sampled_from([0.0, 0.3]))
def test_open_questions_are_what_no_answer_settles(seed, cannot_tell):
    """Pairs of groups by closure over all links, each once; features by the images of the groups."""
    pool = small_pool(seed)
    game = CatalogueGame(pool, GameSettings(200, 500, 0.2, 0.2, cannot_tell), seed=1)
    rng, links, untold = np.random.default_rng(seed), Links(pool), []
    near = list(zip(pool.left.tolist(), pool.right.tolist(), strict=True))
    while not game.over:
        part = deliver(pool.size, links.musts, [], [])  # groups joined by matches
        apart = {frozenset((part[a], part[b])) for a, b in [*links.cannots, *untold]}
        expected = {frozenset((part[a], part[b])) for a, b in near} - apart
        expected = {pair for pair in expected if len(pair) == 2}
        left, right = game.questions.left[game.slots], game.questions.right[game.slots]
        asked = [frozenset((part[a], part[b])) for a, b in zip(left, right, strict=True)]
        assert len(asked) == len(set(asked))
        assert set(asked) == expected
        if game.spent % 5 == 0:
            check_features(game, part)
        answered = game.step(int(rng.integers(len(game.slots))))
        links.add(answered.left, answered.right, answered.answer)
        if answered.answer == 0:
            untold.append((int(pool.groups[answered.left]), int(pool.groups[answered.right])))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 40))
def test_the_choice_is_spread_over_groups_and_identities(seed, places):
    """Merges by falling similarity, the best of each group first; checks the other way, by identity."""
    pool = small_pool(seed)
    game = CatalogueGame(pool, GameSettings(40, places), seed=0)
    rng = np.random.default_rng(seed)
    for _ in range(12):
        if not game.over:
            assert game.slots.tolist() == expected_choice(game, places)
            game.step(int(rng.integers(len(game.slots))))


def expected_choice(game, places):
    everything = game.questions.choose(10_000, game.delivered.labels).tolist()
    left, right = game.questions.left, game.questions.right
    similarity, label = game.questions._similarity, game.delivered.labels
    apart = [pair for pair in everything if label[left[pair]] != label[right[pair]]]
    joined = [pair for pair in everything if label[left[pair]] == label[right[pair]]]
    merges = spread(apart, lambda pair: (-similarity[pair], pair), lambda pair: {left[pair], right[pair]})
    checks = spread(joined, lambda pair: (similarity[pair], -pair), lambda pair: {label[left[pair]]})
    merges = merges[: places - min(len(checks), places // 4)]
    return merges + checks[: places - len(merges)]


def spread(pairs, key, owners):
    """The pairs that come first for one of their owners, then the others, both by key."""
    ranked, seen, first, later = sorted(pairs, key=key), set(), [], []
    for pair in ranked:
        (later if owners(pair) <= seen else first).append(pair)
        seen |= owners(pair)
    return first + later


def check_features(game, part):
    """Each question's numbers from the images of its two groups."""
    pool, seen = game.pool, game.observation()
    column = {name: place for place, name in enumerate(QUESTION_FEATURES)}
    of_image = np.array([part[group] for group in pool.groups])
    delivered = game.delivered.labels[pool.groups]
    units, cameras = pool.units.astype(float), pool.features.cameras
    for place, pair in enumerate(game.slots.tolist()):
        a, b = (
            np.flatnonzero(of_image == part[group])
            for group in (game.questions.left[pair], game.questions.right[pair])
        )
        row = seen["questions"][place]
        cosines = units[a] @ units[b].T
        means = units[a].mean(axis=0), units[b].mean(axis=0)
        cosine = means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1])
        assert row[column["mean_similarity"]] == pytest.approx(cosine, abs=1e-5)
        assert row[column["average_similarity"]] == pytest.approx(cosines.mean(), abs=1e-5)
        mine = {part[game.questions.left[pair]], part[game.questions.right[pair]]}
        parts = [{part[one], part[other]} == mine for one, other in zip(pool.left, pool.right, strict=True)]
        assert row[column["best_similarity"]] == pool.best[parts].max()  # over the near parts of both
        assert row[column["best_similarity"]] <= cosines.max() + 1e-5
        sizes = np.log(sorted([len(a), len(b)])) / np.log(len(of_image))
        assert row[[column["smaller_group"], column["larger_group"]]] == pytest.approx(sizes, abs=1e-6)
        wholes = sorted([(delivered == delivered[a[0]]).sum(), (delivered == delivered[b[0]]).sum()])
        sizes = np.log(wholes) / np.log(len(of_image))
        assert row[[column["smaller_identity"], column["larger_identity"]]] == pytest.approx(sizes, abs=1e-6)
        assert row[column["delivered_together"]] == (delivered[a[0]] == delivered[b[0]])
        assert row[column["camera_shared"]] == bool(set(cameras[a]) & set(cameras[b]))
        ends = seen["groups"][place]
        for other, group in enumerate(seen["groups"][: len(game.slots)]):
            shared = {int(x) for x in group} & {int(x) for x in ends}
            slot = game.slots[other]
            theirs = {part[game.questions.left[slot]], part[game.questions.right[slot]]}
            assert len(shared) == len(mine & theirs)


def test_a_hand_worked_catalogue():
    """Six groups in a row, joined automatically as 0-1, 1-2 and 3-4; identities a a b b b c."""
    features = FeatureSet(np.eye(6), np.array([0, 0, 1, 1, 1, 2]))
    line = Pool(
        features,
        features,
        np.eye(6, dtype=np.float32),
        np.arange(6),
        np.array([0, 1, 2, 3, 4]),
        np.array([1, 2, 3, 4, 5]),
        np.array([0.9, 0.8, 0.5, 0.7, 0.1]),
        np.zeros(5, dtype=np.float32),
        np.array([True, True, False, True, False]),
    )
    confirmed = Partition(6)
    delivered = DeliveredIdentities(line)
    assert delivered.labels.tolist() == [0, 0, 0, 3, 3, 5]
    # Precision: 2/3 2/3 1/3 1 1 1 -> 14/18. Recall: 1 1 1/3 2/3 2/3 1 -> 14/18.
    assert delivered.score().f1 == pytest.approx(14 / 18)
    # "2 and 3 match" brings {0,1,2,3,4}: precision (2/5 2/5 3/5 3/5 3/5 1), recall all 1.
    change = delivered.change_if(2, 3, 1, confirmed)
    precision = (2 * 2 / 5 + 3 * 3 / 5 + 1) / 6
    changes = np.stack([change, np.zeros(2)])
    assert delivered.f1_if(changes) == pytest.approx([2 * precision / (precision + 1), 14 / 18])
    # "1 and 2 do not match" parts {0,1} from {2}: precision all 1, recall 1 1 1/3 2/3 2/3 1.
    confirmed.separate(1, 2)
    delivered.update(1, 2, confirmed)
    assert delivered.labels.tolist() == [0, 0, 2, 3, 3, 5]
    assert delivered.score() == pytest.approx((1.0, 14 / 18, 2 * 14 / 18 / (1 + 14 / 18)))
    # Then "2 and 3 match" makes all right.
    confirmed.join(2, 3)
    delivered.update(2, 3, confirmed)
    assert delivered.score() == (1.0, 1.0, 1.0)


def test_bcubed_of_a_worked_example():
    precision, recall, f1 = bcubed([0, 0, 0, 1, 1, 2], [5, 5, 6, 6, -1, 7])
    assert precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2 + 1) / 5)
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 30))
def test_nearest_rows_are_found(seed, count):
    rng = np.random.default_rng(seed)
    units = rng.standard_normal((rng.integers(2, 25), 3)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found, similarity = nearest(units, count)
    cosines = units @ units.T
    for row in range(len(units)):
        others = [other for other in range(len(units)) if other != row]
        ranked = sorted(-cosines[row, other] for other in others)[:count]
        np.testing.assert_allclose(-similarity[row], ranked, atol=1e-6)
        assert row not in found[row]
        assert len(set(found[row].tolist())) == min(count, len(units) - 1)


def test_best_similarity_is_over_all_pairs_of_images():
    pool = Pool.of(Task("plain", 0, 12))
    for pair in range(len(pool.left)):
        a, b = (np.flatnonzero(pool.groups == group) for group in (pool.left[pair], pool.right[pair]))
        assert pool.best[pair] == pytest.approx((pool.units[a] @ pool.units[b].T).max(), abs=1e-6)
    assert (pool.left < pool.right).all()
    assert len({*zip(pool.left.tolist(), pool.right.tolist(), strict=True)}) == len(pool.left)


def test_an_identity_missing_everywhere_is_refused():
    with pytest.raises(InputError, match="no identity is known"):
        DeliveredIdentities(Pool.of(FeatureSet(np.random.default_rng(0).standard_normal((9, 3)))))


def test_tasks_are_determined_by_their_names():
    task = Task("crowd", 3, 20)
    assert Task.named(str(task), 20) == task
    features = task.features()
    assert features.features.tobytes() == Task("crowd", 3, 20).features().features.tobytes()
    assert features.features.tobytes() != Task("crowd", 4, 20).features().features.tobytes()
    assert len(np.unique(features.identities)) == 20
    assert {task.family for task in held_out_tasks(20)} == {"crowd", "archive", "herd", "single view"}
    assert len(set(held_out_tasks(20))) == 20


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_leaves_something_to_win(family):
    """The first delivered identities are neither right nor useless, and answers improve them."""
    game = CatalogueGame(Pool.of(Task(family, 0, 20)), GameSettings(40, 24), seed=0)
    assert 0.3 < game.score.f1 < 0.97
    start = game.score.f1
    while not game.over:
        game.step(label_seeing(game))
    assert game.score.f1 > start + 0.03


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crowd", "family:seed"),
        ("nowhere:3", "'nowhere' is unknown"),
        ("crowd:-1", "family:seed"),
        ("crowd:x", "family:seed"),
        (7, "family:seed"),
    ],
)
def test_bad_task_names_are_named_in_one_line(name, words):
    with pytest.raises(InputError, match=words) as caught:
        Task.named(name, 20)
    assert "\n" not in str(caught.value)
