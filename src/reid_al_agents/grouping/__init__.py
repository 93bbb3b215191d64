"""Asking between groups of images: who is likely to match, what an answer is worth, and when to stop."""

from reid_al_agents.grouping.audit import AuditedPair, AuditEstimate, Design, Strata, estimate_quality
from reid_al_agents.grouping.audit_trail import AuditTrail
from reid_al_agents.grouping.calibration import calibration_error
from reid_al_agents.grouping.match_model import MatchModel
from reid_al_agents.grouping.settings import GroupSettings
from reid_al_agents.grouping.stopping import ChangeMonitor
from reid_al_agents.grouping.view import NODE_FEATURES, GroupView

__all__ = [
    "NODE_FEATURES",
    "AuditEstimate",
    "AuditTrail",
    "AuditedPair",
    "ChangeMonitor",
    "Design",
    "GroupSettings",
    "GroupView",
    "MatchModel",
    "Strata",
    "calibration_error",
    "estimate_quality",
]
