"""Build the JSON of replies from the session.

No other module of the server reads the session's internals; routes call its public methods.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.candidate_rows import ROW
from reid_al_agents.annotate.identity_list import IdentityList, Order
from reid_al_agents.annotate.messages import Json, Unknown
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.reliability import answered_today, answers_per_minute, table
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.beliefs.contradictions import Contradiction
from reid_al_agents.beliefs.evidence import Evidence
from reid_al_agents.log.events import StoredQuestion

GROUP_IMAGES = 6
"""Number of typical images of a group shown beside a question."""

LISTED_IMAGES = 8
"""Number of images of an identity shown in the list of identities."""

_RETURNS = 500
_TOTALS_EVERY = 1.0  # seconds between two counts over the whole pool


class Responses:
    """Builds the JSON that pages show.

    Args:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
        version: Part of every image URL. Browsers cache images, and another session on the same port has
            other images.
    """

    def __init__(
        self, session: AnnotationSession, refreshing: Refreshes, pictures: Pictures, version: str
    ) -> None:
        self._session, self._refreshing, self._pictures = session, refreshing, pictures
        self._version = version
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
        }

    def check_images(self, images: Iterable[int]) -> None:
        """Raise :class:`Unknown` unless the pool has all the images."""
        count = len(self._session.state.features)
        if not all(0 <= image < count for image in images):
            raise Unknown(f"image: expected a number from 0 to {count - 1}")

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

    def image(self, image: int) -> Json:
        """An image with its address, size, and what is known about it."""
        features = self._session.state.features
        width, height = self._pictures.size(image)
        url = f"/api/images/{image}?v={self._version}"
        return {
            "id": image,
            "url": f"{url}&size=large",
            "small": f"{url}&size=small",
            "original": url if self._pictures.is_reduced(image, "large") else None,
            "name": str(features.names[image]),
            "camera": _camera(features.cameras, image),
            "time": self._pictures.taken(image),
            "width": width,
            "height": height,
        }

    def group(
        self, groups: IdentityList | None, image: int, confirmed: NDArray[np.bool_], count: int | None = None
    ) -> Json:
        """The group that holds an image, with its most typical images.

        Args:
            groups: All groups; ``None`` before there are any.
            image: The image.
            confirmed: (N,) whether answers put an image into its group; otherwise the model suggests it.
            count: Largest number of images; ``None`` for all.
        """
        if groups is None:
            members, key, name = [image], f"g{image}", None
        else:
            group = groups.of_image(image)
            members, key, name = groups.images(group), groups.key(group), groups.name(group)
        cameras = self._session.state.features.cameras
        seen = (
            [] if cameras is None else sorted({int(cameras[each]) for each in members if cameras[each] >= 0})
        )
        return {
            "id": key,
            "size": len(members),
            "confirmed": int(confirmed[members].sum()),
            "images": [self._member(each, groups, confirmed) for each in members[:count]],
            "cameras": seen,
            "name": name,
        }

    def _member(self, image: int, groups: IdentityList | None, confirmed: NDArray[np.bool_]) -> Json:
        """An image of a group; one that is only suggested has a probability, where it is known."""
        sure = bool(confirmed[image])
        likely = None if sure or groups is None else _known(groups.probabilities[image])
        return {**self.image(image), "confirmed": sure, "probability": likely}

    def question(self, question: StoredQuestion) -> Json:
        """A question; gold questions are not marked as such, which would reveal their answers."""
        pair = question.query, question.candidate
        sides = [self._group_asked(image) for image in pair]
        self._pictures.prepare(pair, "large")
        self._pictures.prepare((image["id"] for side in sides for image in side["images"]), "small")
        return {
            "id": question.id,
            "kind": "policy" if question.kind == "hidden" else question.kind,
            "query": self.image(question.query),
            "candidate": self.image(question.candidate),
            "query_group": sides[0],
            "candidate_group": sides[1],
            "probability": question.probability,
        }

    def row(self, questions: list[StoredQuestion]) -> Json:
        """Questions that share their query."""
        asked = [self.question(question) for question in questions]
        names = ("id", "kind", "candidate", "candidate_group", "probability")
        return {
            "query": asked[0]["query"],
            "query_group": asked[0]["query_group"],
            "items": [{name: question[name] for name in names} for question in asked],
        }

    def _group_asked(self, image: int) -> Json:
        """The group of a question's image; its confirmed images are those that matches join to this image."""
        matched = self._session.state.beliefs.constraints.groups()
        return self.group(self._session.planner.groups, image, matched == matched[image], count=GROUP_IMAGES)

    def status(self, annotator: str) -> Json:
        """The figures of the status panel, for one annotator."""
        session = self._session
        with session.state.lock:
            now = session.state.clock()
            beliefs = session.state.beliefs
            answers = beliefs.answers
            mine = beliefs.answers_of(annotator)
            speed = answers_per_minute([event.at for event in mine], now)
            totals = self._count()
            goal = session.state.settings.answers
            if goal is None and session.state.settings.refresh_every is not None:
                goal = self._refreshing.learned_from + session.state.settings.refresh_every
            left = None if goal is None else max(0, goal - answers)
        return {
            "answers_today": answered_today(mine, now),
            "answers_total": answers,
            **totals,
            "images": len(session.state.features),
            "per_minute": speed,
            "questions_left": left,
            "seconds_left": round(60 * left / speed) if speed and left else None,
            "round": session.state.round,
            "refresh": self._refreshing.state,
            "model": {"round": session.state.round, "answers": self._refreshing.learned_from},
            "stop_chance": beliefs.monitor.chance_of_change if beliefs.monitor.answers else None,
            "annotators": len(beliefs.annotators),
        }

    def contradictions(self) -> Json:
        """All contradictions between answers, with the answers on both sides."""
        return {"items": [self._contradiction(item) for item in self._session.contradictions()]}

    def progress(self) -> Json:
        """Quality of the groups, the stop rule, the rounds, and each annotator's figures."""
        session = self._session
        with session.state.lock:
            events = list(session.state.beliefs.events.values())
            monitor = session.state.beliefs.monitor
            returns = session.planner.engine.report.returns[-_RETURNS:]
            now = session.state.clock()
        estimate = session.audit()
        people = table(events, now)
        matches = [line["match_rate"] * line["answers"] for line in people if line["match_rate"] is not None]
        answers = sum(line["answers"] for line in people)
        audit = estimate and {
            "precision": None if estimate.precision is None else list(estimate.precision),
            "recall": None if estimate.recall is None else list(estimate.recall),
            "answers": estimate.answers,
        }
        return {
            "audit": audit,
            "stop_chance": monitor.chance_of_change if monitor.answers else None,
            "changed": {"changed": monitor.changes, "asked": monitor.answers},
            "rounds": [_shares(line) for line in self._refreshing.rounds],
            "annotators": people,
            "match_rate": sum(matches) / answers if answers else None,
            "returns": [round(value, 4) for value in returns],
            "calibration_error": session.state.beliefs.audit.calibration_error(),
            "refresh": self._refreshing.state,
        }

    def identities(self, offset: int, limit: int, order: Order) -> Json:
        """A page of the list of identities."""
        found = self._session.identities()
        wanted = found.ordered(order)[offset : offset + limit]
        items = [
            self.group(found, found.images(group, 1)[0], found.confirmed, LISTED_IMAGES) for group in wanted
        ]
        return {"total": len(found), "items": items}

    def identity(self, identity: str) -> Json:
        """One identity with all its images."""
        found = self._session.identities()
        return self.group(found, found.images(found.find(identity), 1)[0], found.confirmed)

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
            grouped = np.bincount(found.labels)[found.labels] > 1
            confirmed = int(found.confirmed.sum())
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

    def _contradiction(self, item: Contradiction) -> Json:
        query, candidate = item.ask
        return {
            "id": f"{item.kind[0]}:{query}:{candidate}",
            "kind": item.kind,
            "ask": {"query": self.image(query), "candidate": self.image(candidate)},
            "same": self._links(item.same),
            "different": self._links(item.different),
        }

    def _links(self, links: Iterable[Evidence]) -> list[Json]:
        return [
            {
                "event": None if link.event is None else link.event.id,
                "query": self.image(link.i),
                "candidate": self.image(link.j),
                "answer": "same" if link.sign > 0 else "different",
                "annotator": "" if link.event is None else link.event.annotator,
                "at": None if link.event is None else link.event.at,
                "weight": round(link.weight, 2),
            }
            for link in links
        ]


def _shares(line: Json) -> Json:
    """Metrics of a refresh, with rank-1 and mAP as fractions instead of percentages."""
    scores = {name: None if line.get(name) is None else line[name] / 100 for name in ("map", "rank1")}
    return {**line, **scores}


def _known(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return None if np.isnan(value) else round(float(value), 4)


def _camera(cameras: NDArray[np.int64] | None, image: int) -> int | None:
    """An image's camera; None where it is unknown."""
    return None if cameras is None or cameras[image] < 0 else int(cameras[image])
