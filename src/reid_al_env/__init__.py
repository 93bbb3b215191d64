"""Human-in-the-loop re-identification as a Gymnasium environment.

Importing this package registers ``ReIDActiveLearning-v0``.
"""

from gymnasium.envs.registration import register, registry

from reid_al_env.constraints import ConstraintGraph
from reid_al_env.disputes import Dispute
from reid_al_env.env import ReIDActiveLearningEnv
from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet
from reid_al_env.inquiry import Inquiry, Outcome
from reid_al_env.min_cut import minimum_cut
from reid_al_env.node_features import NodeFeatures, StaticNodeFeatures
from reid_al_env.oracle import LabelOracle, NoisyOracle, Oracle
from reid_al_env.settings import EpisodeSettings
from reid_al_env.synthetic import synthetic_features
from reid_al_env.vector_env import ReIDActiveLearningVectorEnv

__all__ = [
    "ConstraintGraph",
    "Dispute",
    "EpisodeSettings",
    "FeatureSet",
    "InputError",
    "Inquiry",
    "LabelOracle",
    "NodeFeatures",
    "NoisyOracle",
    "Oracle",
    "Outcome",
    "ReIDActiveLearningEnv",
    "ReIDActiveLearningVectorEnv",
    "StaticNodeFeatures",
    "minimum_cut",
    "synthetic_features",
]

if "ReIDActiveLearning-v0" not in registry:
    register(
        id="ReIDActiveLearning-v0",
        entry_point="reid_al_env.env:ReIDActiveLearningEnv",
        vector_entry_point="reid_al_env.vector_env:ReIDActiveLearningVectorEnv",
    )
