"""An engine whose questions an oracle answers, with all that was asked."""

from __future__ import annotations

import numpy as np

from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.simulated import SimulatedAnnotator, answer_questions
from reid_al_agents.log.memory import MemoryLog
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, LabelOracle, NoisyOracle


class Watched:
    """Another oracle's answers, with what was asked and what was known by then."""

    def __init__(self, oracle, beliefs):
        self._oracle, self._beliefs = oracle, beliefs
        self.pairs, self.answers, self.known = [], [], []

    def answer(self, queries, galleries):
        answers = self._oracle.answer(queries, galleries)
        for i, j, answer in zip(queries.tolist(), galleries.tolist(), answers.tolist(), strict=True):
            self.pairs.append((min(i, j), max(i, j)))
            self.answers.append(answer)
            self.known.append(self._beliefs.constraints.relation(i, j))
        return answers


class Simulation:
    """Questions between groups with their answers, set up as a run does it.

    Args:
        features: The pool.
        selector: By name, or itself.
        noise: Share of wrong answers.
        seed: Of everything drawn.
        budget: Questions of a group in a batch.
        oracle: Gives the answers; ``None`` is the labels.
        before: A simulation whose events are known.
        sides: Which images can be compared.
        known: What is known before the first answer.
        pool_size: Candidates of a group.
        k: Neighbours in the graph.
        **changes: Of :class:`GroupSettings`.
    """

    def __init__(
        self,
        features,
        selector="gain",
        noise=0.0,
        seed=0,
        budget=1,
        oracle=None,
        before=None,
        sides=None,
        known=None,
        pool_size=30,
        k=15,
        **changes,
    ):
        self.features, self.settings = features, GroupSettings(**changes)
        self.visual = compare_visually(features.features, features.cameras, sides=sides)
        self.log = MemoryLog() if before is None else before.log
        self.beliefs = Beliefs.replay(
            known or (lambda _: ConstraintGraph(len(features))),
            self.log.events("run"),
            self.settings.error_rate,
        )
        inner = oracle or LabelOracle(features.identities)
        if noise:
            inner = NoisyOracle(inner, false_match=noise, false_non_match=noise, seed=seed)
        self.oracle = Watched(inner, self.beliefs)
        names = np.array([f"{number}.png" for number in range(len(features))])
        self.annotator = SimulatedAnnotator(self.oracle, self.log, "run", self.beliefs, names, "gain")
        self.annotator.begin_round(0 if before is None else before.round + 1)
        self.round = 0 if before is None else before.round + 1
        if isinstance(selector, str):
            selector = make_selector(selector, true_rewards=self._true_rewards)
        self.engine = Engine(
            features,
            self.visual,
            self.beliefs,
            selector,
            self.settings,
            EpisodeSettings(pool_size=pool_size, budget=budget, k=k, metric="cosine"),
            np.random.default_rng(seed),
            self.annotator.announce,
            round_=self.round,
        )

    def _true_rewards(self):
        return self.engine.true_rewards()

    @property
    def report(self):
        return self.engine.report

    @property
    def constraints(self):
        return self.beliefs.constraints

    @property
    def answers(self):
        """The answers' events, in order."""
        return [event for event in self.log.events("run") if event.kind == "answer"]

    @property
    def expected(self):
        """Match probability of each question, as it was kept with the answer."""
        return [event.probability for event in self.answers]

    def ask(self, answers, **options):
        answer_questions(self.engine, self.annotator, answers, **options)
        return self

    def groups(self):
        return self.engine.deliver(self.constraints).identities.groups

    def score(self):
        return evaluate_groups(self.groups(), self.features.identities).bcubed_f1


def handful(count):
    """A pool of a few images of two identities."""
    return FeatureSet(np.random.default_rng(0).normal(size=(count, 5)), np.arange(count) % 2)
