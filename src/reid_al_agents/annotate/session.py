"""An annotation session: lease questions to annotators, store their answers, choose the next."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

import numpy as np

from reid_al_agents.annotate.acts import Acts
from reid_al_agents.annotate.answers import answer_event, check_may_answer
from reid_al_agents.annotate.dispatch import Dispatch
from reid_al_agents.annotate.history import History
from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Answered, Conflict, Served, Unknown
from reid_al_agents.annotate.planner import Planner
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.annotate.state import State
from reid_al_agents.asking.audit import audited_quality
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit import AuditEstimate
from reid_al_agents.beliefs.beliefs import Known
from reid_al_agents.beliefs.contradictions import Contradiction, find_contradictions
from reid_al_agents.data import ImageSet
from reid_al_agents.log.events import Event, StoredQuestion
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import Selector
from reid_al_agents.training.pool import known_of
from reid_al_agents.workspace.export import Export
from reid_al_env import EpisodeSettings, FeatureSet
from reid_al_env.messages import Message


class AnnotationSession:
    """All actions of annotators on the pool; thread-safe.

    An event is on disk before it is used, and the state of a session follows from its events alone: a session
    opened again over the same store continues where the last one stopped.

    Args:
        features: Features of the pool under the current model.
        store: The store of events, questions and leases.
        run: Id of the run in the store.
        selector: Returns the selector that chooses among a group's candidates.
        settings: Annotation settings.
        grouping: Settings of groups and questions.
        episode: Settings of the environment's episodes.
        known: Gives the constraints known before the first answer; ``None`` for what the images tell.
        images: The images as the data describe them; ``None`` for bare features.
        executor: Plans batches in the background; ``None`` plans them in the calling thread.
        selector_name: Stored with the answers.
        round_: Number of refreshes that led to the model.
        absent: Images whose files are gone, or that were removed; they are not asked about.
        removed: Those that were removed; they are in no list of identities either.
        seed: Seed of all random choices.
        clock: Seconds since 1970-01-01 UTC.

    Attributes:
        state: State shared by the parts of the session; read it under its lock.
        planner: Plans batches of questions; likewise.
        dispatch: Leases questions; likewise.
        acts: Merges, splits, confirms, names and hides identities, and settles contradictions.
        history: Lists what annotators did, and takes it back.
        episode: See above.

    Raises:
        InputError: The store cannot be read or is about other images.
    """

    def __init__(
        self,
        features: FeatureSet,
        store: EventStore,
        run: str,
        selector: Callable[[], Selector],
        *,
        settings: AnnotationSettings | None = None,
        grouping: GroupSettings | None = None,
        episode: EpisodeSettings | None = None,
        known: Known | None = None,
        images: ImageSet | None = None,
        executor: Executor | None = None,
        selector_name: str = "gain",
        round_: int = 0,
        absent: frozenset[int] = frozenset(),
        removed: frozenset[int] = frozenset(),
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = State(
            store,
            run,
            features,
            settings or AnnotationSettings(),
            grouping or GroupSettings(),
            known or known_of(images, len(features)),
            clock,
            images,
            round_,
            absent,
            removed,
        )
        self.episode = episode or EpisodeSettings(budget=1, metric="cosine")
        self.planner = Planner(self.state, selector, self.episode, executor, seed)
        self.dispatch = Dispatch(self.state, self.planner, selector_name, seed)
        self.acts = Acts(self.state, self.dispatch, self.contradictions)
        self.history = History(self.state, self.dispatch)

    def questions(self, annotator: str, count: int) -> Served:
        """Lease up to ``count`` questions to an annotator; those leased already come first."""
        with self.state.lock:
            return self.dispatch.give(annotator, count)

    def rows(self, annotator: str, count: int) -> list[list[StoredQuestion]]:
        """Lease up to ``count`` rows of questions to an annotator; questions of a row share their query."""
        with self.state.lock:
            return self.dispatch.give_rows(annotator, count)

    def is_open(self, question: str, annotator: str) -> bool:
        """Whether a question still needs this annotator's answer."""
        with self.state.lock:
            pending = self.dispatch.leases.get(question)
            return pending is not None and annotator not in pending.answered

    def answer(
        self,
        annotator: str,
        question: str,
        answer: str,
        key: str,
        seconds: float | None = None,
        *,
        wait: bool = True,
    ) -> Answered:
        """Take an annotator's answer; it is on disk when this returns.

        Args:
            annotator: Name of the annotator.
            question: Id of the question.
            answer: One of ``ANSWERS``.
            key: Idempotency key: answers with the same key count once.
            seconds: How long the pair was looked at.
            wait: Whether to wait for the disk; otherwise call :meth:`save` before the answer is acknowledged.

        Raises:
            Unknown: There is no such question in this run.
            Conflict: The annotator has answered it with another key, other annotators have it, or the key was
                used for something else.
            InputError: The store refuses the answer.
        """
        state = self.state
        with state.lock:
            pending = self.dispatch.leases.get(question)
            record = pending.record if pending is not None else state.store.question(question)
            if record is None or record.run != state.run:
                raise Unknown("question: is not of this run; ask for new questions")
            before = state.keys.get(key)
            if before is not None:
                if (before.question, before.annotator, before.answer) != (question, annotator, answer):
                    raise Conflict(
                        Message("key {key!r}: was used for something else; make a new one", key=key)
                    )
                return Answered(before, counted=False)
            check_may_answer(state, self.dispatch.leases, annotator, question, pending)
            event = answer_event(state, annotator, key, record, answer, seconds)
            stored, closes, new = state.log(event, wait=wait)
            if new:
                if pending is not None:
                    self.dispatch.close(pending, stored, closes)
                self.dispatch.changed(counts=True)
            return Answered(stored, new)

    def skip(self, annotator: str, questions: Iterable[str]) -> None:
        """Put questions off; others may have them, and the annotator gets them again after all others."""
        with self.state.lock:
            found = (self.dispatch.leases.get(question) for question in questions)
            for pending in found:
                if pending is not None:
                    self.dispatch.leases.skip(pending, annotator, self.state.clock())

    def save(self) -> None:
        """Return once all answers before this call are on disk; several threads wait for one sync."""
        self.state.store.sync()

    def contradictions(self) -> list[Contradiction]:
        """The contradictions that no annotator has settled."""
        with self.state.lock:
            return find_contradictions(self.state.beliefs)

    def take_in(self, events: Iterable[Event]) -> int:
        """Store imported answers and apply them; keys already stored are skipped.

        Returns:
            Number of new answers.
        """
        state = self.state
        with state.lock:
            count = state.store.append_many([event for event in events if event.key not in state.keys])
            state.load()
            self.dispatch.changed(counts=False)
            return count

    def counting(self) -> list[Event]:
        """The events that count, in order."""
        with self.state.lock:
            return list(self.state.beliefs.events.values())

    def audit(self) -> AuditEstimate | None:
        """Estimate the quality of the predicted identities from the audit.

        The identities judged are those of the last batch, formed without the audit's answers, so they are a
        little worse than the delivered ones.
        """
        with self.state.lock:
            judged, visual = self.planner.judged, self.planner.engine.visual
            return None if judged is None else audited_quality(self.state.beliefs, judged, visual)

    def adopt(self, features: FeatureSet, round_: int) -> None:
        """Switch to the features of a refreshed model; leased questions stay open."""
        engine = self.planner.make_engine(features, round_)
        with self.state.lock:
            self.state.features, self.state.round = features, round_
            self.state.beliefs.changes += 1
            self.dispatch.take_up(engine)

    def grow(self, features: FeatureSet, images: ImageSet, added: Event | None) -> None:
        """Take in images behind those there were; annotators wait meanwhile.

        Args:
            features: Features of all images under the current model.
            images: All images, as the data describe them.
            added: What the log is to say of it; ``None`` where no image is new.
        """
        state = self.state
        with state.lock:
            state.features, state.data = features, images
            state.absent = frozenset(np.flatnonzero(images.gone).tolist())
            state.known = known_of(images, len(images))
            state.beliefs.know(state.known, state.absent)
            self.planner.forget()
            self.dispatch.take_up(self.planner.make_engine(features, state.round))
            if added is not None:  # last: the images are there even where the disk refuses this
                state.log(added)

    def identities(self) -> IdentityList:
        """The predicted identities, as of now."""
        state = self.state
        self.planner.current_engine()
        with state.lock:
            latest = self.planner.identities
            if latest is not None and latest.changes == state.beliefs.changes:
                return latest
            lister = self.planner.identity_lister(copy.deepcopy(state.beliefs.constraints))
            engine = self.planner.engine
        found = lister(engine)
        with state.lock:
            self.planner.identities = found
        return found

    def export(self) -> Export:
        """Answers and predicted identities as of now, for other programs."""
        state, identities = self.state, self.identities()
        with state.lock:
            features, images = state.features, state.images
            return Export(
                features.names,
                list(state.keys.values()),
                list(state.beliefs.events.values()),
                identities.labels,
                identities.confirmed,
                identities.probabilities,
                identities.names,
                data=images,
                removed=state.removed,
            )
