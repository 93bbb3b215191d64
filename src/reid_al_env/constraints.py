"""Answers closed under transitivity: what is known of every pair of images."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

MATCH: Final = 1
NO_MATCH: Final = -1
CANNOT_TELL: Final = 0


class ConstraintGraph:
    """Must-links and cannot-links between ``size`` images, with everything that follows from them.

    If *a* matches *b* and *b* matches *c*, then *a* matches *c*; if *a* matches *b* and *b* does not match
    *c*, then *a* does not match *c*. An answer that contradicts what already follows is kept in
    :attr:`contradictions` and changes nothing else. That a pair was asked is remembered even where the answer
    was "can't tell".

    Images carry the label of their group, and joining relabels the smaller group, so a label is read in
    O(1) and ``n`` joins cost O(n log n) in all.

    Args:
        size: Number of images.

    Raises:
        InputError: If ``size`` is negative.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise InputError(f"constraints: size is {size}; give the number of images, 0 or more")
        self._label = np.arange(size, dtype=np.int64)
        self._members: dict[int, list[int]] = {}
        self._conflicts: dict[int, set[int]] = {}
        self.must_links: list[tuple[int, int]] = []
        self.cannot_links: list[tuple[int, int]] = []
        self.contradictions: list[tuple[int, int, int]] = []
        self._asked: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._label)

    def add(self, i: int, j: int, answer: int) -> bool:
        """Record one answer about the images ``i`` and ``j``.

        Args:
            i: Dataset index of one image.
            j: Dataset index of the other.
            answer: +1 for a match (must-link), −1 for no match (cannot-link), 0 for "can't tell".

        Returns:
            Whether the answer agrees with the earlier ones. One that does not is appended to
            :attr:`contradictions` and has no other effect.

        Raises:
            InputError: If an index is outside the images or the answer is none of −1, 0, +1.
        """
        i, j, answer = int(i), int(j), int(answer)
        self._check(i, j, answer)
        self._asked.setdefault(i, set()).add(j)
        self._asked.setdefault(j, set()).add(i)
        if answer == CANNOT_TELL:
            return True
        known = self.relation(i, j)
        if known not in (CANNOT_TELL, answer):
            self.contradictions.append((i, j, answer))
            return False
        if answer == MATCH:
            self.must_links.append((i, j))
            if known == CANNOT_TELL:
                self._join(int(self._label[i]), int(self._label[j]))
        else:
            self.cannot_links.append((i, j))
            self._separate(int(self._label[i]), int(self._label[j]))
        return True

    def add_many(
        self, queries: NDArray[np.int64], galleries: NDArray[np.int64], answers: NDArray[np.int8]
    ) -> int:
        """Record answers in order; all three arrays of shape (M,).

        Returns:
            How many of them contradicted earlier ones.
        """
        agreed = [
            self.add(int(i), int(j), int(a)) for i, j, a in zip(queries, galleries, answers, strict=True)
        ]
        return len(agreed) - sum(agreed)

    def relation(self, i: int, j: int) -> int:
        """What is known of one pair: +1 same, −1 different, 0 unknown."""
        a, b = int(self._label[i]), int(self._label[j])
        if a == b:
            return MATCH
        return NO_MATCH if b in self._conflicts.get(a, ()) else CANNOT_TELL

    def implied(self, i: int, others: NDArray[np.int64]) -> NDArray[np.int8]:
        """What is known of ``i`` and each of ``others``.

        Args:
            i: Dataset index.
            others: Dataset indices, shape (M,); −1 is padding and gives 0.

        Returns:
            int8 array of shape (M,): +1 same, −1 different, 0 unknown.
        """
        label = int(self._label[i])
        labels = self._label[others]
        known: NDArray[np.int8] = np.asarray(labels == label, dtype=np.int8)
        conflicts = self._conflicts.get(label)
        if conflicts:
            known[np.fromiter((int(x) in conflicts for x in labels), bool, len(labels))] = NO_MATCH
        known[np.asarray(others) < 0] = CANNOT_TELL
        return known

    def asked(self, i: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``others`` were compared with ``i`` before, whatever the answer; (M,), False for −1."""
        partners = self._asked.get(int(i), ())
        return np.fromiter((int(other) in partners for other in others), bool, len(others))

    def groups(self) -> NDArray[np.int64]:
        """Must-link component of every image, shape (N,), numbered by first appearance."""
        _, first, inverse = np.unique(self._label, return_index=True, return_inverse=True)
        order = np.empty(len(first), dtype=np.int64)
        order[np.argsort(first)] = np.arange(len(first))
        return order[inverse]

    def group_conflicts(self) -> NDArray[np.int64]:
        """Pairs of groups known to differ, shape (M, 2), as numbered by :meth:`groups`, each once, sorted."""
        groups = self.groups()
        pairs = sorted(
            {
                (min(a, b), max(a, b))
                for label, others in self._conflicts.items()
                for a, b in ((int(groups[label]), int(groups[other])) for other in others)
            }
        )
        return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)

    def _check(self, i: int, j: int, answer: int) -> None:
        size = len(self._label)
        if not (0 <= i < size and 0 <= j < size):
            raise InputError(f"constraints: pair ({i}, {j}) is outside the {size} images")
        if i == j:
            raise InputError(f"constraints: image {i} is compared with itself; pairs are of two images")
        if answer not in (MATCH, NO_MATCH, CANNOT_TELL):
            raise InputError(f"constraints: answer {answer} for pair ({i}, {j}); expected +1, -1 or 0")

    def _join(self, a: int, b: int) -> None:
        keep, lose = (a, b) if self._size(a) >= self._size(b) else (b, a)
        moved = self._members.pop(lose, [lose])
        self._members.setdefault(keep, [keep]).extend(moved)
        self._label[moved] = keep
        for other in self._conflicts.pop(lose, set()):
            self._conflicts[other].discard(lose)
            self._separate(keep, other)

    def _separate(self, a: int, b: int) -> None:
        self._conflicts.setdefault(a, set()).add(b)
        self._conflicts.setdefault(b, set()).add(a)

    def _size(self, label: int) -> int:
        return len(self._members.get(label, (label,)))
