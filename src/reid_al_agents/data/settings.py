"""How data are read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reid_al_env.errors import InputError


@dataclass(frozen=True)
class DataSettings:
    """How data are read, whatever their layout.

    Attributes:
        unknown: Spellings of an unknown identity (or camera, side, place) beside those of
            :data:`~reid_al_agents.data.names.UNKNOWN_WORDS`; case does not matter.
        skip_damaged: Go on without files that are missing or do not decode, instead of refusing the data.
        root: Folder that the paths in a table are relative to; None is the table's own folder.
        sequence_gap: Seconds. Images of one camera whose times lie at most this far apart are taken for one
            sequence, which shows one individual; 0 takes none.

    Raises:
        InputError: ``sequence_gap`` is negative or not finite.
    """

    unknown: tuple[str, ...] = ()
    skip_damaged: bool = False
    root: str | None = None
    sequence_gap: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sequence_gap) and self.sequence_gap >= 0):
            raise InputError(f"sequence_gap: {self.sequence_gap}; expected seconds, 0 or more")
