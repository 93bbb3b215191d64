"""Choosing the pool item of the next question: the selector protocol and all rules that do not learn."""

from reid_al_agents.selection.registry import SELECTORS, make_selector
from reid_al_agents.selection.rules import (
    EntropySelector,
    ExpectedChangeSelector,
    ExpectedGainSelector,
    FarthestSelector,
    GreedyRewardSelector,
    NearestSelector,
    RandomSelector,
)
from reid_al_agents.selection.selector import Observation, RanksPairs, Selector, highest_unmasked

__all__ = [
    "SELECTORS",
    "EntropySelector",
    "ExpectedChangeSelector",
    "ExpectedGainSelector",
    "FarthestSelector",
    "GreedyRewardSelector",
    "NearestSelector",
    "Observation",
    "RandomSelector",
    "RanksPairs",
    "Selector",
    "highest_unmasked",
    "make_selector",
]
