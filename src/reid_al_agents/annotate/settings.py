"""Settings of annotation sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reid_al_env.settings import check, setting


@dataclass(frozen=True)
class AnnotationSettings:
    """Settings of an annotation session.

    Raises:
        InputError: If one is out of range.
    """

    answers: int | None = setting(
        None,
        help="Label budget: number of answers after which the session ends",
        default_help="until no question is left",
        at_least=1,
        panel="Asking",
    )
    refresh_every: int | None = setting(
        1000,
        help="Number of answers between two refreshes of the model; 0: on demand only",
        at_least=0,
        panel="Training",
    )
    overlap: float = setting(
        1.0,
        help="Annotators per pair; 1.2 asks a second annotator about every fifth pair",
        at_least=1,
        at_most=20,
        panel="Asking",
    )
    gold_share: float = setting(
        0.02,
        help="Share of gold questions: pairs answered before, to measure how reliable annotators are",
        at_least=0,
        at_most=0.5,
        panel="Asking",
    )
    lease_seconds: float = setting(
        120.0,
        help="Time for which a question is reserved for the annotator who sees it",
        unit="seconds",
        at_least=1,
        at_most=86_400,
        panel="Asking",
        option="lease",
    )
    trust: float | None = setting(
        None,
        help="Trust in identities known before; given, those of DATA count as answers do",
        default_help="those of DATA are not used, imported ones are trusted by 0.98",
        more_than=0.5,
        less_than=1,
        panel="Asking",
    )
    noun: Literal["person", "animal", "vehicle", "object"] = setting(
        "object",
        help="What the images show, for the wording of the page",
        panel="Page",
    )
    ready: int = setting(
        64,
        help="Number of questions kept ready",
        at_least=1,
        panel="Asking",
        research=True,
    )

    def __post_init__(self) -> None:
        if self.refresh_every == 0:
            object.__setattr__(self, "refresh_every", None)
        check(self)
