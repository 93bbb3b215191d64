"""Beliefs: one fold over the events, the same whether they come one by one or are replayed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np

from reid_al_agents.beliefs.audit import AuditedPair, Design
from reid_al_agents.beliefs.audit_events import (
    audit_note,
    changes_groups,
    noted_pairs,
    shared_pair,
    unpacked_design,
)
from reid_al_agents.beliefs.audit_trail import AuditTrail
from reid_al_agents.beliefs.evidence import (
    EDITS,
    Evidence,
    corrections_of,
    corrects,
    edit_evidence,
    edited_images,
    identity_evidence,
    known_images,
    split_parts,
)
from reid_al_agents.beliefs.match_model import PAIR_FEATURES, MatchModel
from reid_al_agents.beliefs.reliability import Reliability
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import (
    MAX_ERROR_RATE,
    Pair,
    SuspectedError,
    rechecked,
    suspected_error,
    unordered,
)
from reid_al_agents.beliefs.weights import DECIDED_WEIGHT, weigh
from reid_al_agents.data.corrections import Corrections
from reid_al_agents.log.events import SIGNS, TAKING_BACK, Event, counting
from reid_al_env import ConstraintGraph

Known = Callable[[Corrections], ConstraintGraph]
"""Returns the constraints known before the first event, such as tracklets, given what was corrected since."""


class Beliefs:
    """A pure fold over the log: :meth:`apply` takes in the next event, :meth:`replay` all of them.

    An event must be on disk before it is applied. Nothing here is stored: undo, resume and restart replay.

    Args:
        known: See :data:`Known`.
        error_rate: Rate of wrong answers that is assumed before any is found, in (0, 0.5).
        events: Those to begin with, undone ones and undos included, in order.
        absent: Images whose files are gone. They are not asked about any more; what was said of them counts.

    Attributes:
        events: Events that count, by id, in order.
        constraints: Constraints between the images.
        heard: The constraints without the audit's answers; questions are chosen by these. If they used
            the audit's answers, only the audited pairs would be corrected and not represent the rest.
        evidence: Statements of the events about pairs, in order.
        model: Match probabilities, learned from the answers.
        monitor: Whether answers still change groups.
        audit: The audit's pairs and the answers about them.
        audit_draws: Number of pairs drawn by the audit, those with a known relation included.
        designs: Their sampling designs, by round; those of a pool that has grown since by a negative number.
        withheld: Audited pairs whose answers may not guide questions, the lower image first.
        suspected: Suspected errors that were not rechecked, by pair, the oldest first.
        corrections: What annotators corrected about single images.
        excluded: Images that left the pool.
        names: Name given to the identity of an image, the latest last.
        edited: When the identity of an image was last merged, split, named or hidden, the latest last.
        hidden: Images whose identities are hidden from lists.
        reliability: How often each annotator errs; answers are weighed by it.
        annotators: Names of the annotators.
        answered: Names of the annotators that answered, by question.
        answers: Number of answers that count.
        matches: How many of them were "same".
        policy_answers: How many of them the selector asked for.
        changes: Number of events applied; rises with each.
        replays: Number of full replays, one for each event that took something back or corrected it.
    """

    def __init__(
        self,
        known: Known,
        error_rate: float,
        events: Iterable[Event] = (),
        absent: Collection[int] = (),
    ) -> None:
        self._known, self._assumed_error_rate = known, error_rate
        self._absent = frozenset(absent)
        self.changes = self.replays = 0
        self.model = MatchModel()
        self.restart(events)

    @classmethod
    def replay(
        cls, known: Known, events: Iterable[Event], error_rate: float, absent: Collection[int] = ()
    ) -> Beliefs:
        """The beliefs after ``events``, undone ones and undos included, in order."""
        return cls(known, error_rate, events, absent)

    def restart(self, events: Iterable[Event]) -> None:
        """Begin again from ``events``, as :meth:`replay` does."""
        events = list(events)
        self.events: dict[int, Event] = {event.id: event for event in counting(events)}
        self.changes += len(events)
        self._fold_again()

    def know(self, known: Known, absent: Collection[int]) -> None:
        """Replay with other images behind those there were.

        Args:
            known: See :data:`Known`; of all images.
            absent: As at the start.
        """
        self._known, self._absent = known, frozenset(absent)
        self.changes += 1
        self._fold_again()

    def apply(self, event: Event) -> int | None:
        """Take in the next event.

        Returns:
            The answer that closes the pair, +1, −1 or 0; ``None`` where it stays open for another annotator,
            and of events that answer no pair.
        """
        self.changes += 1
        if event.kind in TAKING_BACK:
            self.events.pop(event.target or 0, None)
        else:
            self.events[event.id] = event
            if not corrects(event):
                return self._believe(event)
        self._fold_again()
        return None

    @property
    def error_rate(self) -> float:
        """Estimated rate of wrong answers: the one assumed, times found by expected errors of rechecks.

        One is added to both counts. Answers that were not rechecked say nothing about it.
        """
        rate = self._assumed_error_rate * (1 + self._disagreed) / (1 + self._expected)
        return min(rate, MAX_ERROR_RATE)

    @property
    def assumed_error_rate(self) -> float:
        """Rate of wrong answers by which answers are weighed."""
        return self._assumed_error_rate

    def answers_of(self, annotator: str) -> list[Event]:
        """Answers of one annotator that count, in order."""
        return list(self._by_annotator.get(annotator, {}).values())

    def asked(self, i: int, j: int) -> bool:
        """Whether two images have been compared."""
        return bool(self.constraints.asked(i, np.array([j]))[0])

    # -- the fold ------------------------------------------------------------------------------------------

    def _fold_again(self) -> None:
        self.replays += 1
        self.corrections = corrections_of(self.events.values())
        self._unusable = self.corrections.unusable
        self.excluded = self._unusable | self._absent
        self.constraints = self._known(self.corrections)
        self.heard = copy.deepcopy(self.constraints)
        seen, self.model = self.model.seen, MatchModel()
        self.monitor, self.audit = ChangeMonitor(), AuditTrail()
        self.evidence: list[Evidence] = []
        self.designs: dict[int, Design] = {}
        self._numbers: dict[int, int] = {}  # of the latest design of each round
        self.withheld: set[Pair] = set()
        self.suspected: dict[Pair, SuspectedError] = {}
        self.names: dict[int, str] = {}
        self.edited: dict[int, float] = {}
        self.hidden: set[int] = set()
        self.reliability = Reliability(self._assumed_error_rate)
        self.annotators: set[str] = set()
        self.answered: dict[str, set[str]] = {}
        self.answers = self.matches = self.policy_answers = 0
        self.audit_draws = self._disagreed = 0
        self._expected = 0.0
        self._by_annotator: dict[str, dict[int, Event]] = {}
        self._unsure: dict[Pair, set[str]] = {}
        self._known_firsts: dict[str, list[int]] = {}
        self._decided: set[str] = set()
        self._rechecked: set[Pair] = set()
        for event in self.events.values():
            self._believe(event)
        self.model.fit(seen)

    def _believe(self, event: Event) -> int | None:
        changes = changes_groups(event)
        if changes is not None:
            self.monitor.add(changes)
        self._count(event)
        self._note_edit(event)
        self._note_audit(event)
        self._note_suspicion(event)
        for item in self._statements(event):
            if not self._unusable & {item.i, item.j} and item.i != item.j:
                self._add(item)
        return self._learn(event)

    def _count(self, event: Event) -> None:
        if event.question is not None:
            self.answered.setdefault(event.question, set()).add(event.annotator)
        if event.kind == "answer":
            self.reliability.add(event)
            self.annotators.add(event.annotator)
            self._by_annotator.setdefault(event.annotator, {})[event.id] = event
            self.answers += 1
            self.matches += event.answer == "same"
            self.policy_answers += event.question_kind == "policy"

    def _note_edit(self, event: Event) -> None:
        for image in edited_images(event):
            self.edited.pop(image, None)
            self.edited[image] = event.at
        if event.kind == "name":
            image = int(event.payload["image"])
            for each in (image, *map(int, event.payload.get("images", ()))):
                self.names.pop(each, None)
            self.names[image] = str(event.payload["name"])
        if event.kind == "hide" and event.payload["hidden"]:
            self.hidden.add(int(event.payload["image"]))
        elif event.kind == "hide":
            self.hidden -= {int(event.payload["image"]), *map(int, event.payload.get("images", ()))}
        if event.kind == "split":
            self._keep_names(*split_parts(event))
        if event.kind == "identity" and event.payload.get("name"):
            for image in known_images(event, self._unusable)[:1]:
                self.names.pop(image, None)
                self.names[image] = str(event.payload["name"])

    def _keep_names(self, chosen: list[int], staying: list[int]) -> None:
        """A name stays with the larger part of a split identity, of equal ones with the images that stay."""
        larger, smaller = (chosen, staying) if len(chosen) > len(staying) else (staying, chosen)
        for image in [image for image in self.names if image in smaller]:
            self.names[larger[0]] = self.names.pop(image)

    def _note_audit(self, event: Event) -> None:
        design, shared = unpacked_design(event), shared_pair(event)
        if design is not None and event.round is not None:
            outgrown = len(design.groups) < len(self.constraints)
            self._numbers[event.round] = -event.id if outgrown else event.round
            self.designs[self._numbers[event.round]] = design
        if shared is not None:
            self._share(*shared, event.probability)
        note = audit_note(event)
        first = event.question is None or event.question not in self._decided
        if event.kind == "audit" or (note is not None and first):
            for noted in noted_pairs(event):
                self.audit_draws += 1
                self.audit.add_known(noted._replace(design=self._numbers.get(noted.design, noted.design)))
        if event.kind != "answer" or event.query is None or event.candidate is None:
            return
        sign, pair = SIGNS.get(event.answer or "", 0), (event.query, event.candidate)
        if event.question_kind == "audit":
            self.audit_draws += 1
            self.withheld.add(unordered(*pair))
        if pair in self.audit:
            self.audit.add_recheck(*pair, sign)
        elif note is not None and sign != 0:
            guess = math.nan if event.probability is None else event.probability
            number = self._numbers.get(note.design, note.design)
            self.audit.add(AuditedPair(*pair, number, note.stratum, sign), guess)

    def _share(self, i: int, j: int, probability: float | None) -> None:
        """Release an audited pair that the engine chose, too: its answer may guide further questions."""
        if not self.asked(i, j) or self.heard.asked(i, np.array([j]))[0]:
            return
        answer = self.constraints.relation(i, j)
        weight = weigh(self.heard, i, j, answer, probability, self._assumed_error_rate)
        self.heard.add(i, j, answer, weight)
        self.withheld.discard(unordered(i, j))

    def _note_suspicion(self, event: Event) -> None:
        """Of the answers to one question, the first "same" or "different" counts."""
        if SIGNS.get(event.answer or "", 0) == 0 or event.question is None or event.question in self._decided:
            return
        self._decided.add(event.question)
        suspicion, recheck = suspected_error(event), rechecked(event)
        if suspicion is not None and unordered(*suspicion.first) not in self._rechecked:
            self.suspected[unordered(*suspicion.first)] = suspicion
        if recheck is not None:
            self._rechecked.add(recheck.pair)
            self.suspected.pop(recheck.pair, None)
            self._expected += recheck.chance
            self._disagreed += SIGNS[event.answer or ""] == -recheck.answer

    def _statements(self, event: Event) -> Iterator[Evidence]:
        """Yield the statements of an event about pairs, weighed by the constraints before it."""
        if event.kind in EDITS:
            yield from edit_evidence(event, self._weight_against(event))
        elif event.kind == "identity":
            firsts = self._known_firsts.setdefault(str(event.payload["source"]), [])
            yield from identity_evidence(event, self._unusable, tuple(firsts))
            firsts += known_images(event, self._unusable)[:1]
        elif event.answer in SIGNS and event.query is not None and event.candidate is not None:
            i, j, sign = event.query, event.candidate, SIGNS[event.answer]
            if event.answer == "cannot_tell":
                self._unsure.setdefault(unordered(i, j), set()).add(event.annotator)
                if not self._given_up(i, j):
                    return
            error_rate = self.reliability.error_rate(event.annotator)
            weight = weigh(self.constraints, i, j, sign, event.probability, error_rate)
            yield Evidence(event, i, j, sign, DECIDED_WEIGHT if event.payload.get("settles") else weight)

    def _weight_against(self, event: Event) -> float:
        """Weight of the matches among the images that a split is about."""
        if event.kind != "split":
            return 0.0
        images = {image for part in split_parts(event) for image in part}
        matches = (item for item in self.evidence if item.sign > 0 and {item.i, item.j} <= images)
        return sum(item.weight for item in matches)

    def _add(self, item: Evidence) -> None:
        self.constraints.add(item.i, item.j, item.sign, item.weight)
        self.evidence.append(item)
        # The annotator of an edit saw both identities: questions about them would be a waste.
        edit = item.event is not None and item.event.kind in EDITS
        if edit or unordered(item.i, item.j) not in self.withheld:
            self.heard.add(item.i, item.j, item.sign, item.weight)

    def _learn(self, event: Event) -> int | None:
        if event.kind not in ("answer", "import") or event.answer not in SIGNS:
            return None
        sign = SIGNS[event.answer]
        described = event.payload.get("described")
        if described is not None and len(described) == len(PAIR_FEATURES):
            self.model.add(np.array(described, dtype=np.float64), event.probability or 0.5, sign)
        assert event.query is not None
        assert event.candidate is not None
        undecided = event.answer == "cannot_tell" and not self._given_up(event.query, event.candidate)
        return None if undecided else sign

    def _given_up(self, i: int, j: int) -> bool:
        """Whether a pair is given up: two annotators answered "can't tell", or the only annotator did."""
        return len(self._unsure.get(unordered(i, j), ())) >= min(2, len(self.annotators))
