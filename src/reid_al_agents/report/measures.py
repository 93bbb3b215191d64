"""How each measure of a result is called and printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """How a measure is shown.

    Attributes:
        heading: Its name over a column and in a sentence.
        decimals: Digits after the point.
        scale: What stored values are multiplied by; 100 for a share shown in percent.
        unit: What its axis is labelled with besides the heading.
        with_interval: Whether it is a result, which gets an interval, and not a mere count.
    """

    heading: str
    decimals: int
    scale: float = 1.0
    unit: str = ""
    with_interval: bool = True

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


MEASURES = {
    "labels_before": Measure("labels before", 0, with_interval=False),
    "implied": Measure("implied", 0, with_interval=False),
    "match_rate": Measure("match %", 1, 100.0, with_interval=False),
    "return": Measure("return", 2),
    "rank1": Measure("rank-1", 1, unit="%"),
    "map": Measure("mAP", 1, unit="%"),
    "minp": Measure("mINP", 1, unit="%"),
    "pairwise_f1": Measure("pairwise F1", 3),
    "bcubed_f1": Measure("B-cubed F1", 3),
    "ari": Measure("ARI", 3),
    "seconds": Measure("seconds", 0, with_interval=False),
}
HEADLINES = ("map", "pairwise_f1", "return")  # what a comparison is about: the first that was measured
