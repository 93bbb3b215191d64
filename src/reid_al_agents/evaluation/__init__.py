"""Scores of a ranking and of the identities formed."""

from reid_al_agents.evaluation.grouping import GroupScores, evaluate_groups
from reid_al_agents.evaluation.ranking import Scores, evaluate_ranking

__all__ = ["GroupScores", "Scores", "evaluate_groups", "evaluate_ranking"]
