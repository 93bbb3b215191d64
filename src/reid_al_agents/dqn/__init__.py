"""Masked deep Q-learning: networks over the similarity graph, the learner, its files and SB3's adapter."""

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy
from reid_al_agents.dqn.policy_file import LoadedPolicy, load_policy, save_policy
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.dqn.vec_env import SB3VecEnv

__all__ = [
    "DQNSelector",
    "DQNSettings",
    "GraphPolicy",
    "LoadedPolicy",
    "MaskedDQN",
    "MlpPolicy",
    "NStepDictReplay",
    "SB3VecEnv",
    "load_policy",
    "save_policy",
]
