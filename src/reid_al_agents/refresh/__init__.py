"""Turning answers into a better network."""

from reid_al_agents.refresh.refreshers import SupervisedRefresher, TripletRefresher, pretrain
from reid_al_agents.refresh.report import Refresher, RefreshReport
from reid_al_agents.refresh.settings import TripletSettings

__all__ = [
    "RefreshReport",
    "Refresher",
    "SupervisedRefresher",
    "TripletRefresher",
    "TripletSettings",
    "pretrain",
]
