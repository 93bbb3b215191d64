"""Human-in-the-loop re-identification as Gymnasium environments.

Importing this package registers them, each with its batched twin. The paper's environment, about the nearest
images of one query at a time:

- ``ReIDActiveLearning-v0``: the paper's settings (30 candidates, 10 answers, k = 15);
- ``ReIDActiveLearningSmall-v0``: 10 candidates, 5 answers, k = 5, for quick experiments;
- ``ReIDActiveLearningCrossCamera-v0``: the paper's settings with candidates from other cameras only.

The environment of the real task, about a whole pool with one budget of answers:

- ``ReIDCatalogue-v0``: 60 identities, 200 answers; procedural training tasks;
- ``ReIDCatalogueSmall-v0``: 20 identities, 40 answers, for quick experiments;
- ``ReIDCatalogueNoisy-v0``: with wrong and missing answers;
- ``ReIDCatalogueTest-v0``, ``ReIDCatalogueSmallTest-v0``, ``ReIDCatalogueNoisyTest-v0``: the same on 20 fixed
  tasks of other families, with a normalised score.
"""

from typing import Any

from gymnasium.envs.registration import register, registry

from reid_al_env.catalogue.env import ReIDCatalogueEnv
from reid_al_env.catalogue.vector_env import ReIDCatalogueVectorEnv
from reid_al_env.env import ReIDActiveLearningEnv
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.disputes import Dispute
from reid_al_env.evidence.min_cut import minimum_cut
from reid_al_env.evidence.oracles import CallableOracle, LabelOracle, NoisyOracle, Oracle
from reid_al_env.evidence.recorded import RecordedOracle
from reid_al_env.feature_set import FeatureSet
from reid_al_env.masks import action_masks
from reid_al_env.mdp.inquiry import Inquiry, Outcome
from reid_al_env.mdp.node_features import NodeFeatures, StaticNodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.snapshots import Snapshot
from reid_al_env.synthetic import synthetic_features
from reid_al_env.vector_env import ReIDActiveLearningVectorEnv
from reid_al_env.wrappers import FlattenGraph, FlattenGraphVector, GraphObservation

__all__ = [
    "CallableOracle",
    "ConstraintGraph",
    "Dispute",
    "EpisodeSettings",
    "FeatureSet",
    "FlattenGraph",
    "FlattenGraphVector",
    "GraphObservation",
    "InputError",
    "Inquiry",
    "LabelOracle",
    "NodeFeatures",
    "NoisyOracle",
    "Oracle",
    "Outcome",
    "ReIDActiveLearningEnv",
    "ReIDActiveLearningVectorEnv",
    "ReIDCatalogueEnv",
    "ReIDCatalogueVectorEnv",
    "RecordedOracle",
    "Snapshot",
    "StaticNodeFeatures",
    "action_masks",
    "minimum_cut",
    "synthetic_features",
]

# Settings, and the reward_threshold: what greedy on the labels earns in the mean of all default queries.
_VARIANTS: dict[str, tuple[dict[str, Any], float]] = {
    "ReIDActiveLearning-v0": ({}, 2.05),
    "ReIDActiveLearningSmall-v0": ({"pool_size": 10, "budget": 5, "k": 5}, 1.00),
    "ReIDActiveLearningCrossCamera-v0": ({"cross_camera": True}, 2.06),
}

for _name, (_settings, _threshold) in _VARIANTS.items():
    if _name not in registry:
        register(
            id=_name,
            entry_point="reid_al_env.env:ReIDActiveLearningEnv",
            vector_entry_point="reid_al_env.vector_env:ReIDActiveLearningVectorEnv",
            reward_threshold=_threshold,
            kwargs=_settings,
        )

# Settings, and the reward_threshold of the fixed tasks: the mean return of the label-seeing order.
_CATALOGUES: dict[str, tuple[dict[str, Any], float]] = {
    "ReIDCatalogue": ({}, 0.215),
    "ReIDCatalogueSmall": ({"identities": 20, "budget": 40, "questions": 24}, 0.175),
    "ReIDCatalogueNoisy": ({"false_match": 0.05, "false_non_match": 0.05, "cannot_tell": 0.03}, 0.151),
}

for _name, (_settings, _threshold) in _CATALOGUES.items():
    for _suffix, _tasks in {"": "train", "Test": "test"}.items():
        if f"{_name}{_suffix}-v0" not in registry:
            register(
                id=f"{_name}{_suffix}-v0",
                entry_point="reid_al_env.catalogue.env:ReIDCatalogueEnv",
                vector_entry_point="reid_al_env.catalogue.vector_env:ReIDCatalogueVectorEnv",
                reward_threshold=_threshold if _tasks == "test" else None,
                kwargs={**_settings, "tasks": _tasks},
            )
