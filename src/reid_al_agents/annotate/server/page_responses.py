"""Build the JSON of the pages beside the answer page."""

from __future__ import annotations

from collections.abc import Iterable

from reid_al_agents.annotate.history import Act
from reid_al_agents.annotate.identity_filter import IdentityFilter, Pool
from reid_al_agents.annotate.identity_list import IdentityList, Order
from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.reliability import table
from reid_al_agents.annotate.review import Part, by_suspicion, review_queue
from reid_al_agents.annotate.server.descriptions import Descriptions
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.beliefs.contradictions import Contradiction
from reid_al_agents.beliefs.evidence import Evidence

LISTED_IMAGES = 8
"""Number of images of an identity shown in the list of identities."""

_RETURNS = 500
_ACT_IMAGES = 6


class PageResponses:
    """Builds the JSON of lists: contradictions, progress, identities, the review queue, and the history.

    Args:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
        described: Describes images and groups.
    """

    def __init__(
        self,
        session: AnnotationSession,
        refreshing: Refreshes,
        pictures: Pictures,
        described: Descriptions,
    ) -> None:
        self._session, self._refreshing, self._pictures = session, refreshing, pictures
        self._described = described

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
            now, reliability = session.state.clock(), session.state.beliefs.reliability
        estimate = session.audit()
        people = table(events, now, reliability)
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

    def identities(self, offset: int, limit: int, order: Order, wanted: IdentityFilter) -> Json:
        """A page of the list of identities."""
        found = self._session.identities()
        kept = wanted.select(found, self._pool())
        groups = [group for group in found.ordered(order) if kept[group]]
        items = [self._identity(found, group, LISTED_IMAGES) for group in groups[offset : offset + limit]]
        return {"total": len(groups), "items": items}

    def identity(self, identity: str) -> Json:
        """One identity with all its images."""
        found = self._session.identities()
        return self._identity(found, found.find(identity))

    def named(self, name: str, but: str) -> Json | None:
        """The identity of this name, unless that is ``but``; ``None`` where no other has it."""
        found = self._session.identities()
        group = found.named(name) if name.strip() else None
        return (
            None if group is None or found.key(group) == but else self._identity(found, group, LISTED_IMAGES)
        )

    def review(self, part: Part, offset: int) -> Json:
        """The identity at a place of the review queue, its least probable image first."""
        found = self._session.identities()
        queue = review_queue(found, self._session.counting(), part)
        if offset >= len(queue):
            return {"total": len(queue), "identity": None}
        order = {image: place for place, image in enumerate(by_suspicion(found, queue[offset]))}
        identity = self._identity(found, queue[offset])
        identity["images"].sort(key=lambda image: order[image["id"]])
        return {"total": len(queue), "identity": identity}

    def history(self, annotator: str, mine: bool, offset: int, limit: int) -> Json:
        """A page of the acts, the latest first."""
        acts = self._session.history.acts(annotator if mine else None)
        items = [self._act(act, annotator) for act in acts[offset : offset + limit]]
        return {"total": len(acts), "items": items}

    def _identity(self, found: IdentityList, group: int, count: int | None = None) -> Json:
        image = found.images(group, 1)[0]
        described = self._described.group(found, image, found.confirmed, count)
        hidden = self._session.state.beliefs.hidden
        return {**described, "hidden": bool(hidden and hidden & set(found.images(group)))}

    def _act(self, act: Act, annotator: str) -> Json:
        first = act.events[0]
        return {
            "id": first.id,
            "at": first.at,
            "annotator": act.annotator,
            "mine": act.annotator == annotator,
            "kind": act.kind,
            "answer": first.answer if act.kind == "answer" else None,
            **{name: first.payload.get(name) for name in ("name", "side", "time", "file")},
            "images": [self._described.image(image) for image in act.images[:_ACT_IMAGES]],
            "count": len(act.images),
            "counts": act.counts,
            "retractable": act.retractable,
            "taken_back_by": act.taken_back_by,
        }

    def _pool(self) -> Pool:
        session, state = self._session, self._session.state
        with state.lock:
            asked = [item.ask for item in session.contradictions()]
            hidden = frozenset(state.beliefs.hidden)
        return Pool(
            state.features.names,
            state.features.cameras,
            None if state.sides is None else state.sides.sides,
            lambda image: (self._described.taken(image) or "")[:10],
            hidden,
            {image for pair in asked for image in pair},
        )

    def _contradiction(self, item: Contradiction) -> Json:
        query, candidate = item.ask
        return {
            "id": f"{item.kind[0]}:{query}:{candidate}",
            "kind": item.kind,
            "ask": {"query": self._described.image(query), "candidate": self._described.image(candidate)},
            "same": self._links(item.same),
            "different": self._links(item.different),
        }

    def _links(self, links: Iterable[Evidence]) -> list[Json]:
        return [
            {
                "event": None if link.event is None else link.event.id,
                "query": self._described.image(link.i),
                "candidate": self._described.image(link.j),
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
