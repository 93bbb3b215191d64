"""An independent implementation of DESIGN section 2 in plain loops, to check the kernel against.

It computes in float64 where the tests choose numbers that float32 holds exactly, so that both must agree to
the bit; elsewhere in the kernel's float32, so that near ties fall alike.
"""

from __future__ import annotations

import numpy as np


def reference_distances(points, number=np.float32):
    """Squared distances over the largest, by explicit sums in float64, then rounded to ``number``."""
    n = len(points)
    raw = [[number(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            total = 0.0
            for a, b in zip(points[i], points[j], strict=True):
                total += (float(a) - float(b)) ** 2
            raw[i][j] = number(total)
    largest = max(max(row) for row in raw)
    if largest > 0:
        raw = [[value / largest for value in row] for row in raw]
    return raw


def reference_pool(features, query, pool_size):
    """Indices of the nearest others by (distance, index)."""
    others = []
    for i in range(len(features)):
        if i != query:
            total = sum((float(a) - float(b)) ** 2 for a, b in zip(features[i], features[query], strict=True))
            others.append((np.float32(total), i))
    return [i for _, i in sorted(others)[:pool_size]]


def first_k(row, i, k):
    """N(i, k): the first k other nodes by (similarity descending, index ascending)."""
    others = [j for j in range(len(row)) if j != i]
    return set(sorted(others, key=lambda j: (-row[j], j))[:k])


class ReferenceEpisode:
    """One episode as the design states it: the whole matrix, every time."""

    def __init__(self, distances, k, margin, budget, empty_negatives, known=None, number=np.float32):
        self.one, self.half, self.zero = number(1), number(0.5), number(0)
        self.number = number
        self.d, self.k, self.margin, self.budget = distances, k, number(margin), budget
        self.empty = empty_negatives
        n = len(distances) - 1
        self.answers = {} if known is None else {i + 1: int(a) for i, a in enumerate(known) if a}
        self.masked = set(self.answers)
        self.picks = 0
        self.positives = [0] + [g for g, a in self.answers.items() if a > 0]
        self.negatives = [g for g, a in self.answers.items() if a < 0]
        self.s = [
            [self.one - distances[i][j] if i != j else self.zero for j in range(n + 1)] for i in range(n + 1)
        ]
        self._write_answers()
        self._reciprocal()

    def _write_answers(self):
        for g, a in self.answers.items():
            self.s[0][g] = self.s[g][0] = self.one if a > 0 else self.zero

    def _reciprocal(self):
        n = len(self.s)
        near = [first_k(self.s[i], i, self.k) for i in range(n)]
        for i in range(n):
            for j in range(n):
                if i != j and not (j in near[i] and i in near[j]):
                    self.s[i][j] = self.zero
        self._write_answers()

    def step(self, action, answer):
        g = action + 1
        self.picks += 1
        if g in self.masked:
            return 0.0
        self.masked.add(g)
        if answer == 0:
            return 0.0
        reward = self._reward(g, answer)
        old = [row[:] for row in self.s]
        self.answers[g] = answer
        for i in range(1, len(self.s)):
            if i in self.answers:
                continue
            match = self.half * (old[0][i] + old[g][i])
            new = match if answer > 0 else max(old[0][i] - old[g][i], self.zero)
            self.s[0][i] = self.s[i][0] = new
        self._write_answers()
        self.ruled = [row[:] for row in self.s]
        self._reciprocal()
        (self.positives if answer > 0 else self.negatives).append(g)
        return reward

    def _reward(self, g, answer):
        far = max(self.d[x][g] for x in self.positives)
        if self.negatives:
            near = min(self.d[x][g] for x in self.negatives)
        elif self.empty == "farthest":
            near = self.one
        else:
            return float(self.margin)
        return float(max(self.margin + self.number(answer) * (far - near), self.zero))

    def done(self):
        return self.picks >= self.budget or len(self.masked) == len(self.s) - 1
