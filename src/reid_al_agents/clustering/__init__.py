"""Groups of images by looks and by answers."""

from reid_al_agents.clustering.cameras import standardise_by_camera
from reid_al_agents.clustering.density import dbscan
from reid_al_agents.clustering.forming import FormedGroups, form_dense_groups, form_groups
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.linkage import average_linkage, group_sums
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.sides import Sides, sides_of
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually

__all__ = [
    "FormedGroups",
    "Sides",
    "VisualSimilarity",
    "average_linkage",
    "compare_visually",
    "dbscan",
    "form_dense_groups",
    "form_groups",
    "group_sums",
    "jaccard_similarities",
    "nearest_neighbours",
    "sides_of",
    "standardise_by_camera",
    "unit_rows",
]
