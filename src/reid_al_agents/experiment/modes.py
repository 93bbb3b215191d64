"""Two ways of asking, about images and about groups of them, behind one face for the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.browsing import AskingLimits, AskingReport, ask
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit import Strata, estimate_quality
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.files import write_arrays
from reid_al_agents.selection import Selector
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph, FeatureSet, Inquiry, Oracle
from reid_al_env.mdp.browsing import QueryBrowser

Bar = Callable[[int, int], None]
Figures = dict[str, Any]

_STATE = "asking.npz"

_AUDIT_FIGURES = ("audit_answers", "audit_precision", "audit_recall", "audit_calibration_error")


class AskingMode(Protocol):
    """How the pool is asked about."""

    @property
    def drawn(self) -> int:
        """Queries drawn of the pass over all images; 0 where queries are not drawn."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to ask."""
        ...

    def see(self, features: FeatureSet) -> None:
        """Take in the pool as a new model sees it."""
        ...

    def ask(self, limits: AskingLimits, rng: np.random.Generator, progress: Bar | None) -> AskingReport:
        """Ask until a limit is reached or nothing is left."""
        ...

    def groups(self) -> NDArray[np.int64]:
        """(N,) the identities formed, as the last model seen tells them."""
        ...

    def held(self) -> NDArray[np.int64] | None:
        """(N,) groups that are taken for one identity while asking; ``None`` where single images are."""
        ...

    def figures(self) -> Figures:
        """Figures about the last spell of asking, for the metrics."""
        ...

    def true_rewards(self) -> NDArray[np.float32]:
        """What each candidate would earn by the true identities; for the ``greedy`` reference."""
        ...

    def keep(self, folder: Path) -> None:
        """Keep what :meth:`resume` goes on from, beside constraints and features."""
        ...

    def resume(self, folder: Path, drawn: int) -> None:
        """Go on from what was kept, ``drawn`` queries having been drawn."""
        ...


class ImageMode:
    """Images ask about images: every image is the query once, in random order, as in the paper.

    Args:
        config: The settings.
        constraints: What is known; answers are added.
        oracle: Who answers.
        selector: Chooses among a query's candidates; set before the first :meth:`ask`.
    """

    def __init__(
        self,
        config: RunConfig,
        constraints: ConstraintGraph,
        oracle: Oracle,
        selector: Callable[[], Selector],
    ) -> None:
        self._config, self._constraints, self._selector = config, constraints, selector
        self._oracle = oracle if config.closure else _Recording(oracle, constraints)
        self._browser = QueryBrowser(len(constraints), np.random.default_rng([config.seed, 0]))

    @property
    def drawn(self) -> int:
        """See :class:`AskingMode`."""
        return len(self._constraints) - self._browser.remaining

    @property
    def exhausted(self) -> bool:
        """Whether every image has been the query once."""
        return self._browser.remaining == 0

    def see(self, features: FeatureSet) -> None:
        """See :class:`AskingMode`."""
        config = self._config
        known = self._constraints if config.closure else None
        matches = self._constraints.must_links if known is None else ()  # else they are found there
        self._inquiry = Inquiry(features, config.episode(), self._oracle, known, config.parallel, matches)

    def ask(self, limits: AskingLimits, rng: np.random.Generator, progress: Bar | None) -> AskingReport:
        """See :class:`AskingMode`."""
        return ask(self._inquiry, self._selector(), self._browser, rng, limits, progress)

    def groups(self) -> NDArray[np.int64]:
        """(N,) what follows from must-links."""
        return self._constraints.groups()

    def held(self) -> None:
        """Nothing: images are compared with images."""

    def figures(self) -> Figures:
        """Nothing beyond the report."""
        return {}

    def true_rewards(self) -> NDArray[np.float32]:
        """See :class:`AskingMode`."""
        return self._inquiry.true_rewards()

    def keep(self, folder: Path) -> None:
        """Nothing beside constraints and the number of queries drawn."""

    def resume(self, folder: Path, drawn: int) -> None:
        """See :class:`AskingMode`."""
        for _ in range(drawn):
            self._browser.next()


class GroupMode:
    """Groups ask about groups; see :class:`~reid_al_agents.asking.engine.Engine`.

    Args:
        config: The settings.
        constraints: What is known; answers are added.
        oracle: Who answers.
        selector: Chooses among a group's candidates.
        sides: Which images can be compared; ``None`` where all can.

    Attributes:
        looks: The pool as the last model seen tells it.
        checked: What the audit and the other checks remember.
    """

    drawn = 0
    looks: VisualSimilarity

    def __init__(
        self,
        config: RunConfig,
        constraints: ConstraintGraph,
        oracle: Oracle,
        selector: Callable[[], Selector],
        sides: Sides | None = None,
    ) -> None:
        self._config, self._constraints, self._selector = config, constraints, selector
        self._oracle, self._sides = oracle, sides
        self._settings: GroupSettings = config.grouping()
        self._model = MatchModel()
        self._monitor = ChangeMonitor()
        self.checked = Checked()
        self._asking: Engine | None = None
        self._features: FeatureSet | None = None
        self._over = False
        self._figures: Figures = {}

    @property
    def exhausted(self) -> bool:
        """Whether no pair of groups is left to ask about, or asking is stable and that is enough."""
        return self._over or (self._config.until_stable and self._monitor.stable)

    def see(self, features: FeatureSet) -> None:
        """See :class:`AskingMode`; a model that has changed may have questions where the last had none."""
        if self._asking is not None and self._asking.exhausted:
            self._over = self._over or features is self._features
        self._features = features
        settings = self._settings
        self.looks = compare_visually(
            features.features, features.cameras, settings.k1, settings.k2, self._sides
        )
        self._asking = None
        self.checked.present = max(self.checked.designs, default=-1) + 1

    def ask(self, limits: AskingLimits, rng: np.random.Generator, progress: Bar | None) -> AskingReport:
        """See :class:`AskingMode`."""
        config = self._config
        assert self._features is not None
        self._asking = Engine(
            self._features,
            self.looks,
            self._constraints,
            self._selector(),
            self._model,
            self._monitor,
            self._settings,
            config.episode(),
            rng,
            config.until_stable,
            checked=self.checked,
        )
        answers_before, changes_before = self._monitor.answers, self._monitor.changes
        heard_before = len(self._model.matched)
        report = self._asking.ask(self._oracle, limits.answers or len(self._features), progress)
        self._over = self._asking.exhausted and report.answers == 0
        self._figures = {
            "changed_groups": self._monitor.changes - changes_before,
            "changes_watched": self._monitor.answers - answers_before,
            "chance_of_change": round(self._monitor.chance_of_change, 4),
            "calibration_error": self._model.calibration_error(len(self._model.matched) - heard_before),
            "repeated": report.repeated,
            "disagreed": report.disagreed,
            "audited": report.audited,
        }
        return report

    def groups(self) -> NDArray[np.int64]:
        """(N,) micro-clusters joined by answers and by looks, as the last model seen tells them."""
        return self._handed_out(self._constraints)

    def held(self) -> NDArray[np.int64]:
        """(N,) micro-clusters joined by answers, as the last model seen tells them."""
        return form_groups(
            self.looks.similarities, self._constraints, self._settings.micro_cluster_similarity
        ).groups

    def figures(self) -> Figures:
        """Changes, calibration and checks of the last spell, and what the audit says of the groups."""
        disputes = {"disputes": len(self._constraints.disputes())}
        return {**self._figures, **self._audit_figures(), **disputes} if self._figures else disputes

    def _handed_out(self, constraints: ConstraintGraph) -> NDArray[np.int64]:
        settings = self._settings
        return form_groups(
            self.looks.similarities,
            constraints,
            settings.delivered_similarity,
            settings.group_similarity,
        ).groups

    def _audit_figures(self) -> Figures:
        if not self.checked.audited:
            return dict.fromkeys(_AUDIT_FIGURES) | {"audit_answers": 0}
        # Groups that had taken in its answers would agree with them, however wrong they are elsewhere.
        judged = self._handed_out(self._constraints.without(self.checked.withheld_pairs()))
        strata = Strata(judged, self.looks.near, sides=self._sides)
        estimate = estimate_quality(self.checked.audited.pairs(), self.checked.designs, strata)
        precision, recall = (None, None) if estimate is None else (estimate.precision, estimate.recall)
        return {
            "audit_answers": 0 if estimate is None else estimate.answers,
            "audit_precision": None if precision is None else list(precision),
            "audit_recall": None if recall is None else list(recall),
            "audit_calibration_error": self.checked.audited.calibration_error(),
        }

    def true_rewards(self) -> NDArray[np.float32]:
        """See :class:`AskingMode`."""
        assert self._asking is not None
        return self._asking.true_rewards()

    def keep(self, folder: Path) -> None:
        """Keep the match model's answers, what the checks remember, and the monitor's counts."""
        watched = {"answers": self._monitor.answers, "changes": self._monitor.changes}
        state = {**watched, "rate": self._monitor.rate, "over": self._over}
        numbers = {name: np.array(value) for name, value in state.items()}
        write_arrays(folder / _STATE, {**self._model.state(), **self.checked.state(), **numbers})

    def resume(self, folder: Path, drawn: int) -> None:
        """See :class:`AskingMode`."""
        with np.load(folder / _STATE, allow_pickle=False) as kept:
            self._model.restore({name: kept[name] for name in ("described", "matched", "predicted")})
            self.checked.restore(kept)
            self._monitor.answers, self._monitor.changes = int(kept["answers"]), int(kept["changes"])
            self._monitor.rate, self._over = float(kept["rate"]), bool(kept["over"])


class _Recording:
    """Keeps the answers as constraints for the refresher where the environment is not to know of them."""

    def __init__(self, oracle: Oracle, constraints: ConstraintGraph) -> None:
        self._oracle, self._constraints = oracle, constraints

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        answers = self._oracle.answer(queries, galleries)
        self._constraints.add_many(queries, galleries, answers)
        return answers
