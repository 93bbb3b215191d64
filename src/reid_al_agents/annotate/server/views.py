"""What pages are told, as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.reliability import answered_today, answers_per_minute, table
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.beliefs.contradictions import Contradiction
from reid_al_agents.beliefs.evidence import Evidence
from reid_al_agents.log.events import Event, StoredQuestion

SHOWN = 6
"""Typical images of a group beside a question."""

ON_SHEET = 8
"""Images of an identity on the contact sheet."""

_RETURNS = 500
_TOTALS_EVERY = 1.0  # seconds between two counts over the whole pool


class Views:
    """Turns the session into what pages show.

    Args:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
    """

    def __init__(self, session: AnnotationSession, refreshing: Refreshes, pictures: Pictures) -> None:
        self._session, self._refreshing, self._pictures = session, refreshing, pictures
        self._totals: tuple[tuple[int, int], float, Json] = ((-1, -1), 0.0, {})

    def image(self, image: int) -> Json:
        """An image."""
        features = self._session.state.features
        width, height = self._pictures.size(image)
        return {
            "id": image,
            "url": f"/api/images/{image}",
            "name": str(features.names[image]),
            "camera": None if features.cameras is None else int(features.cameras[image]),
            "time": self._pictures.taken(image),
            "width": width,
            "height": height,
        }

    def group(self, sheet: IdentityList | None, image: int, count: int | None) -> Json:
        """The group that holds an image, with its most typical images."""
        if sheet is None:
            images, members, size, key, name = [image], [image], 1, f"g{image}", None
        else:
            group = sheet.of_image(image)
            members = sheet.images(group)
            images, size = members[:count], sheet.size(group)
            key, name = sheet.key(group), sheet.name(group)
        cameras = self._session.state.features.cameras
        seen = [] if cameras is None else sorted({int(cameras[each]) for each in members})
        return {
            "id": key,
            "size": size,
            "images": [self.image(each) for each in images],
            "cameras": seen,
            "name": name,
        }

    def question(self, question: StoredQuestion) -> Json:
        """A question, without telling why it is asked where that would give the answer away."""
        sheet = self._session.planner.groups
        return {
            "id": question.id,
            "kind": "policy" if question.kind == "hidden" else question.kind,
            "query": self.image(question.query),
            "candidate": self.image(question.candidate),
            "query_group": self.group(sheet, question.query, SHOWN),
            "candidate_group": self.group(sheet, question.candidate, SHOWN),
            "probability": question.probability,
        }

    def row(self, questions: list[StoredQuestion]) -> Json:
        """Questions that share their query."""
        sheet = self._session.planner.groups
        query = questions[0].query
        items = [self.question(question) for question in questions]
        names = ("id", "kind", "candidate", "candidate_group", "probability")
        return {
            "query": self.image(query),
            "query_group": self.group(sheet, query, SHOWN),
            "items": [{name: item[name] for name in names} for item in items],
        }

    def status(self, annotator: str) -> Json:
        """What is always to be seen."""
        session = self._session
        with session.state.lock:
            now = session.state.clock()
            answers, browsed = session.state.beliefs.answers, session.state.beliefs.policy_answers
            mine = session.state.beliefs.answers_of(annotator)
            speed = answers_per_minute([event.at for event in mine], now)
            totals = self._count()
            goal = session.state.settings.answers
            if goal is None and session.state.settings.refresh_every is not None:
                goal = self._refreshing.learned_from + session.state.settings.refresh_every
            left = None if goal is None else max(0, goal - answers)
            batch = session.planner.engine.batch
            picks = self._picks(annotator, mine, now)
        return {
            "answers_today": answered_today(mine, now),
            "answers_total": answers,
            "picks": picks,
            "queries": {
                "browsed": browsed,
                "all": max(browsed, len(batch.view.groups) if batch else len(session.state.features)),
            },
            **totals,
            "images": len(session.state.features),
            "per_minute": speed,
            "seconds_left": round(60 * left / speed) if speed and left else None,
            "round": session.state.round,
            "refresh": self._refreshing.state,
            "model": {"round": session.state.round, "answers": self._refreshing.learned_from},
            "stop_chance": session.state.beliefs.monitor.chance_of_change
            if session.state.beliefs.monitor.answers
            else None,
            "annotators": len(session.state.beliefs.annotators),
        }

    def contradictions(self) -> Json:
        """All that is contradicted, with its evidence."""
        return {"items": [self._contradiction(item) for item in self._session.contradictions()]}

    def progress(self) -> Json:
        """How good the groups are, whether it is worth going on, and how the people do."""
        session = self._session
        with session.state.lock:
            events = list(session.state.beliefs.events.values())
            monitor = session.state.beliefs.monitor
            returns = session.planner.engine.report.returns[-_RETURNS:]
            now = session.state.clock()
        estimate = session.audit()
        people = table(events, now)
        told = [line["match_rate"] * line["answers"] for line in people if line["match_rate"] is not None]
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
            "match_rate": sum(told) / answers if answers else None,
            "returns": [round(value, 4) for value in returns],
            "calibration_error": session.state.beliefs.audit.calibration_error(),
            "refresh": self._refreshing.state,
        }

    def identities(self, offset: int, limit: int, order: str) -> Json:
        """A page of the contact sheet."""
        sheet = self._session.identities()
        wanted: list[int] = sheet.ordered(order)[offset : offset + limit]  # type: ignore[arg-type]
        items = [self.group(sheet, sheet.images(group, 1)[0], ON_SHEET) for group in wanted]
        return {"total": len(sheet), "items": items}

    def identity(self, identity: str) -> Json:
        """One identity with all its images."""
        sheet = self._session.identities()
        return self.group(sheet, sheet.images(sheet.find(identity), 1)[0], None)

    def _picks(self, annotator: str, mine: list[Event], now: float) -> Json:
        """Answers about the query that a person has before them, of those that it may ask for.

        In a row these are its candidates; otherwise the group's K_max, the answers of one question.
        """
        board = self._session.dispatch.leases
        current = next(iter(board.leased(annotator, now)), None)
        if current is None:
            return {"used": 0, "budget": self._session.episode.budget}
        row = current.record.detail.get("row", current.record.id)
        open_ = sum(
            held.record.detail.get("row") == row or held.record.id == row
            for held in board.leased(annotator, now)
        )
        used = sum(event.payload.get("row", event.question) == row for event in mine)
        return {"used": used, "budget": max(self._session.episode.budget, used + open_)}

    def _count(self) -> Json:
        """Totals over the pool, counted anew when something has changed, but not for every answer."""
        session = self._session
        sheet = session.planner.identities
        state = (session.state.beliefs.changes, -1 if sheet is None else sheet.changes)
        counted, counted_at, totals = self._totals
        fresh = time.monotonic() - counted_at < _TOTALS_EVERY and counted_at > 0
        if counted == state or fresh:
            return totals
        known = session.state.beliefs.constraints
        groups = known.groups()
        sizes = np.bincount(groups)
        conflicts = known.group_conflicts()
        implied = int((sizes * (sizes - 1) // 2).sum())
        implied += int((sizes[conflicts[:, 0]] * sizes[conflicts[:, 1]]).sum())
        told = int(np.sum([known.relation(i, j) != 0 for i, j in known.asked_pairs().tolist()]))
        totals = {
            "groups": int(np.count_nonzero(sizes > 1)) if sheet is None else sheet.identities,
            "images_known": int(sizes[sizes > 1].sum()),
            "saved": max(0, implied - told),
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
    """A refresh's line with its scores, which are in percent, as shares like all else on the page."""
    scores = {name: None if line.get(name) is None else line[name] / 100 for name in ("map", "rank1")}
    return {**line, **scores}
