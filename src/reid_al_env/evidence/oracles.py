"""Oracles: sources of answers to pairs of images, +1 (match), −1 (no match) or 0 (can't tell)."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

_ANSWERS = frozenset((-1, 0, 1))
_ANSWER_IF_EQUAL = np.array([-1, 1], dtype=np.int8)  # indexed by whether the identities are equal


class Oracle(Protocol):
    """Protocol: answers whether pairs of images show the same identity."""

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
    """An oracle made from a function; it can be pickled if the function can.

    Args:
        function: Has the arguments and the result of :meth:`Oracle.answer`.
    """

    function: AnswerFunction

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`Oracle.answer`.

        Raises:
            InputError: If the function does not return one of −1, 0, +1 for each pair.
        """
        return check_answers(self.function(queries, galleries), len(queries))


def as_oracle(oracle: Oracle | AnswerFunction) -> Oracle:
    """``oracle`` itself if it has a method ``answer``, else an oracle that calls it as a function.

    Raises:
        InputError: If it is neither an oracle nor a function.
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
    """Answers from identity labels; a pair with an unknown identity (−1) gives "can't tell".

    Args:
        identities: Shape (N,), int64.
    """

    def __init__(self, identities: NDArray[np.int64]) -> None:
        self._identities = identities
        self._all_known = bool((identities >= 0).all())

    def __deepcopy__(self, memo: dict[int, Any]) -> LabelOracle:
        return self  # it never changes

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`Oracle.answer`."""
        left, right = self._identities.take(queries), self._identities.take(galleries)
        answers: NDArray[np.int8] = _ANSWER_IF_EQUAL.take(left == right)
        if not self._all_known:
            answers[(left < 0) | (right < 0)] = 0
        return answers


class NoisyOracle:
    """Adds independent random mistakes to the answers of another oracle.

    Args:
        oracle: Source of the true answers: an oracle or a function.
        false_match: Probability that a non-match is answered "match", in [0, 1].
        false_non_match: Probability that a match is answered "no match", in [0, 1].
        cannot_tell: Probability of "can't tell", whatever the truth, in [0, 1].
        seed: Seed of the mistakes.
        answered: Number of answers already given in an interrupted run, whose random numbers are skipped.

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
        """See :meth:`Oracle.answer`. Each pair uses two random numbers, so batch sizes do not matter."""
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
