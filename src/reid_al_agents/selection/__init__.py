"""Which pool item is asked about next: the selector protocol and every selector that does not learn."""

from reid_al_agents.selection.registry import SELECTORS, make_selector
from reid_al_agents.selection.rules import (
    EntropySelector,
    ExpectedGainSelector,
    FarthestSelector,
    GreedyRewardSelector,
    NearestSelector,
    RandomSelector,
)
from reid_al_agents.selection.selector import Observation, Selector, highest_unmasked

__all__ = [
    "SELECTORS",
    "EntropySelector",
    "ExpectedGainSelector",
    "FarthestSelector",
    "GreedyRewardSelector",
    "NearestSelector",
    "Observation",
    "RandomSelector",
    "Selector",
    "highest_unmasked",
    "make_selector",
]
