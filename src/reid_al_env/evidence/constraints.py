"""Must-links and cannot-links from answers, closed under transitivity, also where answers disagree."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError
from reid_al_env.evidence.disputes import Dispute, Evidence
from reid_al_env.evidence.min_cut import Partition

MATCH: Final = 1
NO_MATCH: Final = -1
CANNOT_TELL: Final = 0


class ConstraintGraph:
    """Must-links and cannot-links between ``size`` images, with everything that they imply.

    If *a* matches *b* and *b* matches *c*, then *a* matches *c*. If *a* matches *b* and *b* does not match
    *c*, then *a* does not match *c*. A pair counts as asked even if the answer was "can't tell".

    Answers can be wrong, so they are weighed. The weights of all answers about a pair are added, matches
    positive and non-matches negative; a sum above zero is a must-link, one below zero a cannot-link. A
    cannot-link between two images that must-links join is a *dispute*. The heavier side of a dispute is in
    force and the other is set aside: either the cannot-link, or the lightest set of must-links that separates
    the two images (a minimum cut). Of equal weights, the newer side is set aside. Disputes are settled in
    order of weight, the heaviest cannot-link first (:meth:`.Component.settle`). Links in force are therefore
    always consistent, and depend on the answers and their order only: a link that was set aside is in force
    again as soon as the weights allow it.

    Links in force are stored as a group label for each image (:class:`.Partition`). Only components with a
    dispute, or that lost a link, are recomputed.

    Args:
        size: Number of images.

    Attributes:
        contradictions: Answers (i, j, answer) that disagreed with the links in force, in order.

    Raises:
        InputError: If ``size`` is negative.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise InputError(f"constraints: size is {size}; give the number of images, 0 or more")
        self.contradictions: list[tuple[int, int, int]] = []
        self._answers: list[tuple[int, int, int]] = []
        self._evidence = Evidence(size)
        self._groups = Partition(size)
        # Group -> an image that identifies its component, for components with disputes only. In any other
        # component all links are in force, and the component is the group.
        self._disputed: dict[int, int] = {}
        self._open: dict[tuple[int, int], None] = {}  # pairs in dispute, in the order they arose

    def __deepcopy__(self, memo: dict[int, object]) -> ConstraintGraph:
        """A copy in a fraction of the usual time: sessions make one for each list of identities."""
        other = ConstraintGraph(0)
        other.contradictions, other._answers = list(self.contradictions), list(self._answers)
        other._evidence = copy.deepcopy(self._evidence)
        other._groups = copy.deepcopy(self._groups)
        other._disputed, other._open = dict(self._disputed), dict(self._open)
        return other

    def __len__(self) -> int:
        return len(self._groups.labels)

    def add(self, i: int, j: int, answer: int, weight: float = 1.0) -> bool:
        """Record one answer about the images ``i`` and ``j``.

        Args:
            i: Dataset index of one image.
            j: Dataset index of the other.
            answer: +1 for a match (must-link), −1 for no match (cannot-link), 0 for "can't tell".
            weight: Weight of the answer, above 0.

        Returns:
            Whether the answer agrees with the links in force. If not, it is appended to
            :attr:`contradictions`; its weight counts all the same.

        Raises:
            InputError: If an index is outside the images, the answer is none of −1, 0, +1, or the weight is
                not above 0 and finite.
        """
        i, j, answer = int(i), int(j), int(answer)
        self._check(i, j, answer)
        opposed = answer != CANNOT_TELL and self.relation(i, j) == -answer
        before, after = self._evidence.add(i, j, answer, float(weight))
        if answer != CANNOT_TELL:
            self._answers.append((i, j, answer))
            self._take_in(i, j, before, after)
        if opposed:
            self.contradictions.append((i, j, answer))
        return not opposed

    def add_many(
        self,
        queries: NDArray[np.int64],
        galleries: NDArray[np.int64],
        answers: NDArray[np.int8],
        weights: ArrayLike | None = None,
    ) -> int:
        """Record answers in order; all arrays of shape (M,), ``None`` for weights of 1.

        Returns:
            Number of answers that disagreed with the links in force when they were added.
        """
        each = np.ones(len(answers)) if weights is None else np.asarray(weights, dtype=np.float64)
        return sum(
            not self.add(int(i), int(j), int(a), float(w))
            for i, j, a, w in zip(queries, galleries, answers, each, strict=True)
        )

    def link_groups(self, labels: NDArray[np.int64], weight: float = 1.0) -> None:
        """Assume, without an answer, that images of equal label match, such as those of one tracklet.

        Each image is linked to the next one of its label, so that a dispute can split a group at one link.

        Args:
            labels: Integers, shape (N,); below 0 for images of no group.
            weight: Weight of each link, above 0.

        Raises:
            InputError: If there is not one integer for each image, or the weight is not above 0 and finite.
        """
        first, after = self._evidence.assume(np.asarray(labels), float(weight))
        self._rebuild(self._groups.form(first, after, self._evidence.images()).tolist())

    def without(self, pairs: NDArray[np.int64]) -> ConstraintGraph:
        """A new graph without the answers about these pairs; assumed links stay.

        Args:
            pairs: Dataset indices, shape (M, 2); pairs without an answer are ignored.
        """
        other = copy.deepcopy(self)
        gone = {(min(i, j), max(i, j)) for i, j in np.asarray(pairs).reshape(-1, 2).tolist()}
        for i, j in gone:
            other._evidence.forget(i, j)
            other._open.pop((i, j), None)
        for said in (other._answers, other.contradictions):
            said[:] = [each for each in said if (min(each[:2]), max(each[:2])) not in gone]
        other._rebuild(image for pair in sorted(gone) for image in pair)
        return other

    @property
    def assumed_links(self) -> NDArray[np.int64]:
        """All links of :meth:`link_groups`, in force or not; shape (M, 2), by call and sorted within each."""
        return self._evidence.assumed_links()

    @property
    def must_links(self) -> list[tuple[int, int]]:
        """Pairs answered "match", in order, without those outweighed or set aside."""
        return self._held(MATCH)

    @property
    def cannot_links(self) -> list[tuple[int, int]]:
        """Pairs answered "no match", in order, without those outweighed or set aside."""
        return self._held(NO_MATCH)

    def disputes(self) -> list[Dispute]:
        """Cannot-links between images that must-links join, in the order they arose.

        A dispute ends when the pair's own answers no longer add up to "no match", or when no must-links
        join the two images any more.
        """
        found: dict[tuple[int, int], Dispute] = {}
        for pair in self._open:
            if pair not in found:
                found.update(self._evidence.component(pair[0]).disputes())
        return [found[pair] for pair in self._open]

    def relation(self, i: int, j: int) -> int:
        """What is known about one pair: +1 same identity, −1 different, 0 unknown."""
        a, b = int(self._groups.labels[i]), int(self._groups.labels[j])
        if a == b:
            return MATCH
        return NO_MATCH if b in self._groups.conflicts.get(a, ()) else CANNOT_TELL

    def implied(self, i: int, others: NDArray[np.int64]) -> NDArray[np.int8]:
        """What is known about ``i`` and each of ``others``.

        Args:
            i: Dataset index.
            others: Dataset indices, shape (M,); −1 is padding and gives 0.

        Returns:
            int8 array of shape (M,): +1 same identity, −1 different, 0 unknown.
        """
        label = int(self._groups.labels[i])
        labels = self._groups.labels[others]
        known: NDArray[np.int8] = np.asarray(labels == label, dtype=np.int8)
        if conflicts := self._groups.conflicts.get(label):
            known[np.fromiter((int(x) in conflicts for x in labels), bool, len(labels))] = NO_MATCH
        known[np.asarray(others) < 0] = CANNOT_TELL
        return known

    def asked(self, i: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``others`` have an answer with ``i``, "can't tell" included; (M,) bool, False for −1."""
        partners = self._evidence.answered(int(i))
        return np.fromiter((int(other) in partners for other in others), bool, len(others))

    def asked_pairs(self) -> NDArray[np.int64]:
        """Answered pairs, "can't tell" included, each once; shape (M, 2), smaller index first."""
        return self._evidence.answered_pairs()

    def groups(self) -> NDArray[np.int64]:
        """Group of every image by the must-links in force, shape (N,), numbered by first appearance."""
        return self._groups.numbered()

    def group_conflicts(self) -> NDArray[np.int64]:
        """Pairs of groups with a cannot-link, (M, 2), numbered as in :meth:`groups`, each once, sorted."""
        return self._groups.numbered_conflicts()

    def _check(self, i: int, j: int, answer: int) -> None:
        if not (0 <= i < len(self) and 0 <= j < len(self)):
            raise InputError(f"constraints: pair ({i}, {j}) is outside the {len(self)} images")
        if i == j:
            raise InputError(f"constraints: image {i} is compared with itself; pairs are of two images")
        if answer not in (MATCH, NO_MATCH, CANNOT_TELL):
            raise InputError(f"constraints: answer {answer} for pair ({i}, {j}); expected +1, -1 or 0")

    def _held(self, wanted: int) -> list[tuple[int, int]]:
        answers = [(i, j) for i, j, answer in self._answers if answer == wanted == self.relation(i, j)]
        return [(i, j) for i, j in answers if self._evidence.answered(i)[j].sign == wanted]

    def _take_in(self, i: int, j: int, before: int, after: int) -> None:
        """Update the groups for a pair whose sign changed from ``before`` to ``after``."""
        a, b = int(self._groups.labels[i]), int(self._groups.labels[j])
        apart = self._component(a) != self._component(b)
        if (apart and before == after) or (not apart and after == MATCH and a not in self._disputed):
            return  # without a dispute, more weight or another match changes no group
        if apart and (before, after) == (CANNOT_TELL, NO_MATCH):
            self._groups.separate(a, b)
        elif apart and (before, after) == (CANNOT_TELL, MATCH) and self._agree(a, b):
            component = self._disputed.get(a, self._disputed.get(b))
            keep = self._groups.join(a, b)
            if component is not None:
                self._disputed[keep] = component
        else:
            self._rebuild([i, j])

    def _component(self, group: int) -> int:
        return self._disputed.get(group, group)

    def _agree(self, a: int, b: int) -> bool:
        """Whether a first match between the components of two groups certainly causes no dispute.

        All paths between the components then use the new match, so no minimum cut inside either changes.
        """
        quiet, other = (a, b) if b in self._disputed else (b, a)
        conflicts: Iterable[int] = self._groups.conflicts.get(quiet, ())
        if other in self._disputed:
            conflicts = map(self._component, conflicts)
        return quiet not in self._disputed and self._component(other) not in conflicts

    def _rebuild(self, within: Iterable[int]) -> None:
        """Recompute the components of some images."""
        images: set[int] = set()
        for start in within:
            if start not in images:
                component = self._evidence.component(start)
                groups = component.settle()
                self._groups.replace(groups)
                for image in component.images:
                    self._disputed.pop(image, None)
                self._disputed |= {group[0]: start for group in groups if component.disputed}
                self._open |= {(pair.i, pair.j): None for pair in component.disputed}
                images.update(component.images)
        for image in images:
            for other, pair in self._evidence.answered(image).items():
                a, b = int(self._groups.labels[image]), int(self._groups.labels[other])
                if pair.net < 0 and a != b:
                    self._groups.separate(a, b)
                if pair.net >= 0 or self._component(a) != self._component(b):
                    self._open.pop((pair.i, pair.j), None)
