"""Scores of a ranking."""

from reid_al_agents.evaluation.ranking import Scores, evaluate_ranking

__all__ = ["Scores", "evaluate_ranking"]
