"""Who answers: every oracle takes a batch of pairs and gives +1 (match), −1 (no match) or 0 (can't tell)."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

_ANSWERS = frozenset((-1, 0, 1))
_SAID = np.array([-1, 1], dtype=np.int8)  # of different and of equal identities


class Oracle(Protocol):
    """Anything that answers whether pairs of images show the same identity."""

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """Answer pairs.

        Args:
            queries: Dataset indices, shape (M,).
            galleries: Dataset indices, shape (M,).

        Returns:
            int8, shape (M,): +1 match, −1 no match, 0 can't tell.
        """
        ...


AnswerFunction: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64]], ArrayLike]


@dataclass(frozen=True)
class CallableOracle:
    """Answers by a function of the queries and the galleries; it pickles if the function does.

    Args:
        function: Takes what :meth:`Oracle.answer` takes and gives what it gives.
    """

    function: AnswerFunction

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`Oracle.answer`.

        Raises:
            InputError: If the function does not give one of −1, 0, +1 for each pair.
        """
        return check_answers(self.function(queries, galleries), len(queries))


def as_oracle(oracle: Oracle | AnswerFunction) -> Oracle:
    """The oracle itself, or one that answers by the function.

    Raises:
        InputError: If it is neither.
    """
    if not isinstance(oracle, type):
        if callable(getattr(oracle, "answer", None)):
            return cast("Oracle", oracle)
        if callable(oracle):
            return CallableOracle(oracle)
    raise InputError(
        f"oracle: {reprlib.repr(oracle)} cannot answer; pass a function (queries, galleries) -> answers "
        "or an object with such a method 'answer'"
    )


class LabelOracle:
    """Answers from known identities; an image of unknown identity (−1) gives "can't tell".

    Args:
        identities: Shape (N,), int64.
    """

    def __init__(self, identities: NDArray[np.int64]) -> None:
        self._identities = identities
        self._all_known = bool((identities >= 0).all())

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`Oracle.answer`."""
        left, right = self._identities.take(queries), self._identities.take(galleries)
        answers: NDArray[np.int8] = _SAID.take(left == right)
        if not self._all_known:
            answers[(left < 0) | (right < 0)] = 0
        return answers


class NoisyOracle:
    """Answers like another oracle, with independent mistakes.

    Args:
        oracle: Whose answers are spoilt; a function too (:class:`CallableOracle`).
        false_match: Chance that a non-match is called a match, in [0, 1].
        false_non_match: Chance that a match is called a non-match, in [0, 1].
        cannot_tell: Chance of "can't tell" whatever the truth, in [0, 1].
        seed: Of the mistakes.
        answered: Answers that were given before a stop; the mistakes go on after those.

    Raises:
        InputError: If a rate is outside [0, 1], or ``oracle`` cannot answer.
    """

    def __init__(
        self,
        oracle: Oracle | AnswerFunction,
        *,
        false_match: float = 0.0,
        false_non_match: float = 0.0,
        cannot_tell: float = 0.0,
        seed: int = 0,
        answered: int = 0,
    ) -> None:
        rates = {"false_match": false_match, "false_non_match": false_non_match, "cannot_tell": cannot_tell}
        for name, rate in rates.items():
            if not 0.0 <= rate <= 1.0:
                raise InputError(f"{name}: {rate} is outside [0, 1]")
        self._oracle = as_oracle(oracle)
        self._rates = rates
        self._rng = np.random.default_rng(seed)
        self._rng.random((answered, 2))

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`Oracle.answer`. One pair takes two random numbers, however the batch is cut."""
        truth = self._oracle.answer(queries, galleries)
        chance = self._rng.random((len(truth), 2))
        rate = np.where(truth > 0, self._rates["false_non_match"], self._rates["false_match"])
        answers = np.where(chance[:, 0] < rate, -truth, truth)
        return np.where(chance[:, 1] < self._rates["cannot_tell"], 0, answers).astype(np.int8)


def check_answers(answers: object, count: int) -> NDArray[np.int8]:
    """An oracle's answers as int8 of shape (count,).

    Raises:
        InputError: If there are not ``count`` of them, or one is none of −1, 0, +1.
    """
    array = np.asarray(answers)
    if array.shape != (count,) or not _ANSWERS.issuperset(array.tolist()):
        raise InputError(
            f"oracle: answered {count} pairs with {array.ravel()[:5]} of shape {array.shape}; "
            "expected one of -1, 0, +1 for each pair"
        )
    return array.astype(np.int8)
