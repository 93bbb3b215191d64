"""Groups of the asking that train as they are: when, which, and how the loop hands them on."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data.synthetic import DOMAINS, render_pedestrians
from reid_al_agents.experiment.benchmark import Plan, compare
from reid_al_agents.experiment.loop import Loop
from reid_al_agents.log.events import Event
from reid_al_agents.training.cluster.clusters import Clusters, assumed_clusters, joined_share, settled_share
from reid_al_agents.training.cluster.objective import train_on_clusters
from reid_al_agents.training.cluster.refresher import ClusterRefresher
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.training.refresh import refresh_model
from reid_al_agents.vision import build_backbone
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph, InputError, LabelOracle, synthetic_features

SIZE = (32, 16)
QUICK = ClusterSettings(size=SIZE, steps=4, epochs=2, batch_size=12, k1=6, k2=2, min_images=2)


def people():
    domain = replace(DOMAINS["pedestrians-source"], identities=8, cameras=3, cameras_per_identity=3)
    return render_pedestrians(domain, 0)


PEOPLE = people()


def told(count, pairs, sign=-1):
    graph = ConstraintGraph(count)
    for a, b in pairs:
        graph.add(a, b, sign)
    return graph


def weights(model):
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


# When: answers have reached most images


def test_settled_is_who_is_known_to_differ_from_enough_others():
    held = np.array([0, 0, 1, 1, 2, 3])
    graph = told(6, [(0, 2), (1, 3), (0, 4), (1, 5)])  # 0 differs from 1 (said twice), 2 and 3
    assert settled_share(held, graph, 3) == pytest.approx(2 / 6)
    assert settled_share(held, graph, 2) == pytest.approx(2 / 6)
    assert settled_share(held, graph, 1) == 1.0
    assert settled_share(held, graph, 4) == 0.0
    assert settled_share(held, told(6, [(0, 1), (2, 3)], sign=1), 1) == 0.0
    assert settled_share(held, told(6, [(0, 2), (0, 4), (0, 5)], sign=0), 1) == 0.0
    assert settled_share(np.empty(0, dtype=np.int64), ConstraintGraph(0), 1) == 0.0


def test_joined_is_whose_group_a_match_had_a_part_in():
    """One match joins two groups of look-alikes, of which only two images were compared."""
    held = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3])
    graph = told(10, [(2, 5)], sign=1)
    graph.add(6, 8, -1)
    graph.add(8, 9, 0)
    assert joined_share(held, graph) == pytest.approx(6 / 10)
    graph.add(6, 7, 1)
    assert joined_share(held, graph) == pytest.approx(8 / 10)
    assert joined_share(held, ConstraintGraph(10)) == 0.0
    assert joined_share(np.empty(0, dtype=np.int64), ConstraintGraph(0)) == 0.0


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_settled_share_and_conflicts_by_brute_force(data):
    truth = np.array(data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=14)))
    micro_clusters = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=len(truth), max_size=len(truth)))
    )
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, len(truth) - 1), st.integers(0, len(truth) - 1)), max_size=30)
    )
    graph = ConstraintGraph(len(truth))
    for a, b in pairs:
        if a != b:
            graph.add(a, b, 1 if truth[a] == truth[b] else -1)
    # Held: micro_clusters of one identity each, joined by the matches.
    held = np.unique(truth * 3 + micro_clusters, return_inverse=True)[1]
    for a, b in pairs:
        if truth[a] == truth[b]:
            held[held == held[b]] = held[a]
    held = np.unique(held, return_inverse=True)[1].astype(np.int64)
    differ = {
        frozenset((int(held[a]), int(held[b])))
        for a, b in combinations(range(len(truth)), 2)
        if graph.relation(a, b) < 0
    }
    for least in (1, 2, 3):
        settled = [sum(group in pair for pair in differ) >= least for group in held.tolist()]
        assert settled_share(held, graph, least) == pytest.approx(np.mean(settled))
    sides = Sides(np.arange(len(truth)) % 3)
    clusters = assumed_clusters(held, graph, 2, sides)
    sizes = np.bincount(held)
    assert ((clusters.labels < 0) == (sizes[held] < 2)).all()
    kept = [group for group in range(len(sizes)) if sizes[group] >= 2]
    assert [set(held[clusters.labels == c].tolist()) for c in range(len(kept))] == [{g} for g in kept]
    if not kept:
        assert clusters.unsure is None
        return
    for (i, a), (j, b) in combinations(enumerate(kept), 2):
        meet = set(sides.sides[held == a].tolist()) & set(sides.sides[held == b].tolist())
        assert clusters.unsure[i, j] == clusters.unsure[j, i]
        assert clusters.unsure[i, j] == (not meet and frozenset((a, b)) not in differ)


def test_without_sides_every_other_group_is_a_negative():
    assert assumed_clusters(np.array([0, 0, 1, 1, 2]), told(5, []), 2).unsure is None


# Which: the refresher


def groups_and_answers():
    """Everybody's images in two halves that matches joined, and answers that tell each from other people."""
    half = np.arange(len(PEOPLE)) % 2
    held = np.unique(PEOPLE.identities * 2 + half, return_inverse=True)[1].astype(np.int64)
    first = np.unique(held, return_index=True)[1]
    apart = [(a, b) for a, b in combinations(first, 2) if PEOPLE.identities[a] != PEOPLE.identities[b]]
    graph = told(len(PEOPLE), apart)
    for image in np.setdiff1d(np.arange(len(held)), first).tolist():
        graph.add(int(first[held[image]]), image, 1)
    return held, graph


def refreshed(graph, held, how=QUICK):
    model = build_backbone("small_cnn")
    ClusterRefresher(how).refresh(model, PEOPLE, graph, seed=3, assumed_groups=held)
    return weights(model)


def test_settled_groups_train_as_they_are():
    held, graph = groups_and_answers()
    model = build_backbone("small_cnn")
    train_on_clusters(model, PEOPLE, lambda _: Clusters(held), QUICK, seed=3)
    assert refreshed(graph, held) == weights(model)
    assert refreshed(graph, held) != refreshed(graph, None)


def test_until_then_looks_decide():
    held, graph = groups_and_answers()
    assert refreshed(graph, held, replace(QUICK, min_conflicts=15)) == refreshed(graph, None)
    few = told(len(PEOPLE), [(0, len(PEOPLE) - 1)])
    assert refreshed(few, held) == refreshed(few, None)
    first = np.unique(graph.groups(), return_index=True)[1]
    apart = told(len(PEOPLE), first[graph.group_conflicts()].tolist())
    assert settled_share(held, apart, 3) == settled_share(held, graph, 3) == 1.0
    assert refreshed(apart, held) == refreshed(
        apart, None
    )  # nothing was joined: they may be in micro_clusters


def test_small_held_groups_do_not_train():
    held, graph = groups_and_answers()
    held = np.where(np.arange(len(held)) == 0, held.max() + 1, held)  # one image alone
    assert assumed_clusters(held, graph, QUICK.min_images).labels[0] == -1
    assert len(refreshed(graph, held))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_conflicts", 0),
        ("min_settled_share", 1.5),
        ("min_settled_share", -0.1),
        ("min_joined_share", 1.5),
    ],
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(InputError, match=name):
        replace(QUICK, **{name: value})


# How: loop, comparison, and the worker beside a live session


class Recorder(FeaturePool):
    """Features that never change, of a model that says what is done to it."""

    trains = True

    def __init__(self, features):
        super().__init__(features)
        self.done = []

    def restart(self):
        self.done.append("restart")

    def refresh(self, constraints, seed, *, quick=False, assumed_groups=None, kept=None):
        known = constraints.groups()
        assumed = assumed_groups
        assert assumed is None or all(len(set(assumed[known == each])) == 1 for each in np.unique(known))
        self.done.append(("quick" if quick else "full", seed, assumed is not None))
        return {}

    def scores(self):
        return {"rank1": 50.0, "rank5": 60.0, "map": 40.0, "minp": 10.0}


FEATURES = synthetic_features(24, 6, seed=1)


def config(**changes):
    return RunConfig(**{"data": "memory", "adapt": False, "evaluate_on": "none", "seed": 2, **changes})


def played(chosen, **given_ends):
    subject = Recorder(FEATURES)
    loop = Loop(subject, chosen, LabelOracle(FEATURES.identities), **given_ends)
    loop.begin()
    while not loop.over:
        loop.play_round()
    return subject.done, loop.rounds[1:]


def test_quick_refreshes_go_on_and_wanted_ones_start_anew():
    done, metrics = played(config(), ends=(10, 20, 30, 40), wanted=(20, 40))
    quick, full = ("quick", 2001, True), ("full", 2002, True)
    assert done == [quick, "restart", full, ("quick", 2003, True), "restart", ("full", 2004, True)]
    assert [line["quick"] for line in metrics] == [True, False, True, False]
    done, _ = played(config(answers=30, rounds=3))
    assert [step if step == "restart" else step[0] for step in done] == ["quick", "quick", "restart", "full"]
    done, _ = played(config(answers=30, rounds=3, warm=True))
    assert "restart" not in done


def test_the_papers_refresh_is_never_quick_and_holds_nothing():
    chosen = config(nodes="images", refresh="triplet", selector="random", pool_size=12, k=6, rounds=2)
    done, metrics = played(replace(chosen, answers=20))
    assert done == ["restart", ("full", 2001, False), "restart", ("full", 2002, False)]
    assert not any(line["quick"] for line in metrics)


def plan(quick_every=None, budgets=(20, 50), **changes):
    return Plan(config(**changes), ("gain",), budgets, (2,), quick_every=quick_every)


def test_quick_refreshes_cut_the_way_to_each_budget_evenly():
    subject = Recorder(FEATURES)
    assert plan(10).ends(subject) == (10, 20, 30, 40, 50)
    assert plan(12).ends(subject) == (10, 20, 30, 40, 50)
    assert plan(0).ends(subject) == plan(100).ends(subject) == (20, 50)
    spans = [last - first for first, last in pairwise((0, *plan().ends(subject)))]
    assert max(spans) <= len(FEATURES) / 14 + 1
    assert {20, 50} <= set(plan().ends(subject))
    assert plan(10, refresh="triplet").ends(subject) == (20, 50)
    assert plan(10).ends(FeaturePool(FEATURES)) == (20, 50)  # nothing trains
    with pytest.raises(InputError, match="quick_every"):
        plan(-1)


def test_rows_are_of_the_budgets_alone():
    subject = Recorder(FEATURES)
    rows = compare(plan(10), lambda seed: subject).rows
    assert [(row.selector, row.answers) for row in rows] == [("start", 0), ("gain", 20), ("gain", 50)]
    assert [step[0] for step in subject.done if step != "restart"] == ["quick", "full"] + ["quick"] * 2 + [
        "full"
    ]


def test_who_has_nothing_left_to_ask_gets_a_row_of_a_full_refresh():
    subject = Recorder(FEATURES)
    rows = compare(plan(40, budgets=(20, 100_000)), lambda seed: subject).rows
    assert [row.answers for row in rows][:2] == [0, 20]
    assert len(rows) == 3
    assert rows[-1].answers < 100_000
    assert [step[0] for step in subject.done if step != "restart"][-1] == "full"


class Watching(FeaturePool):
    """Tells which images would train, and in which groups."""

    trains = True

    def refresh(self, constraints, seed, *, quick=False, assumed_groups=None, kept=None):
        self.trained = (constraints, assumed_groups, kept)
        return {}


def test_a_refresh_assumes_the_groups_that_ask_among_the_images_that_are_left():
    features = FEATURES
    graph = told(len(features), [(3, 4)], sign=1)
    bad = Event("bad", "run", "answer", "anna", 0.0, query=0, candidate=1, answer="bad_query", id=2)
    same = Event("same", "run", "answer", "anna", 0.0, query=3, candidate=4, answer="same", id=1)
    beliefs = Beliefs(lambda _: ConstraintGraph(len(features)), 0.02, [same, bad])
    grouping = GroupSettings()
    pool = Watching(features)
    refresh_model(pool, beliefs, 0, assume=grouping.thresholds(), seen=features)
    constraints, groups, kept = pool.trained
    assert kept.tolist() == list(range(1, len(features)))
    assert constraints.must_links == [(2, 3)]
    visual = compare_visually(features.features[kept], features.cameras[kept], grouping.k1, grouping.k2)
    expected = form_groups(visual.similarities, constraints, grouping.micro_cluster_similarity).groups
    assert (groups == expected).all()
    whole = Beliefs(lambda _: ConstraintGraph(len(features)), 0.02, [same])
    refresh_model(pool, whole, 0, assume=grouping.thresholds(), seen=features)
    constraints, groups, kept = pool.trained
    assert kept is None
    visual = compare_visually(features.features, features.cameras, grouping.k1, grouping.k2)
    assert (groups == form_groups(visual.similarities, graph, grouping.micro_cluster_similarity).groups).all()
