"""How groups are formed and asked about; defaults chosen on Market-1501's validation identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reid_al_env import InputError

if TYPE_CHECKING:
    from reid_al_agents.identities import Thresholds


@dataclass(frozen=True)
class GroupSettings:
    """Settings of asking between groups.

    Args:
        k1: Neighbour lists of the Jaccard similarity.
        k2: Neighbours over which it averages.
        micro_cluster_similarity: Least average Jaccard similarity within a micro-cluster, whose images are
            assumed to show one identity while asking.
        delivered_similarity: The same for the identities that are handed out, which may be bolder.
        group_similarity: Least average similarity of groups that are handed out as one identity.
        neighbours: Candidates of a group among which the schedule looks.
        batch_share: Answers between two looks at the groups, as a share of the images.
        audit_share: Share of the answers that goes to the audit.
        error_rate: Share of wrong answers that is held likely before any is found.
        repeat: Whether answers that are probably wrong are asked again.

    Raises:
        InputError: If one is out of range.
    """

    k1: int = 20
    k2: int = 4
    micro_cluster_similarity: float = 0.7
    delivered_similarity: float = 0.5
    group_similarity: float = 0.2
    neighbours: int = 15
    batch_share: float = 0.025
    audit_share: float = 0.05
    error_rate: float = 0.02
    repeat: bool = True

    def __post_init__(self) -> None:
        for name in (
            "micro_cluster_similarity",
            "delivered_similarity",
            "group_similarity",
            "batch_share",
        ):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name}: {getattr(self, name)} is outside (0, 1]")
        for name in ("audit_share", "error_rate"):
            if not 0 <= getattr(self, name) < 0.5:
                raise InputError(f"{name}: {getattr(self, name)} is outside [0, 0.5)")
        if self.error_rate == 0:
            raise InputError("error_rate: 0 would make every answer certain; give a small rate such as 0.001")
        if not 1 <= self.k2 <= self.k1:
            raise InputError(f"k1: {self.k1} and k2 {self.k2}; expected 1 <= k2 <= k1")
        if self.neighbours < 1:
            raise InputError(f"neighbours: {self.neighbours} is below 1")

    def batch(self, images: int) -> int:
        """Answers between two looks at the groups."""
        return max(20, round(self.batch_share * images))

    def thresholds(self, purpose: Literal["ask", "deliver"]) -> Thresholds:
        """How boldly images are taken for one identity while asking, or in what is delivered."""
        from reid_al_agents.identities import Thresholds

        if purpose == "ask":
            return Thresholds(self.micro_cluster_similarity)
        return Thresholds(self.delivered_similarity, self.group_similarity)
