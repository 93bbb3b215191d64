"""The single environment, ``ReIDActiveLearning-v0``."""

from __future__ import annotations

import os
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.oracles import AnswerFunction, Oracle
from reid_al_env.feature_set import FeatureSet
from reid_al_env.indices import as_index
from reid_al_env.masks import MaskedPicks
from reid_al_env.mdp.inquiry import Inquiry
from reid_al_env.mdp.node_features import NodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.render.rendering import RENDER_FPS, RENDER_MODES, make_renderer
from reid_al_env.snapshots import Cloneable, Part, Parts
from reid_al_env.step_limit import EndsByItself
from reid_al_env.synthetic import as_feature_set

ObsType = dict[str, NDArray[Any]]
_ROW = np.zeros(1, dtype=np.int64)
_STATE = ("_np_random", "_np_random_seed", "_started", "_over")


class ReIDActiveLearningEnv(EndsByItself, Cloneable, gym.Env[ObsType, np.int64]):
    """Choose the pairs of images about which an annotator is asked "do these show the same identity?".

    ## Description
    A re-identification model is fine-tuned on a few answered pairs, and how much it learns depends on the
    pairs chosen. One episode is one query image with its ``pool_size`` nearest other images, the pool. The
    agent picks an item of the pool, an oracle answers whether it shows the query's identity, the answer
    updates the similarity graph, and the reward measures how hard the answer was to foresee. This is the
    Markov decision process of Deep Reinforcement Active Learning [1];
    :mod:`reid_al_env.mdp.specification` states it in plain Python.

    ## Action Space
    ``Discrete(pool_size)``: action ``a`` asks about item ``a`` of the pool, which is ordered by distance to
    the query, nearest first. Each item can be picked once. Picking a masked item asks no question, spends a
    pick, earns 0 and sets ``info["invalid_action"]``.

    ## Observation Space
    A ``Dict``; node 0 is the query, node ``i`` is pool item ``i − 1``:

    | key | space | meaning |
    | --- | --- | --- |
    | ``similarity`` | ``Box(0, 1, (pool_size+1, pool_size+1), float32)`` | k-reciprocal similarity graph |
    | ``feedback`` | ``Box(-1, 1, (pool_size,), int8)`` | +1 match, −1 no match, 0 neither |
    | ``action_mask`` | ``MultiBinary(pool_size)`` | 1 where the item may be picked |
    | ``remaining`` | ``Box(0, 1, (1,), float32)`` | share of the query's budget that is left |
    | ``node_features`` | ``Box(-inf, inf, (pool_size+1, F), float32)`` | only with that argument |

    ## Starting State
    The graph of the next query. Queries come in a seeded shuffle without replacement; ``reset(seed=...)``
    restarts the shuffle, and after the last query it reshuffles. ``reset(options={"query": i})`` chooses the
    query and takes none from the shuffle. With ``constraints``, implied answers are in the graph from the
    start, and a query with nothing left to ask is skipped (if no query has a question left, the mask is
    empty).

    ## Rewards
    ``R = [margin + y (max_{x in X_p} d(x, g) - min_{x in X_n} d(x, g))]_+`` for an answer about item ``g``,
    with ``y`` = +1 for a match and −1 for no match. ``X_p`` and ``X_n`` hold the items answered "match" and
    "no match" before; the query is always in ``X_p``. While ``X_n`` is empty, ``empty_negatives="neutral"``
    gives ``margin``, and ``"farthest"`` takes the minimum as 1. "Can't tell" earns 0.

    Distances are in [0, 1], so a reward is in [0, 1 + ``margin``] (1.2 by default; with
    ``reward="softplus"`` in [0, ln(1 + exp(1 + margin))]) and a return in [0, ``budget`` × (1 +
    ``margin``)].

    ## Episode End
    ``terminated`` after ``budget`` picks, or when nothing is left to pick; never ``truncated``. An episode
    therefore has ``budget`` steps, or fewer where fewer items may be picked. ``spec.max_episode_steps`` is
    ``budget + 1``, a limit that no episode reaches.

    ## Information
    Dataset indices, never pool positions alone. At reset: ``query``, ``candidates`` (pool_size,) with −1 for
    padding, and ``action_mask`` int8. At a step also ``picked``, ``answer`` (+1, −1, 0), ``asked`` (False if
    the item was masked or its answer implied) and ``invalid_action``. :meth:`action_masks` gives the mask as
    bool, as sb3-contrib expects. An answer that contradicts earlier ones does not stop the episode; with
    ``constraints``, ``constraints.contradictions`` lists such answers and ``constraints.disputes()`` the
    disputes that are not settled (:class:`~reid_al_env.ConstraintGraph`).

    ``clone_state()`` and ``restore_state(state)`` branch and rewind an environment without copying features.

    ## Rendering
    ``render_mode="human"`` opens a window (pygame) and shows each step; ``"rgb_array"`` returns frames of
    shape (540, 880, 3), uint8; ``"ansi"`` returns one line about the last pick. A frame shows the query and
    its pool, the answers (✓ match, ✗ no match, ? can't tell), the similarities to the query, the step and the
    return. It shows image crops if ``paths`` of the features are readable files, and a graph otherwise.
    Frames need ``pip install "reid-active-learning[render]"``.

    ## Variants and Wrappers
    | id | settings | random | nearest | greedy |
    | --- | --- | --- | --- | --- |
    | ``ReIDActiveLearning-v0`` | the defaults, which are the paper's | 1.11 | 1.83 | 2.05 |
    | ``ReIDActiveLearningSmall-v0`` | ``pool_size=10``, ``budget=5``, ``k=5`` | 0.81 | 0.99 | 1.00 |
    | ``ReIDActiveLearningCrossCamera-v0`` | ``cross_camera=True`` | 1.15 | 1.68 | 2.06 |

    The last columns are mean returns over the 1,000 queries of the default features: picks at random, picks
    in order, and the pick of highest immediate reward by the labels, which is ``spec.reward_threshold``.

    ``gym.make_vec(id, vectorization_mode="vector_entry_point")`` gives the batched twin of each,
    :class:`~reid_al_env.vector_env.ReIDActiveLearningVectorEnv`.
    ``max_episode_steps`` of ``gym.make`` and ``gym.make_vec`` truncates episodes.
    :class:`~reid_al_env.wrappers.GraphObservation` gives observations as ``spaces.Graph``, and
    :class:`~reid_al_env.wrappers.FlattenGraph` as the paper's vector.

    ## Arguments
    Args:
        features: A :class:`FeatureSet`, a path to one (``.npz``, ``.npy``), or ``None`` for synthetic ones.
        pool_size: n_s, candidates of a query.
        budget: K_max, picks of a query.
        k: Neighbours of the k-reciprocal graph.
        margin: m of the reward.
        metric: ``"mahalanobis"`` (the paper's), ``"cosine"``, ``"euclidean"`` or ``"verified"``.
        shrinkage: Shrinkage of the covariance, in (0, 1]; ``None`` is Ledoit–Wolf.
        empty_negatives: ``"neutral"`` or ``"farthest"``.
        reward: ``"hinge"``, ``"softplus"`` or a callable (:class:`reid_al_env.mdp.reward.Reward`).
        oracle: Source of the answers: an object with ``answer``
            (:class:`reid_al_env.evidence.oracles.Oracle`, such as :class:`~reid_al_env.NoisyOracle` or
            :class:`~reid_al_env.RecordedOracle`) or a function ``(queries, galleries) -> answers``; ``None``
            answers from the identities.
        constraints: A :class:`ConstraintGraph` of earlier answers; new answers are added to it.
        cross_camera: Candidates come from other cameras than the query's; all cameras must be known.
        index: FAISS factory string for the neighbour search, such as ``"IVF1024,Flat;nprobe=16"``.
        render_mode: ``"human"``, ``"rgb_array"``, ``"ansi"`` or ``None``; see Rendering.
        node_features: Source of F more numbers for each node, zeros for padding
            (:class:`reid_al_env.mdp.node_features.NodeFeatures`); ``None`` leaves the key out.

    Raises:
        InputError: If the features cannot be used or a setting is out of range. ``reset`` and ``step`` raise
            it if a query or an action is not a whole number in its range.
        DependencyNotInstalled: If the render mode needs a package that is not installed.

    ## References
    [1] Liu, Z., Wang, J., Gong, S., Lu, H., Tao, D., "Deep Reinforcement Active Learning for
    Human-In-The-Loop Person Re-Identification", ICCV 2019.

    ## Version History
    * v0: first version.
    """

    metadata = {  # noqa: RUF012 -- not a ClassVar in Gymnasium either
        "render_modes": list(RENDER_MODES),
        "render_fps": RENDER_FPS,
    }

    def __init__(
        self,
        features: FeatureSet | str | os.PathLike[str] | None = None,
        pool_size: int = 30,
        budget: int = 10,
        k: int = 15,
        margin: float = 0.2,
        metric: str = "mahalanobis",
        shrinkage: float | None = None,
        empty_negatives: str = "neutral",
        reward: Any = "hinge",
        oracle: Oracle | AnswerFunction | None = None,
        constraints: ConstraintGraph | None = None,
        cross_camera: bool = False,
        index: str = "Flat",
        render_mode: str | None = None,
        node_features: NodeFeatures | None = None,
    ) -> None:
        settings = EpisodeSettings(
            pool_size, budget, k, margin, metric, shrinkage, empty_negatives, reward, cross_camera, index
        )
        self.render_mode = render_mode
        self._renderer = make_renderer(render_mode, 1, budget)
        self._inquiry = Inquiry(
            as_feature_set(features), settings, oracle, constraints, node_features=node_features
        )
        space = observation_space(pool_size, node_features)
        self.observation_space = cast("spaces.Space[ObsType]", space)
        self.action_space = spaces.Discrete(pool_size)
        self._pool_size = pool_size
        self._started = self._over = False
        self._masked = MaskedPicks()
        self._budget = budget

    @property
    def node_feature_names(self) -> tuple[str, ...]:
        """Names of the columns of ``node_features``; empty without that argument."""
        return self._inquiry.node_feature_names

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Begin the next query's episode; see the class for ``options["query"]``."""
        chosen = (options or {}).get("query")
        if chosen is not None:
            chosen = as_index(chosen, "query", len(self._inquiry.features))
        super().reset(seed=seed)
        if seed is not None or not self._started:
            self._inquiry.shuffle(self.np_random)
        self._started, self._over = True, False
        query = self._inquiry.next_query() if chosen is None else chosen
        queries = np.array([query], dtype=np.int64)
        self._inquiry.begin(_ROW, queries)
        if self._renderer is not None:
            self._renderer.begin(_ROW, queries)
            self._show()
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[ObsType, float, bool, bool, dict[str, Any]]:
        """Ask about one pool item; see the class."""
        if not self._started or self._over:
            raise gym.error.ResetNeeded("Call reset() first: no episode has begun, or the last one is over.")
        actions = np.array([as_index(action, "action", self._pool_size)], dtype=np.int64)
        outcome = self._inquiry.step(actions)
        info = self._info()
        info["picked"] = int(outcome.picked[0])
        info["answer"] = int(outcome.answers[0])
        info["asked"] = bool(outcome.asked[0])
        info["invalid_action"] = bool(outcome.invalid[0])
        self._masked.add(int(info["invalid_action"]))
        reward = float(outcome.rewards[0])
        self._over = bool(outcome.terminated[0])
        if self._renderer is not None:
            self._renderer.picked(_ROW, actions, outcome)
            self._show()
        return self._observation(), reward, self._over, False, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be picked, shape (pool_size,), bool."""
        return np.asarray(self._inquiry.batch.action_mask[0], dtype=bool)

    def true_rewards(self) -> NDArray[np.float32]:
        """Reward of each item by the labels, shape (1, n); see :meth:`Inquiry.true_rewards`."""
        return self._inquiry.true_rewards()

    def _snapshot_parts(self) -> Parts:
        changing: list[Part] = [(self, _STATE), *self._inquiry.parts()]
        if self._renderer is not None:
            changing.append((self._renderer, self._renderer.STATE))
        fits = (type(self).__name__, self.render_mode, *self._inquiry.fits())
        return Parts(fits, changing, self._inquiry.unchanging())

    def render(self) -> Any:
        """A line (``"ansi"``) or a frame (``"rgb_array"``); ``"human"`` updates the window."""
        if self._renderer is None:
            if self.spec is not None:
                gym.logger.warn(
                    f'render() without a render mode; choose one: gym.make("{self.spec.id}", '
                    'render_mode="rgb_array")'
                )
            return None
        if not self._started:
            raise gym.error.ResetNeeded("Call reset() before render(): no episode has begun.")
        return self._renderer.render(self._inquiry)

    def close(self) -> None:
        """Close the window of ``"human"`` mode."""
        if self._renderer is not None:
            self._renderer.close()

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _observation(self) -> ObsType:
        return {name: values[0] for name, values in self._inquiry.observation().items()}

    def _info(self) -> dict[str, Any]:
        batch = self._inquiry.batch
        return {
            "query": int(batch.query[0]),
            "candidates": batch.candidates[0].copy(),
            "action_mask": batch.action_mask[0].copy(),
        }


def observation_space(pool_size: int, node_features: NodeFeatures | None = None) -> spaces.Dict:
    """Observation space for ``pool_size`` candidates."""
    nodes = pool_size + 1
    keys: dict[str, spaces.Space[Any]] = {
        "action_mask": spaces.MultiBinary(pool_size),
        "feedback": spaces.Box(-1, 1, (pool_size,), np.int8),
        "remaining": spaces.Box(0.0, 1.0, (1,), np.float32),
        "similarity": spaces.Box(0.0, 1.0, (nodes, nodes), np.float32),
    }
    if node_features is not None:
        width = len(node_features.names)
        keys["node_features"] = spaces.Box(-np.inf, np.inf, (nodes, width), np.float32)
    return spaces.Dict(keys)
