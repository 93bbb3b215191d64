"""Build the JSON of new images and of what is proposed for them."""

from __future__ import annotations

from reid_al_agents.annotate.additions import Additions
from reid_al_agents.annotate.messages import Json
from reid_al_agents.annotate.server.descriptions import Descriptions
from reid_al_agents.workspace.adding import Addition
from reid_al_agents.workspace.proposals import KINDS, Known, Proposal

_KNOWN_IMAGES = 6
_MOST = 200  # proposals in one reply


class AdditionResponses:
    """Describes new images, which are shown before they are in the pool.

    Args:
        additions: The new images.
        described: Describes images of the pool.
    """

    def __init__(self, additions: Additions, described: Descriptions) -> None:
        self._additions, self._described = additions, described

    def now(self) -> Json:
        """How far the adding of images is, and what is proposed."""
        found = self._additions.found
        return {"addition": self._additions.state, "found": None if found is None else self._found(found)}

    def _found(self, found: Addition) -> Json:
        kinds = [each.kind for each in found.proposals]
        return {
            "new": len(found.new),
            "known": len(found.known),
            "removed": len(found.removed),
            "scored": len(found.scored),
            "damaged": list(found.damaged),
            "others": self._additions.others,
            "counts": {kind: kinds.count(kind) for kind in KINDS},
            "proposals": [self._proposal(each) for each in found.proposals[:_MOST]],
        }

    def _proposal(self, proposal: Proposal) -> Json:
        return {
            "kind": proposal.kind,
            "probability": round(proposal.probability, 4),
            "images": [self._new_image(image) for image in proposal.images],
            "known": [self._known(each) for each in proposal.known],
            "moved": len(proposal.moved),
        }

    def _known(self, known: Known) -> Json:
        return {
            "name": known.name,
            "size": len(known.images),
            "images": [self._described.image(image) for image in known.images[:_KNOWN_IMAGES]],
        }

    def _new_image(self, image: int) -> Json:
        pictures = self._additions.shown()
        width, height = pictures.size(image)
        url = f"/api/additions/images/{image}?v={self._additions.version}"
        return {
            "id": image,
            "url": f"{url}&size=large",
            "small": f"{url}&size=small",
            "name": str(pictures.images.names[image]),
            "time": pictures.taken(image),
            "width": width,
            "height": height,
        }
