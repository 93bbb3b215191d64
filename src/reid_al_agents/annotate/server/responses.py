"""Build the JSON of images, groups, questions and figures.

This module and :mod:`.page_responses` alone read the session's internals; routes call its public methods.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.candidate_rows import ROW
from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Json, Unknown
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.reliability import answered_today, answers_per_minute, times_of_single
from reid_al_agents.annotate.session import AnnotationSession
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
            "cameras": _choices(state.features.cameras, self._pictures.images.camera_names),
            "sides": _choices(self._pictures.images.sides, self._pictures.images.side_names),
            "filters": self._filters(),
            "dated": self._pictures.may_know_times,
        }

    def _filters(self) -> list[str]:
        """What is never asked because the data rule it out."""
        images = self._pictures.images
        found = {
            "side": self._session.state.sides is not None,
            "sequence": images.tracklets is not None,
            "photo": len(images.known_different) > 0,
        }
        return [name for name, holds in found.items() if holds]

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
        features, images = self._session.state.features, self._pictures.images
        width, height = self._pictures.size(image)
        url = f"/api/images/{image}?v={self._version}"
        return {
            "id": image,
            "url": f"{url}&size=large",
            "small": f"{url}&size=small",
            "original": url if self._pictures.is_reduced(image, "large") else None,
            "name": str(features.names[image]),
            "camera": None if features.cameras is None else _known_number(features.cameras, image),
            "side": _called(images.sides, images.side_names, image),
            "place": _called(images.places, images.place_names, image),
            "sequence": None if images.tracklets is None else _known_number(images.tracklets, image),
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
            members = self._sequences_first(members)
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

    def _sequences_first(self, members: list[int]) -> list[int]:
        """One image of each sequence before the others, so that frames that are alike do not fill a strip."""
        sequences = self._pictures.images.tracklets
        if sequences is None:
            return members
        first: dict[int, int] = {}
        for image in members:
            number = int(sequences[image])
            first.setdefault(number if number >= 0 else -1 - image, image)
        leading = set(first.values())
        return sorted(members, key=lambda image: image not in leading)

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
            "alike": self._alike(*pair),
        }

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
        names = ("id", "kind", "candidate", "candidate_group", "probability", "alike")
        return {
            "query": asked[0]["query"],
            "query_group": asked[0]["query_group"],
            "items": [{name: question[name] for name in names} for question in asked],
        }

    def _group_asked(self, image: int) -> Json:
        """The group of a question's image; its confirmed images are those that matches join to this image."""
        beliefs, groups = self._session.state.beliefs, self._session.planner.groups
        matched = beliefs.constraints.groups()
        group = self.group(groups, image, matched == matched[image], count=GROUP_IMAGES)
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


def _known(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return None if np.isnan(value) else round(float(value), 4)


def _choices(numbers: NDArray[np.int64] | None, names: Sequence[str] | None) -> list[Json]:
    """The cameras or sides that a list can be filtered by."""
    known = [] if numbers is None else sorted({int(number) for number in numbers if number >= 0})
    return [{"id": number, "name": _name(number, names)} for number in known]


def _name(number: int, names: Sequence[str] | None) -> str:
    return str(number) if names is None else names[number]


def _called(numbers: NDArray[np.int64] | None, names: Sequence[str] | None, image: int) -> str | None:
    """Name of an image's side or place; ``None`` where it is unknown."""
    number = None if numbers is None else _known_number(numbers, image)
    return None if number is None else _name(number, names)


def _known_number(numbers: NDArray[np.int64], image: int) -> int | None:
    return None if numbers[image] < 0 else int(numbers[image])
