"""Wrappers that give observations as ``spaces.Graph``, or as the vector of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.graph import GraphInstance
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from reid_al_env.env import ObsType
from reid_al_env.errors import InputError

_Flat = NDArray[np.float32]
if TYPE_CHECKING:
    _VectorWrapper = VectorWrapper[_Flat, NDArray[np.int64], ObsType, NDArray[np.int64], NDArray[Any]]
else:
    _VectorWrapper = VectorWrapper  # takes no type arguments before Gymnasium 1.3
_Step = tuple[_Flat, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]


class GraphObservation(
    gym.ObservationWrapper[GraphInstance, np.int64, ObsType], gym.utils.RecordConstructorArgs
):
    """Observations as ``spaces.Graph``, for graph libraries.

    Nodes are rows of float32; node 0 is the query, node ``i`` pool item ``i − 1``. The names of their columns
    are in :attr:`node_names`:

    | column | meaning |
    | --- | --- |
    | ``is_query`` | 1 for node 0, else 0 |
    | ``feedback`` | +1 match, −1 no match, 0 neither; 0 for the query |
    | ``action_mask`` | 1 where the item may be picked; 0 for the query |
    | ``remaining`` | share of the query's budget that is left, the same for all nodes |
    | … | the environment's own ``node_features``, if it has any |

    Edges are the non-zero entries of the similarity graph in both directions, by row and then by column:
    ``edges`` (E, 1) float32 holds the similarities and ``edge_links`` (E, 2) int64 the nodes, so that PyTorch
    Geometric's ``edge_index`` is ``edge_links.T``. Both are empty if there are no edges.
    ``info["action_mask"]`` stays, and ``info["remaining"]`` (float) is added.

    Args:
        env: The environment.

    Raises:
        InputError: If its observations are not those of :class:`~reid_al_env.env.ReIDActiveLearningEnv`.
    """

    def __init__(self, env: gym.Env[ObsType, np.int64]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        _nodes_of(env.observation_space, env)
        more: tuple[str, ...] = env.get_wrapper_attr("node_feature_names")
        self.node_names = ("is_query", "feedback", "action_mask", "remaining", *more)
        low = np.array([0, -1, 0, 0] + [-np.inf] * len(more), dtype=np.float32)
        high = np.array([1, 1, 1, 1] + [np.inf] * len(more), dtype=np.float32)
        self.observation_space = spaces.Graph(spaces.Box(low, high), spaces.Box(0.0, 1.0, (1,)))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GraphInstance, dict[str, Any]]:
        """See the wrapped environment."""
        inner: Any = self.env
        observation, info = inner.reset(seed=seed, options=options)
        return self.observation(observation), {**info, "remaining": float(observation["remaining"][0])}

    def step(self, action: np.int64) -> tuple[GraphInstance, Any, bool, bool, dict[str, Any]]:
        """See the wrapped environment."""
        inner: Any = self.env
        observation, reward, terminated, truncated, info = inner.step(action)
        info = {**info, "remaining": float(observation["remaining"][0])}
        return self.observation(observation), reward, terminated, truncated, info

    def observation(self, observation: ObsType) -> GraphInstance:
        """The observation as a graph, in new arrays."""
        similarity = observation["similarity"]
        nodes = np.zeros((len(similarity), len(self.node_names)), dtype=np.float32)
        nodes[0, 0] = 1.0
        nodes[1:, 1] = observation["feedback"]
        nodes[1:, 2] = observation["action_mask"]
        nodes[:, 3] = observation["remaining"]
        if "node_features" in observation:
            nodes[:, 4:] = observation["node_features"]
        links = np.argwhere(similarity > 0)
        edges = similarity[links[:, 0], links[:, 1]][:, None]
        return GraphInstance(nodes=nodes, edges=edges, edge_links=links)


class FlattenGraph(gym.ObservationWrapper[_Flat, np.int64, ObsType], gym.utils.RecordConstructorArgs):
    """The similarity graph alone as a vector of shape ((n_s+1)²,), the input of the paper's network.

    As in the paper (Liu et al., ICCV 2019, section 3.2), answers are visible only through the graph. The mask
    stays in ``info["action_mask"]`` and ``action_masks()``.

    Args:
        env: The environment.

    Raises:
        InputError: If its observations are not those of :class:`~reid_al_env.env.ReIDActiveLearningEnv`.
    """

    def __init__(self, env: gym.Env[ObsType, np.int64]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.observation_space = _flat_space(env.observation_space, env)

    def observation(self, observation: ObsType) -> _Flat:
        """The rows of the graph, concatenated."""
        return observation["similarity"].reshape(-1)


class FlattenGraphVector(_VectorWrapper):
    """:class:`FlattenGraph` for the batched environment: observations of shape (num_envs, (n_s+1)²).

    All autoreset modes are supported; observations in ``infos["final_obs"]`` are flattened too.

    Args:
        env: The batched environment, or any vector environment of single ones.

    Raises:
        InputError: If its observations are not those of this package's environments.
    """

    def __init__(self, env: VectorEnv[ObsType, NDArray[np.int64], NDArray[Any]]) -> None:
        super().__init__(env)
        self.single_observation_space = _flat_space(env.single_observation_space, env)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[_Flat, dict[str, Any]]:
        """See the wrapped environment."""
        observation, infos = self.env.reset(seed=seed, options=options)
        return self._flat(observation), infos

    def step(self, actions: NDArray[np.int64]) -> _Step:
        """See the wrapped environment."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(infos["_final_obs"]):
                final[row] = infos["final_obs"][row]["similarity"].reshape(-1)
            infos = {**infos, "final_obs": final}
        return self._flat(observation), rewards, terminated, truncated, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be picked, shape (num_envs, pool_size), bool."""
        inner: Any = self.env
        return np.asarray(inner.action_masks())

    def _flat(self, observation: ObsType) -> _Flat:
        return observation["similarity"].reshape(self.num_envs, -1)


def _flat_space(space: spaces.Space[Any], env: object) -> spaces.Space[Any]:
    return spaces.Box(0.0, 1.0, (_nodes_of(space, env) ** 2,), np.float32)


def _nodes_of(space: spaces.Space[Any], env: object) -> int:
    """n_s + 1, the number of nodes in an observation space of this package."""
    graph = space.spaces.get("similarity") if isinstance(space, spaces.Dict) else None
    if graph is None or graph.shape is None:
        raise InputError(f"{env}: observations are {space}; expected those of ReIDActiveLearning")
    return graph.shape[0]
