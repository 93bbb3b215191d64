"""An oracle that writes every answer to the pair log before handing it on, and replays the log on resume."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.log.pair_log import PairAnswer, PairLog
from reid_al_env.errors import InputError
from reid_al_env.evidence.oracles import Oracle, check_answers

_Pair = tuple[int, int]
_Times = tuple[float, float]  # shown at, answered at


class LoggedOracle:
    """Answers from the log where the round was already asked, else from `oracle`, logging before returning.

    A run that was killed in the middle of a round starts that round again. What was answered then is not
    asked twice: the n-th time the round needs a pair, in either order, it gets the n-th recorded answer.
    Each asking has the key `run/round/low-high/n`, which is what makes a repeated write count once.

    Replayed answers do not reach `oracle`, so one that draws random numbers per call goes on from another
    state than in an uninterrupted run; an oracle whose noise depends on the pair alone is not affected.

    Args:
        oracle: Asked for what the log does not hold: `answer(queries, galleries)`, batched.
        log: Where answers are written.
        names: (N,) names of the dataset's images, by dataset index.
        run: Identifier of the run.
        selector: What chooses the pairs.
        source: Where the inner oracle's answers are from (`labels`, `person`, ...).
        annotator: Who answers; empty where nobody in particular does.

    Attributes:
        replayed: Answers of the present round that came from the log.
        asked: Answers of the present round that came from the inner oracle.
    """

    def __init__(
        self,
        oracle: Oracle,
        log: PairLog,
        names: Sequence[str] | NDArray[np.str_],
        *,
        run: str,
        selector: str,
        source: str = "labels",
        annotator: str = "",
    ) -> None:
        self._oracle, self._log, self._names = oracle, log, names
        self._run, self._selector, self._source, self._annotator = run, selector, source, annotator
        self._probability: float | None = None
        self.begin_round(0)

    def begin_round(self, number: int) -> None:
        """Start round `number`: what the log already holds of it will be replayed.

        Args:
            number: The round, counted from 0.

        Raises:
            InputError: The log speaks of other images than `names` does: the data have changed.
        """
        self._round, self.replayed, self.asked = number, 0, 0
        self._recorded: dict[_Pair, list[int]] = defaultdict(list)
        self._needed: Counter[_Pair] = Counter()
        for answer in self._log.answers(run=self._run, round=number):
            self._check_name(answer.query, answer.query_name)
            self._check_name(answer.candidate, answer.candidate_name)
            self._recorded[_unordered((answer.query, answer.candidate))].append(answer.answer)

    def expect(self, probability: float | None) -> None:
        """Note how likely a match is held; it is kept with every answer until another is noted."""
        self._probability = probability

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """Say whether pairs show one identity; every answer is on disk when this returns.

        Args:
            queries: (B,) int64 dataset indices.
            galleries: (B,) int64 dataset indices, compared pairwise with `queries`.

        Returns:
            (B,) int8: +1 the same identity, -1 different ones, 0 can't tell.

        Raises:
            InputError: An index is outside the dataset, the inner oracle's reply has another shape or other
                values, or the log cannot be written.
        """
        pairs = self._checked_pairs(queries, galleries)
        occurrences, needed = self._occurrences(pairs)
        answers = np.zeros(len(pairs), dtype=np.int8)
        missing = []
        for position, (pair, occurrence) in enumerate(zip(pairs, occurrences, strict=True)):
            recorded = self._recorded.get(_unordered(pair), [])
            if occurrence < len(recorded):
                answers[position] = recorded[occurrence]
            else:
                missing.append(position)
        if missing:
            answers[missing] = self._ask(pairs, occurrences, missing)
        # Counted only now: a question that failed or was interrupted can be put again.
        self._needed.update(needed)
        self.asked += len(missing)
        self.replayed += len(pairs) - len(missing)
        return answers

    def _ask(self, pairs: list[_Pair], occurrences: list[int], missing: list[int]) -> NDArray[np.int8]:
        queries, galleries = np.asarray([pairs[position] for position in missing], dtype=np.int64).T.copy()
        shown_at = time.time()
        reply = check_answers(self._oracle.answer(queries, galleries), len(missing))
        times = (shown_at, time.time())
        first_step = self.replayed + self.asked
        entries = [
            self._entry(
                pairs[position],
                int(answer),
                step=first_step + position,
                occurrence=occurrences[position],
                times=times,
            )
            for position, answer in zip(missing, reply, strict=True)
        ]
        if self._log.record_many(entries) != len(entries):
            raise InputError(
                f"{self._log.path}: another process is answering for run '{self._run}'; stop one of them"
            )
        return reply

    def _entry(self, pair: _Pair, answer: int, *, step: int, occurrence: int, times: _Times) -> PairAnswer:
        low, high = _unordered(pair)
        return PairAnswer(
            key=f"{self._run}/{self._round}/{low}-{high}/{occurrence}",
            run=self._run,
            round=self._round,
            step=step,
            query=pair[0],
            candidate=pair[1],
            query_name=str(self._names[pair[0]]),
            candidate_name=str(self._names[pair[1]]),
            answer=answer,
            selector=self._selector,
            source=self._source,
            annotator=self._annotator,
            shown_at=times[0],
            answered_at=times[1],
            probability=self._probability,
        )

    def _occurrences(self, pairs: list[_Pair]) -> tuple[list[int], Counter[_Pair]]:
        """How often each pair was needed before in this round, and the counts once all are answered."""
        needed: Counter[_Pair] = Counter()
        occurrences = []
        for pair in map(_unordered, pairs):
            occurrences.append(self._needed[pair] + needed[pair])
            needed[pair] += 1
        return occurrences, needed

    def _checked_pairs(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> list[_Pair]:
        pairs = np.stack([np.asarray(queries), np.asarray(galleries)], axis=1)  # (B, 2)
        if pairs.size and (pairs.min() < 0 or pairs.max() >= len(self._names)):
            # A negative index would otherwise name an image from the end of the dataset.
            raise InputError(
                f"pair index outside the {len(self._names)} images of the dataset: {pairs.tolist()}"
            )
        return [(int(query), int(gallery)) for query, gallery in pairs]

    def _check_name(self, index: int, recorded: str) -> None:
        present = str(self._names[index]) if index < len(self._names) else "nothing"
        if present != recorded:
            raise InputError(
                f"{self._log.path}: answers were recorded for '{recorded}' as image {index}, which is now "
                f"'{present}'; resume with the data and the order of the first start"
            )


def _unordered(pair: _Pair) -> _Pair:
    return (min(pair), max(pair))
