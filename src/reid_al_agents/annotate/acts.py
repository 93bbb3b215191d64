"""Acts of annotators beside their answers to questions: merge, split, confirm, name, hide, settle.

An act of one screen may be several events. They are stored together, share the payload's ``act``, and are
taken back together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reid_al_agents.annotate.dispatch import Dispatch
from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Answered, Conflict
from reid_al_agents.annotate.state import State
from reid_al_agents.beliefs.contradictions import Contradiction
from reid_al_agents.log.events import Event
from reid_al_agents.log.validation import check_description
from reid_al_env import InputError
from reid_al_env.messages import Message, message_of


class Acts:
    """Acts on identities and contradictions.

    Args:
        state: State shared by the parts of the session.
        dispatch: Told of changed beliefs.
        contradictions: Returns the contradictions that no annotator has settled.
    """

    def __init__(
        self, state: State, dispatch: Dispatch, contradictions: Callable[[], list[Contradiction]]
    ) -> None:
        self._state, self._dispatch, self._contradictions = state, dispatch, contradictions

    def edit(self, kind: str, annotator: str, key: str, payload: dict[str, Any]) -> Answered:
        """Store one edit and apply it; see :mod:`.beliefs.evidence`."""
        return self._log(key, [self._edit(kind, annotator, payload)])

    def merge(
        self,
        annotator: str,
        key: str,
        found: IdentityList,
        identities: Sequence[str],
        name: str | None = None,
    ) -> Answered:
        """Merge two or more identities.

        Args:
            annotator: The annotator.
            key: Idempotency key.
            found: The present identities.
            identities: Keys of those to merge.
            name: Name of the merged identity; needed where several of them have different names.

        Raises:
            Conflict: Fewer than two are left, or they have different names and ``name`` is none of these.
        """
        if (before := self._before(annotator, key, "merge")) is not None:
            return before
        parts = [found.present(identity) for identity in dict.fromkeys(identities)]
        if len(parts) < 2:
            raise Conflict("merge: this is one identity already")
        names = list(dict.fromkeys(called for part in parts if (called := found.name(part))))
        if len(names) > 1 and name not in names:
            raise Conflict(
                Message("merge: they are called {names}; choose which name stays", names=", ".join(names))
            )
        (first, *shown), *others = (found.images(part) for part in parts)
        drafts = [
            self._edit("merge", annotator, {"a": first, "b": other[0], "images": [*shown, *other[1:]]})
            for other in others
        ]
        if len(names) > 1 and name is not None:
            images = [image for part in parts for image in found.images(part)]
            drafts.append(self._naming(annotator, images, name))
        return self._log(key, drafts)

    def split(
        self, annotator: str, key: str, found: IdentityList, identity: str, images: Collection[int]
    ) -> Answered:
        """Split images off an identity.

        Raises:
            Conflict: The identity or one of its images is no longer there, or no image would stay.
        """
        if (before := self._before(annotator, key, "split")) is not None:
            return before
        members = found.images(found.present(identity))
        if not set(images) <= set(members):
            raise Conflict("split: some of the images are no longer of this identity; load the page again")
        rest = [image for image in members if image not in set(images)]
        if not rest:
            raise Conflict("split: all its images are chosen; leave out those that stay")
        payload = {"images": sorted(images), "rest": rest[0], "kept": rest[1:]}
        return self._log(key, [self._edit("split", annotator, payload)])

    def confirm(
        self,
        annotator: str,
        key: str,
        found: IdentityList,
        identity: str,
        same: Collection[int],
        different: Collection[int] = (),
        seconds: float | None = None,
    ) -> Answered:
        """Confirm that images of an identity are one individual: an answer "same" for each but the anchor.

        The anchor is the most typical of them, a confirmed one if there is any. Images of the identity that
        are in neither list stay as they are.

        Args:
            annotator: The annotator.
            key: Idempotency key.
            found: The present identities.
            identity: Key of the identity.
            same: The images.
            different: Images to split off them.
            seconds: How long the screen was looked at.

        Raises:
            Conflict: The identity or one of the images is no longer there, or there is nothing to say.
        """
        if (before := self._before(annotator, key, "answer", "split")) is not None:
            return before
        members = found.images(found.present(identity))
        chosen, others = set(same), set(different)
        if not chosen | others <= set(members) or chosen & others:
            raise Conflict("confirm: some of the images are no longer of this identity; load the page again")
        ours = sorted(
            (image for image in members if image in chosen), key=lambda image: not found.confirmed[image]
        )
        if not ours or len(chosen | others) < 2:
            raise Conflict("confirm: a single image says nothing; leave two or more")
        each = None if seconds is None else seconds / len(ours)
        drafts = [self._same(annotator, ours[0], image, found, each) for image in ours[1:]]
        if others:
            payload = {"images": sorted(others), "rest": ours[0], "kept": ours[1:]}
            drafts.append(self._edit("split", annotator, payload))
        return self._log(key, drafts)

    def name(self, annotator: str, key: str, found: IdentityList, identity: str, name: str) -> Answered:
        """Name an identity; an empty name removes its name.

        Raises:
            Conflict: The identity is no longer there, or another one has the name.
        """
        if (before := self._before(annotator, key, "name")) is not None:
            return before
        group = found.present(identity)
        taken = found.named(name)
        if name and taken not in (None, group):
            raise Conflict(
                Message(
                    "name: {name} is the name of another identity; merge the two, or choose another",
                    name=name,
                )
            )
        return self._log(key, [self._naming(annotator, found.images(group), name)])

    def hide(self, annotator: str, key: str, found: IdentityList, identity: str, hidden: bool) -> Answered:
        """Hide an identity from lists, or show it again.

        Raises:
            Conflict: The identity is no longer there.
        """
        if (before := self._before(annotator, key, "hide")) is not None:
            return before
        members = found.images(found.present(identity))
        payload: dict[str, Any] = {"image": members[0], "hidden": hidden}
        if not hidden:
            payload["images"] = [image for image in members if image in self._state.beliefs.hidden]
        return self._log(key, [self._edit("hide", annotator, payload)])

    def describe(
        self,
        annotator: str,
        key: str,
        images: Collection[int],
        side: str | None = None,
        time: str | None = None,
    ) -> Answered:
        """Correct what is known of single images: which side they show, when they were taken.

        Args:
            annotator: The annotator.
            key: Idempotency key.
            images: The images.
            side: Name of the side; blank where it is unknown, ``None`` to leave it as it is.
            time: As :func:`.read_time` takes it; likewise.

        Raises:
            Conflict: Nothing is said, a time cannot be read, or the session has bare features.
        """
        told = {"side": side, "time": time}
        payload = {
            "images": sorted(images),
            **{name: word.strip() for name, word in told.items() if word is not None},
        }
        if self._state.data is None:
            raise Conflict("describe: this session has features only; nothing is known of its images")
        try:
            check_description(payload)
        except InputError as error:
            raise Conflict(message_of(error)) from None
        return self._log(key, [self._edit("describe", annotator, payload)])

    def settle(self, annotator: str, key: str, query: int, candidate: int, answer: str) -> Answered:
        """Take the answer that settles a contradiction; it weighs as much as several.

        Raises:
            Conflict: Nothing is contradicted about the pair.
        """
        event = replace(
            self._about(annotator, query, candidate, answer, "dispute"), payload={"settles": True}
        )
        with self._state.lock:
            open_ = {frozenset(item.ask) for item in self._contradictions()}
            if key not in self._state.keys and frozenset((query, candidate)) not in open_:
                raise Conflict("settle: nothing is contradicted about these two images; load the list again")
            return self._log(key, [event])

    # -- events --------------------------------------------------------------------------------------------

    def _same(
        self, annotator: str, anchor: int, image: int, found: IdentityList, seconds: float | None
    ) -> Event:
        likely = float(found.probabilities[image])
        return replace(
            self._about(annotator, anchor, image, "same", "screen"),
            probability=None if np.isnan(likely) else likely,
            seconds=seconds,
        )

    def _about(self, annotator: str, query: int, candidate: int, answer: str, kind: str) -> Event:
        names = self._state.features.names
        return replace(
            self._edit("answer", annotator, {}),
            query=query,
            candidate=candidate,
            query_name=str(names[query]),
            candidate_name=str(names[candidate]),
            answer=answer,
            question_kind=kind,
        )

    def _naming(self, annotator: str, images: Sequence[int], name: str) -> Event:
        """The name of an identity; names that its other images had are forgotten."""
        had = [image for image in images[1:] if image in self._state.beliefs.names]
        payload = {"image": images[0], "name": name, **({"images": had} if had else {})}
        return self._edit("name", annotator, payload)

    def _edit(self, kind: str, annotator: str, payload: dict[str, Any]) -> Event:
        state = self._state
        return Event("", state.run, kind, annotator, state.clock(), payload=payload, round=state.round)

    def _log(self, key: str, drafts: Sequence[Event]) -> Answered:
        """Store the events of one act under keys made from ``key``."""
        state, first = self._state, drafts[0]
        with state.lock:
            before = self._before(first.annotator, key, first.kind, answer=first.answer)
            if before is not None:
                return before
            act = {"act": key} if len(drafts) > 1 else {}
            stored = state.log_all(
                replace(draft, key=key if not place else f"{key}.{place}", payload={**draft.payload, **act})
                for place, draft in enumerate(drafts)
            )
            self._dispatch.changed(counts=False)
            return Answered(stored[0], counted=True)

    def _before(self, annotator: str, key: str, *kinds: str, answer: str | None = None) -> Answered | None:
        """The act that was stored under this key: a request whose reply was lost is sent again."""
        before = self._state.keys.get(key)
        if before is None:
            return None
        if before.annotator != annotator or before.kind not in kinds or answer not in (None, before.answer):
            raise Conflict(Message("key {key!r}: was used for something else; make a new one", key=key))
        return Answered(before, counted=False)
