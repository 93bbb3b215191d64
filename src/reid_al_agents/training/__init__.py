"""Turning answers into a better network."""

from reid_al_agents.training.cluster.refresher import ClusterRefresher, SupervisedClusterRefresher
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.refreshers import SupervisedRefresher, TripletRefresher, pretrain
from reid_al_agents.training.report import Refresher, RefreshReport
from reid_al_agents.training.triplet.settings import TripletSettings

__all__ = [
    "ClusterRefresher",
    "ClusterSettings",
    "RefreshReport",
    "Refresher",
    "SupervisedClusterRefresher",
    "SupervisedRefresher",
    "TripletRefresher",
    "TripletSettings",
    "pretrain",
]
