"""Build the JSON of questions and figures.

This module, :mod:`.descriptions` and :mod:`.page_responses` alone read the session's internals; routes call
its public methods.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from reid_al_agents.annotate.candidate_rows import ROW
from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.reliability import answered_today, answers_per_minute, times_of_single
from reid_al_agents.annotate.server.descriptions import Descriptions
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.data.travel import distance_between
from reid_al_agents.identities import names_of_groups
from reid_al_agents.log.events import StoredQuestion

GROUP_IMAGES = 6
"""Number of typical images of a group shown beside a question."""

_TOTALS_EVERY = 1.0  # seconds between two counts over the whole pool


class Responses:
    """Builds the JSON that pages show.

    Args:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
        version: Part of every image URL.

    Attributes:
        described: Builds the JSON of images and groups.
    """

    def __init__(
        self, session: AnnotationSession, refreshing: Refreshes, pictures: Pictures, version: str
    ) -> None:
        self._session, self._refreshing, self._pictures = session, refreshing, pictures
        self.described = Descriptions(session, pictures, version)
        self._totals: tuple[tuple[int, int], float, Json] = ((-1, -1), 0.0, {})

    @property
    def lock(self) -> contextlib.AbstractContextManager[Any]:
        """The session's lock; hold it to make several calls without other requests in between."""
        return self._session.state.lock

    def session(self) -> Json:
        """The session's name and settings."""
        state = self._session.state
        return {
            "run": state.run,
            "noun": state.settings.noun,
            "overlap": state.settings.overlap,
            "lease_seconds": state.settings.lease_seconds,
            "learns": self._refreshing.learns,
            **self.described.pool(),
        }

    def questions(self, annotator: str, count: int, layout: str) -> Json:
        """Lease up to ``count`` questions to an annotator; layout ``row`` gives rows that share a query."""
        session = self._session
        with self.lock:
            if layout == "row":
                rows = session.rows(annotator, -(-count // ROW))
                waiting = None if rows else session.questions(annotator, 1).waiting
                return {"rows": [self.row(row) for row in rows], "questions": [], "waiting": waiting}
            found = session.questions(annotator, count)
            return {"questions": [self.question(each) for each in found.questions], "waiting": found.waiting}

    def question(self, question: StoredQuestion) -> Json:
        """A question; gold questions are not marked as such: they are to be answered like all others."""
        pair = question.query, question.candidate
        sides = [self._group_asked(image) for image in pair]
        self._pictures.prepare(pair, "large")
        self._pictures.prepare((image["id"] for side in sides for image in side["images"]), "small")
        return {
            "id": question.id,
            "kind": "policy" if question.kind == "hidden" else question.kind,
            "query": self.described.image(question.query),
            "candidate": self.described.image(question.candidate),
            "query_group": sides[0],
            "candidate_group": sides[1],
            "probability": question.probability,
            "alike": self._alike(*pair),
            "travel": self._travel(*pair),
        }

    def _travel(self, query: int, candidate: int) -> Json | None:
        """How far apart in kilometres and in hours two images were taken; ``None`` where it is unknown."""
        images = self.described.known
        if images.latitudes is None or images.longitudes is None or images.times is None:
            return None
        pair = [query, candidate]
        far = distance_between(images.latitudes[pair], images.longitudes[pair])
        between = np.abs(np.diff(images.times[pair]))[0]
        if np.isnan(far) or np.isnat(between):
            return None
        return {"km": round(far, 2), "hours": round(float(between / np.timedelta64(3600, "s")), 2)}

    def _alike(self, query: int, candidate: int) -> Json:
        """How alike two images are: share of neighbours in common, and the candidate's place among them."""
        visual = self._session.planner.engine.visual
        place = np.flatnonzero(visual.near[query] == candidate)
        return {
            "shared": round(float(visual.similarities[query, candidate]), 4),
            "place": int(place[0]) if len(place) else None,
        }

    def row(self, questions: list[StoredQuestion]) -> Json:
        """Questions that share their query."""
        asked = [self.question(question) for question in questions]
        names = ("id", "kind", "candidate", "candidate_group", "probability", "alike", "travel")
        return {
            "query": asked[0]["query"],
            "query_group": asked[0]["query_group"],
            "items": [{name: question[name] for name in names} for question in asked],
        }

    def _group_asked(self, image: int) -> Json:
        """The group of a question's image; its confirmed images are those that matches join to this image."""
        beliefs, groups = self._session.state.beliefs, self._session.planner.groups
        matched = beliefs.constraints.groups()
        group = self.described.group(groups, image, matched == matched[image], count=GROUP_IMAGES)
        if groups is not None:  # names are given while the batch lasts
            group["name"] = names_of_groups(beliefs.names, groups.labels).get(groups.of_image(image))
        return group

    def status(self, annotator: str) -> Json:
        """The figures of the status panel, for one annotator."""
        session = self._session
        with session.state.lock:
            now = session.state.clock()
            beliefs = session.state.beliefs
            answers = beliefs.answers
            mine = beliefs.answers_of(annotator)
            speed = answers_per_minute(times_of_single(mine), now)
            totals = self._count()
            goal, every = session.state.settings.answers, session.state.settings.refresh_every
            if goal is None and every is not None and self._refreshing.learns:
                goal = self._refreshing.learned_from + every
            left = None if goal is None else max(0, goal - answers)
        return {
            "answers_today": answered_today(mine, now),
            "answers_total": answers,
            **totals,
            "images": len(session.state.features) - len(session.state.removed),
            "per_minute": speed,
            "questions_left": left,
            "seconds_left": round(60 * left / speed) if speed and left else None,
            "round": session.state.round,
            "refresh": self._refreshing.state,
            "model": self._model(),
            "stop_chance": beliefs.monitor.chance_of_change if beliefs.monitor.answers else None,
            "annotators": len(beliefs.annotators),
        }

    def _model(self) -> Json | None:
        """What the model has learned from; ``None`` where it does not learn."""
        learned = {"round": self._session.state.round, "answers": self._refreshing.learned_from}
        return learned if self._refreshing.learns or learned["round"] else None

    def _count(self) -> Json:
        """Totals over the pool; recounted after changes, at most once a second."""
        session = self._session
        found = session.planner.identities
        state = (session.state.beliefs.changes, -1 if found is None else found.changes)
        counted, counted_at, totals = self._totals
        fresh = time.monotonic() - counted_at < _TOTALS_EVERY and counted_at > 0
        if counted == state or fresh:
            return totals
        known = session.state.beliefs.constraints
        sizes = np.bincount(known.groups())
        conflicts = known.group_conflicts()
        implied = int((sizes * (sizes - 1) // 2).sum())
        implied += int((sizes[conflicts[:, 0]] * sizes[conflicts[:, 1]]).sum())
        asked = int(np.sum([known.relation(i, j) != 0 for i, j in known.asked_pairs().tolist()]))
        confirmed, suggested = int(sizes[sizes > 1].sum()), 0
        if found is not None:
            grouped = (found.sizes[found.labels] > 1) & found.shown
            confirmed = int((found.confirmed & found.shown).sum())
            suggested = int((grouped & ~found.confirmed).sum())
        totals = {
            "groups": int(np.count_nonzero(sizes > 1)) if found is None else found.identities,
            "images_confirmed": confirmed,
            "images_suggested": suggested,
            "saved": max(0, implied - asked),
            "contradictions": len(session.contradictions()),
        }
        self._totals = (state, time.monotonic(), totals)
        return totals
