"""What became of each tensor of a file of weights, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_agents.vision.matching import ENOUGH


@dataclass(frozen=True)
class LoadReport:
    """What became of each tensor of a file.

    Attributes:
        file: The file.
        backbone: Name of the backbone.
        entry: Place in the file of the dictionary that was read; "" is the file itself.
        prefix: What was taken off the names of the file.
        loaded: Tensors that loaded.
        expected: Tensors of the backbone.
        share: Share of the backbone that loaded, by tensors or by numbers, whichever is less.
        fits: Whether the file is of this backbone.
        missing: Tensors of the backbone that the file lacks; they keep their random values.
        misshapen: Tensors of another shape in the file, with both shapes; they keep their random values.
        classifier: Tensors of the file that belong to a classifier.
        left_over: Tensors of the file that the backbone has no place for.
    """

    file: str
    backbone: str
    entry: str
    prefix: str
    loaded: int
    expected: int
    share: float
    fits: bool
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    classifier: tuple[str, ...]
    left_over: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it in sentences, the most important first."""
        taken = [f"read from '{self.entry}'"] if self.entry else []
        taken += [f"the prefix '{self.prefix}' taken off"] if self.prefix else []
        lines = [
            f"{self.file}: {self.loaded} of {self.expected} tensors of {self.backbone} loaded "
            f"({_percent(self.share)} of the network{''.join(f'; {text}' for text in taken)})"
        ]
        if self.classifier:
            lines.append(f"left out, as features need no classifier: {_some(self.classifier)}")
        return [*lines, *self.shortfalls()]

    def shortfalls(self) -> list[str]:
        """Say only what may be wrong; empty if all loaded and nothing was left over."""
        lines = []
        if self.missing:
            lines.append(f"not in {self.file}, so left at random values: {_some(self.missing)}")
        if self.misshapen:
            more = f" and {len(self.misshapen) - 3} more" if len(self.misshapen) > 3 else ""
            shapes = "; ".join(self.misshapen[:3]) + more
            lines.append(f"of another shape in {self.file}, so left at random values: {shapes}")
        if self.left_over:
            lines.append(f"left over, as {self.backbone} has no such part: {_some(self.left_over)}")
        return lines

    def refusal(self) -> str:
        """One line about weights of another architecture, with an example of each kind of difference."""
        found = []
        if self.missing:
            found.append(f"{len(self.missing)} missing, such as '{self.missing[0]}'")
        if self.left_over:
            found.append(f"{len(self.left_over)} unexpected, such as '{self.left_over[0]}'")
        if self.misshapen:
            found.append(f"{len(self.misshapen)} of another shape, such as {self.misshapen[0]}")
        why = f"{_percent(self.share)} of it would load" if self.share < ENOUGH else "much has no place in it"
        return (
            f"{self.file}: weights of another architecture than {self.backbone}: {why} ({'; '.join(found)}); "
            "name their backbone, or leave --backbone out"
        )


def _percent(share: float) -> str:
    return f"{int(100 * share)} %"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
