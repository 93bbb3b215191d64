"""Selectors that follow a fixed rule, the baselines of a learned policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.selection.selector import Observation, highest_unmasked
from reid_al_env.errors import InputError

UNCERTAIN = 0.5
"""Similarity at which match and no match are taken as equally likely."""


class RandomSelector:
    """Picks uniformly among the items that may be picked."""

    name = "random"

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return a uniformly drawn unmasked item per episode; see :class:`Selector`."""
        mask = observation["action_mask"]
        return highest_unmasked(rng.random(mask.shape), mask)


class NearestSelector:
    """Picks the item most similar to the query, as the graph stands after the answers so far.

    The pool is sorted by distance, so among the many items that are not k-reciprocal neighbours of the
    query (similarity 0), the lowest index is the nearest.
    """

    name = "nearest"

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the most similar unmasked item per episode; see :class:`Selector`."""
        return highest_unmasked(_similarity_to_query(observation), observation["action_mask"])


class FarthestSelector:
    """Picks the item least similar to the query, the highest index (the farthest of the pool) on ties."""

    name = "farthest"

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the least similar unmasked item per episode; see :class:`Selector`."""
        mask = observation["action_mask"]
        reverse = highest_unmasked(-_similarity_to_query(observation)[:, ::-1], mask[:, ::-1])
        return np.where(mask.any(axis=1), mask.shape[1] - 1 - reverse, 0).astype(np.int64)


class EntropySelector:
    """Picks the item whose similarity to the query is nearest 1/2, the lowest index on ties.

    With the similarity read as the probability of a match, that is where its entropy is highest. Items
    outside the query's k-reciprocal neighbours have similarity 0: certain not to match.
    """

    name = "entropy"

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the most uncertain unmasked item per episode; see :class:`Selector`."""
        certainty = np.abs(_similarity_to_query(observation) - UNCERTAIN)
        return highest_unmasked(-certainty, observation["action_mask"])


class GreedyRewardSelector:
    """Picks the item with the highest true reward; it sees the labels, so it is a reference.

    Args:
        true_rewards: Returns the reward that each item would earn in the current state of the episodes, shape
            (B, n_s) float32; the batched environment's ``true_rewards`` method.
    """

    name = "greedy"

    def __init__(self, true_rewards: Callable[[], NDArray[np.float32]]) -> None:
        self._true_rewards = true_rewards

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the unmasked item of highest reward per episode; see :class:`Selector`.

        Raises:
            InputError: If the rewards are not those of the observation's episodes.
        """
        mask = observation["action_mask"]
        rewards = self._true_rewards()
        if rewards.shape != mask.shape:
            raise InputError(
                f"true_rewards: returned shape {rewards.shape}, but the observation has {mask.shape} "
                "(episodes, items); give the method of the environment that made the observation"
            )
        return highest_unmasked(rewards, mask)


def _similarity_to_query(observation: Observation) -> NDArray[np.float32]:
    """Return row 0 of each graph without the query's own entry, of shape (B, n_s)."""
    return observation["similarity"][:, 0, 1:].astype(np.float32)


class ExpectedGainSelector:
    """Picks the item whose answer is expected to join most images; the default until version 0.1.

    The gain is ``p √(|A| |B|)`` with the match probability p and the sizes of the two groups, both read from
    the observation's ``node_features``; so it works with ``--nodes groups`` only.
    """

    name = "gain-v1"
    needs_node_features = True

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the unmasked item of highest expected gain per episode; see :class:`Selector`."""
        if "node_features" not in observation:
            raise InputError(
                f"selector: {self.name!r} needs to know groups and their sizes; use it with --nodes groups"
            )
        features = observation["node_features"].astype(np.float64)
        log_size, probability = features[:, :, 0], features[:, 1:, 1]
        gain = np.log(np.maximum(probability, 1e-12)) + 0.5 * (log_size[:, :1] + log_size[:, 1:])
        return highest_unmasked(gain, observation["action_mask"])


class ExpectedChangeSelector(ExpectedGainSelector):
    """Asks about the two parts of the pool whose answer is expected to change the identities most.

    It ranks all pairs of a batch, not the candidates of one query; see
    :meth:`reid_al_agents.asking.joins.Joins.comparisons`. Where only candidates of one query are left to
    choose from, it picks as its predecessor does.
    """

    name = "gain"
    ranks_pairs = True
