"""Turning answers into a better network."""

from reid_al_agents.refresh.cluster import ClusterRefresher, SupervisedClusterRefresher
from reid_al_agents.refresh.cluster_settings import ClusterSettings
from reid_al_agents.refresh.refreshers import SupervisedRefresher, TripletRefresher, pretrain
from reid_al_agents.refresh.report import Refresher, RefreshReport
from reid_al_agents.refresh.settings import TripletSettings

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
