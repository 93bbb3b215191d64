"""The paper's Markov decision process in plain Python: the definition that all fast code here must equal.

Read it beside the paper [1]_. It favours clarity over speed: lists, sets and loops, one function for each
formula, no arrays. ``tests/env/test_kernel.py`` plays random episodes here and in
:class:`reid_al_env.mdp.episode.EpisodeBatch` and compares every number after every answer.

Symbols, as in the paper (section 3.2) and in the order in which they are needed:

- ``q``, the query image, is node 0. ``g_1 … g_ns``, its ``n_s`` nearest other images (the pool), are the
  nodes 1 to n_s. The *state* is a similarity graph over these nodes.
- Action ``k`` asks an annotator whether ``q`` and one pool item show the same identity. The answer ``y`` is
  +1 (match), −1 (no match) or 0 (can't tell).
- ``X_p`` and ``X_n`` are the nodes that match and that do not match, as far as answered; ``q ∈ X_p`` always.

An episode runs as follows::

    nearest = nearest_images(images, query, pool_size)
    distances = scaled_distances([images[query], *(images[i] for i in nearest)])
    episode = Episode(distances, k=15, margin=0.2, budget=10)
    while not episode.is_over():
        reward = episode.step(action, answer)

Where the paper leaves something open (ties, an empty ``X_n``, duplicates, "can't tell") the choice made here
is marked *Choice*.

References:
    .. [1] Z. Liu, J. Wang, S. Gong, H. Lu, D. Tao, "Deep Reinforcement Active Learning for Human-In-The-Loop
       Person Re-Identification", ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Vector = Sequence[float]
Matrix = Sequence[Sequence[float]]
Number = Callable[[Any], Any]
"""What rounds a number: ``float`` for exact reading, ``numpy.float32`` to compare with the kernel."""


def squared_mahalanobis(x: Vector, y: Vector, precision: Matrix | None = None) -> float:
    """d(x, y) = (x − y)ᵀ Σ⁻¹ (x − y), the distance of two images (section 3.2).

    Args:
        x: Features of one image, D numbers.
        y: Features of the other.
        precision: Σ⁻¹, D rows of D numbers; ``None`` is the identity, the squared Euclidean distance.
    """
    difference = [float(a) - float(b) for a, b in zip(x, y, strict=True)]
    total = 0.0
    for i, left in enumerate(difference):
        if precision is None:
            total += left * left
        else:
            for j, right in enumerate(difference):
                total += left * precision[i][j] * right
    return total


def nearest_images(images: Sequence[Vector], query: int, pool_size: int, number: Number = float) -> list[int]:
    """The ``pool_size`` images nearest to the query, nearest first (section 3.2).

    *Choice*: the query is left out by its index, because another image may be its duplicate; of equal
    distances the lower index comes first.

    Args:
        images: Features of all images, in a space where the metric is Euclidean.
        query: Index of the query.
        pool_size: n_s.
        number: See :data:`Number`.
    """
    others = [
        (number(squared_mahalanobis(image, images[query])), index)
        for index, image in enumerate(images)
        if index != query
    ]
    return [index for _, index in sorted(others)[:pool_size]]


def scaled_distances(nodes: Sequence[Vector], number: Number = float) -> list[list[float]]:
    """Distances of all pairs of nodes, divided by the largest, so that they lie in [0, 1] (section 3.2).

    Args:
        nodes: Features of the query (node 0) and of its pool, in a space where the metric is Euclidean.
        number: See :data:`Number`.

    Returns:
        One row for each node; all zeros if all nodes coincide.
    """
    raw = [[number(squared_mahalanobis(x, y)) for y in nodes] for x in nodes]
    largest = max(max(row) for row in raw)
    if largest == 0:
        return raw
    return [[distance / largest for distance in row] for row in raw]


def nearest_nodes(similarities: Vector, node: int, k: int) -> set[int]:
    """N(i, k): the ``k`` other nodes most similar to node ``i`` (section 3.2).

    The query is a node like any other. *Choice*: of equal similarities the lower node number comes first;
    with ``k`` at or above the number of other nodes, all of them belong.

    Args:
        similarities: Row ``i`` of the graph.
        node: i.
        k: Number of neighbours.
    """
    others = [j for j in range(len(similarities)) if j != node]
    others.sort(key=lambda j: (-similarities[j], j))
    return set(others[:k])


def reciprocal_nodes(similarity: Matrix, k: int) -> list[set[int]]:
    """R(i, k) = {j : j ∈ N(i, k) and i ∈ N(j, k)} for each node i (equation 2)."""
    near = [nearest_nodes(row, i, k) for i, row in enumerate(similarity)]
    return [{j for j in near[i] if i in near[j]} for i in range(len(similarity))]


class Episode:
    """One query's episode: state, feedback rule, reward and end.

    Args:
        distances: Of the query (node 0) and its pool, from :func:`scaled_distances`.
        k: Neighbours of the k-reciprocal operation; the paper's value is 15.
        margin: m of the reward; the paper's value is 0.2.
        budget: K_max, the number of answers; the paper's value is 10.
        empty_negatives: *Choice* for the reward while ``X_n`` is empty: ``"neutral"`` or ``"farthest"``; see
            :meth:`reward`.
        known: Answers that follow from earlier ones, by pool position; 0 is unknown. They cost nothing.
        number: See :data:`Number`.

    Attributes:
        similarity: The state S_t, the sparse similarity graph.
        answers: The answer ±1 for each answered node.
        closed: Nodes that cannot be picked any more.
        picks: Number of actions so far, t.
        matches: X_p, in the order of the answers.
        non_matches: X_n, in the order of the answers.
    """

    def __init__(
        self,
        distances: Matrix,
        k: int,
        margin: float,
        budget: int,
        empty_negatives: str = "neutral",
        known: Sequence[int] = (),
        number: Number = float,
    ) -> None:
        self.number = number
        self.distances, self.k, self.margin, self.budget = distances, k, number(margin), budget
        self.empty_negatives = empty_negatives
        self.answers = {i + 1: int(y) for i, y in enumerate(known) if y != 0}
        self.closed = set(self.answers)
        self.picks = 0
        self.matches = [0] + [g for g, y in self.answers.items() if y > 0]
        self.non_matches = [g for g, y in self.answers.items() if y < 0]
        dense = [
            [number(0) if i == j else number(1) - distance for j, distance in enumerate(row)]
            for i, row in enumerate(distances)
        ]
        self.similarity = self.sparse(with_answers(dense, self.answers, number))

    def sparse(self, similarity: Matrix) -> list[list[float]]:
        """The k-reciprocal operation: an entry outside R(i, k) becomes 0 (section 3.2).

        Answered entries take their places among the neighbours with 1 or 0, and stay as answered whether
        they are reciprocal or not.
        """
        reciprocal = reciprocal_nodes(similarity, self.k)
        kept = [
            [entry if j in reciprocal[i] else self.number(0) for j, entry in enumerate(row)]
            for i, row in enumerate(similarity)
        ]
        return with_answers(kept, self.answers, self.number)

    def feedback(self, g: int, y: int) -> list[list[float]]:
        """The graph after answer ``y`` about node ``g``, before the k-reciprocal operation (section 3.2).

        - match: Sim(q, g) = 1, and for all others Sim(q, i) ← ½ [Sim(q, i) + Sim(g, i)];
        - no match: Sim(q, g) = 0, and for all others Sim(q, i) ← max(Sim(q, i) − Sim(g, i), 0).

        "Others" are the nodes without an answer. All right-hand sides are the state S_t before the answer.
        Only row 0 and column 0 change.
        """
        before = self.similarity
        after = [list(row) for row in before]
        for i in range(1, len(before)):
            if y > 0:
                moved = self.number(0.5) * (before[0][i] + before[g][i])
            else:
                moved = max(before[0][i] - before[g][i], self.number(0))
            after[0][i] = after[i][0] = moved
        return with_answers(after, {**self.answers, g: y}, self.number)

    def reward(self, g: int, y: int) -> float:
        """R = [m + y (max_{x ∈ X_p} d(x, g) − min_{x ∈ X_n} d(x, g))]₊ (equation 6).

        ``X_p`` and ``X_n`` hold the nodes answered before ``g``. *Choice* while ``X_n`` is empty:
        ``"farthest"`` takes the minimum as 1, the largest distance there is; ``"neutral"`` takes the whole
        bracket after ``y`` as 0, so that R = m for either answer.
        """
        farthest_match = max(self.distances[x][g] for x in self.matches)
        if self.non_matches:
            nearest_non_match = min(self.distances[x][g] for x in self.non_matches)
        elif self.empty_negatives == "farthest":
            nearest_non_match = self.number(1)
        else:
            return float(self.margin)
        hardness = farthest_match - nearest_non_match
        return float(max(self.margin + self.number(y) * hardness, self.number(0)))

    def step(self, action: int, answer: int) -> float:
        """Spend one pick on pool item ``action`` (node action + 1) and return the reward.

        *Choice*: picking a closed node, and "can't tell", change nothing but the number of picks and the
        mask, and earn 0.
        """
        g = action + 1
        self.picks += 1
        if g in self.closed:
            return 0.0
        self.closed.add(g)
        if answer == 0:
            return 0.0
        reward = self.reward(g, answer)
        after = self.feedback(g, answer)
        self.answers[g] = answer
        (self.matches if answer > 0 else self.non_matches).append(g)
        self.similarity = self.sparse(after)
        return reward

    def is_over(self) -> bool:
        """Whether the budget is spent or every pool item is closed."""
        return self.picks >= self.budget or len(self.closed) == len(self.distances) - 1


def with_answers(similarity: Matrix, answers: Mapping[int, int], number: Number) -> list[list[float]]:
    """A copy of the graph in which answered entries are 1 (match) or 0 (no match), in row and column 0."""
    written = [list(row) for row in similarity]
    for g, y in answers.items():
        written[0][g] = written[g][0] = number(1) if y > 0 else number(0)
    return written
