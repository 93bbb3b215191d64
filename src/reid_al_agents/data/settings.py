"""How data are read."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.settings import check, setting


@dataclass(frozen=True)
class DataSettings:
    """How data are read, whatever their layout.

    Raises:
        InputError: A setting is out of range.
    """

    unknown: str = setting(
        "",
        help="Further words, separated by commas, that mean an unknown identity, camera, side or place",
        default_help="unknown, nan, none, null, na, ?, -1 and blanks, in any case",
        panel="Data",
        metavar="WORDS",
    )
    skip_damaged: bool = setting(
        False, help="Leave out images that are missing or damaged, and write a list of them", panel="Data"
    )
    root: str | None = setting(
        None,
        help="Folder that the paths in a table are relative to",
        default_help="the table's own",
        panel="Data",
        metavar="FOLDER",
    )
    sequence_gap: float = setting(
        0.0,
        help="Images of one camera at most this far apart are assumed to show one individual; 0: none",
        unit="seconds",
        at_least=0,
        panel="Data",
    )
    max_speed: float | None = setting(
        None,
        help="Highest speed of travel; images with coordinates and times that are further apart than it "
        "allows are known to differ",
        default_help="none are excluded by speed",
        unit="km/h",
        more_than=0,
        panel="Data",
        metavar="KM/H",
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """The words in ``unknown``."""
        return tuple(word.strip() for word in self.unknown.split(",") if word.strip())
