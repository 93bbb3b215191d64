"""Questions between groups of images: a simulation is a session whose answers come from labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.audit import audited_quality
from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.delivery import deliver
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.experiment.questions import Bar, Figures
from reid_al_agents.experiment.simulated import SimulatedAnnotator, answer_questions
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet

_AUDIT_FIGURES = ("audit_answers", "audit_precision", "audit_recall", "audit_calibration_error")


class GroupQuestions:
    """Runs the engine and answers its questions; see :class:`.Questions`.

    Args:
        beliefs: What is known.
        selector: Gives the selector that chooses among a group's candidates.
        settings: How groups are formed and asked about.
        episode: Of the environment.
        until_stable: Whether to stop once answers hardly change any group.
        sides: Which images can be compared; ``None`` where all can.
    """

    drawn = 0
    visual: VisualSimilarity | None = None

    def __init__(
        self,
        beliefs: Beliefs,
        selector: Callable[[], Selector],
        settings: GroupSettings,
        episode: EpisodeSettings,
        until_stable: bool,
        sides: Sides | None,
    ) -> None:
        self._beliefs, self._selector, self._settings = beliefs, selector, settings
        self._episode, self._until_stable, self._sides = episode, until_stable, sides
        self._engine: Engine | None = None
        self._features: FeatureSet | None = None
        self._round = 0
        self._over = False
        self._ran_out = False  # of questions in the last round; the next model may have some
        self._figures: Figures = {}

    @property
    def exhausted(self) -> bool:
        """Whether no pair of groups is left to ask about, or asking is stable and that is enough."""
        return self._over or self._stable

    @property
    def ending(self) -> str | None:
        """See :class:`.Questions`."""
        if self._over:
            return (
                "no two groups near each other are left to compare; more images, or a model that sees them "
                "differently (--weights, --backbone), would bring further questions"
            )
        if self._stable:
            return "further answers would hardly change a group (--until-stable)"
        if self._ran_out:
            return (
                "no two groups near each other were left to compare in the last round; more rounds "
                "(--rounds), more images, or a model that sees them differently (--weights, --backbone), "
                "would bring further questions"
            )
        return None

    def see(self, features: FeatureSet, round_: int) -> None:
        """See :class:`.Questions`; another model may have questions where the last had none."""
        if self._engine is not None and self._engine.exhausted:
            self._over = self._over or features is self._features
        settings = self._settings
        self.visual = compare_visually(
            features.features, features.cameras, settings.k1, settings.k2, self._sides
        )
        self._features, self._engine, self._round = features, None, round_

    def ask(
        self, annotator: SimulatedAnnotator, limits: AskingLimits, rng: np.random.Generator, bar: Bar | None
    ) -> AskingReport:
        """See :class:`.Questions`."""
        assert self._features is not None
        assert self.visual is not None
        engine = self._engine = Engine(
            self._features,
            self.visual,
            self._beliefs,
            self._selector(),
            self._settings,
            self._episode,
            rng,
            annotator.announce,
            round_=self._round,
        )
        before, monitor = len(self._beliefs.model.matched), self._beliefs.monitor
        counted, changed = monitor.answers, monitor.changes
        answers = limits.answers or len(self._features)
        answer_questions(engine, annotator, answers, stable=lambda: self._stable, bar=bar)
        report, model = engine.report, self._beliefs.model
        self._ran_out = engine.exhausted
        self._over = engine.exhausted and report.answers == 0
        self._figures = {
            "changed_groups": monitor.changes - changed,
            "changes_watched": monitor.answers - counted,
            "chance_of_change": round(monitor.chance_of_change, 4),
            "calibration_error": model.calibration_error(len(model.matched) - before),
            "repeated": report.repeated,
            "disagreed": report.disagreed,
            "audited": report.audited,
        }
        return report

    def identities(self) -> NDArray[np.int64]:
        """See :class:`.Questions`."""
        return self._deliver(self._beliefs.constraints)

    def figures(self) -> Figures:
        """Changes, calibration and checks of the last round, and what the audit says of the identities."""
        disputes = {"disputes": len(self._beliefs.constraints.disputes()), "over": self._over}
        return {**self._figures, **self._audit_figures(), **disputes} if self._figures else disputes

    def true_rewards(self) -> NDArray[np.float32]:
        """See :class:`.Questions`."""
        assert self._engine is not None
        return self._engine.true_rewards()

    def resume(self, last: Figures) -> None:
        """See :class:`.Questions`."""
        self._over, self._ran_out = bool(last.get("over", False)), "ending" in last

    @property
    def _stable(self) -> bool:
        return self._until_stable and self._beliefs.monitor.stable

    def _deliver(self, constraints: ConstraintGraph) -> NDArray[np.int64]:
        assert self._features is not None
        assert self.visual is not None
        excluded = np.isin(np.arange(len(self._features)), list(self._beliefs.excluded))
        model, settings = self._beliefs.model, self._settings
        found = deliver(self._features, self.visual, constraints, model, settings, excluded)
        return found.identities.groups

    def _audit_figures(self) -> Figures:
        beliefs = self._beliefs
        if not beliefs.audit:
            return dict.fromkeys(_AUDIT_FIGURES) | {"audit_answers": 0}
        assert self.visual is not None
        # Identities that had taken in the audit's answers would agree with them, however wrong elsewhere.
        estimate = audited_quality(beliefs, self._deliver(beliefs.heard), self.visual)
        precision, recall = (None, None) if estimate is None else (estimate.precision, estimate.recall)
        return {
            "audit_answers": 0 if estimate is None else estimate.answers,
            "audit_precision": None if precision is None else list(precision),
            "audit_recall": None if recall is None else list(recall),
            "audit_calibration_error": beliefs.audit.calibration_error(),
        }
