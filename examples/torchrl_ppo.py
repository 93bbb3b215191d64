"""TorchRL's PPO in the catalogue, with masks; needs ``pip install ".[rl]"``.

One small network scores each open question by itself, so it fits any number of questions. It learns from the
reward alone, for half a minute, and is then compared with two rules on pools that it has not seen.
"""

import importlib.util
import sys
from collections.abc import Callable

import gymnasium as gym
import torch
from torch import Tensor, nn

import reid_al_env  # noqa: F401 -- importing registers the environments

if importlib.util.find_spec("torchrl") is None:
    print("TorchRL is not installed, so there is nothing to show: pip install torchrl")
    sys.exit()

from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import ActionMask, Compose, DTypeCastTransform, GymWrapper, RewardScaling, TransformedEnv
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MaskedCategorical, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

ID, BUDGET = "ReIDCatalogueSmall-v0", 40
GAMMA = 0.0
"""The gain of an answer comes at once; 0.5 learned no more here."""
SCALE = 100.0
"""Gains in F1 are about 0.01; PPO learns from this multiple."""
Policy = Callable[[TensorDict], TensorDict]


def make(episodes: int, seed: int) -> TransformedEnv:
    """Episodes side by side, in the batched environment; TorchRL's distributions need the mask as bool."""
    batch = gym.make_vec(
        ID, num_envs=episodes, vectorization_mode="vector_entry_point", autoreset_mode="Disabled"
    )
    mask = DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"])
    env = TransformedEnv(
        GymWrapper(batch, categorical_action_encoding=True),
        Compose(mask, ActionMask(), RewardScaling(loc=0.0, scale=SCALE)),
    )
    env.set_seed(seed)
    return env


class Scores(nn.Module):
    """A score of each of M questions, (..., M); with ``pooled`` the mean of those that are open, (..., 1)."""

    def __init__(self, inputs: int, pooled: bool, width: int = 64) -> None:
        super().__init__()
        self.pooled = pooled
        hidden = nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        self.network = nn.Sequential(*hidden, nn.Linear(width, 1))

    def forward(self, questions: Tensor, summary: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        around = summary.unsqueeze(-2).expand(*questions.shape[:-1], -1)
        scores = self.network(torch.cat([questions, around], dim=-1)).squeeze(-1)
        if not self.pooled:
            return scores
        return (scores * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)


def make_agent(env: TransformedEnv) -> tuple[ProbabilisticActor, TensorDictModule]:
    """Actor and critic; the actor gives masked questions no probability."""
    seen = ["questions", "summary", "action_mask"]
    inputs = sum(env.observation_spec[key].shape[-1] for key in seen[:2])
    actor = ProbabilisticActor(
        TensorDictModule(Scores(inputs, pooled=False), in_keys=seen, out_keys=["logits"]),
        in_keys={"logits": "logits", "mask": "action_mask"},
        distribution_class=MaskedCategorical,
        spec=env.action_spec,
        return_log_prob=True,
    )
    return actor, TensorDictModule(Scores(inputs, pooled=True), in_keys=seen, out_keys=["state_value"])


def nearest(seen: TensorDict) -> TensorDict:
    """The most similar groups first."""
    return seen.set("action", torch.zeros(seen.batch_size, dtype=torch.long))


def mean_return(policy: Policy | None, episodes: int = 100) -> float:
    """Mean return on pools of seeds that learning does not use; without a policy of random open questions."""
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        played = make(episodes, seed=10_000).rollout(BUDGET, policy)
    return float(played["next", "reward"].sum() / episodes / SCALE)


def learn(loss: ClipPPOLoss, optimizer: torch.optim.Optimizer, played: TensorDict) -> None:
    """Four passes over what was played."""
    for _ in range(4):
        for rows in torch.randperm(len(played)).split(160):
            parts = loss(played[rows])
            optimizer.zero_grad()
            (parts["loss_objective"] + parts["loss_critic"]).backward()
            nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
            optimizer.step()


def main(batches: int = 80, episodes: int = 16) -> None:
    torch.manual_seed(0)
    env, answers = make(episodes, seed=0), episodes * BUDGET
    actor, critic = make_agent(env)
    advantage = GAE(gamma=GAMMA, lmbda=0.9, value_network=critic)
    loss = ClipPPOLoss(actor, critic, entropy_bonus=False, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=3e-3)
    collector = Collector(
        env,
        actor,
        frames_per_batch=answers,
        total_frames=batches * answers,
        auto_register_policy_transforms=True,
    )
    returns = []
    for played in collector:
        chosen = played["action_mask"].gather(-1, played["action"].unsqueeze(-1))
        assert chosen.all(), "a masked question was chosen"
        returns.append(float(played["next", "reward"].sum() / episodes / SCALE))
        with torch.no_grad():
            advantage(played)
        learn(loss, optimizer, played.reshape(-1))
        if len(returns) % 20 == 0:
            print(f"{len(returns) * answers} answers: mean return {sum(returns[-20:]) / 20:.3f}")
    collector.shutdown()
    random, first, learned = (mean_return(policy) for policy in (None, nearest, actor))
    print(f"on 100 unseen pools: random {random:.3f}, nearest {first:.3f}, PPO {learned:.3f}")


if __name__ == "__main__":
    main()
