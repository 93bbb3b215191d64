"""Settings of a run or a session, and how they are kept so that a resumed run is the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from reid_al_agents.asking.settings import AskingSettings
from reid_al_agents.data.settings import DataSettings
from reid_al_env import InputError
from reid_al_env.settings import from_mapping, setting

EVALUATION_SETS = ("validation", "test", "none")
REFRESHES = ("cluster", "triplet", "none")


@dataclass(frozen=True)
class RunData:
    """Which images a run is about, and which of them it scores."""

    data: str = setting(
        help="Images or features: folder:DIR, csv:FILE, market1501:DIR, ... (see reid-al datasets)",
        panel="Data",
        option="DATA",
    )
    split: str | None = setting(
        None,
        help="Split file (JSON): the identities of the pool, of validation and of test",
        default_help="a random split by identity",
        panel="Data",
        metavar="FILE",
    )
    evaluate_on: str = setting(
        "validation", help="Identities that the model is scored on", choices=EVALUATION_SETS, panel="Data"
    )
    seed: int = setting(
        0,
        help="Seed of all random choices",
        at_least=0,
        at_most=2**32 - 1,
        panel="Data",
    )


@dataclass(frozen=True)
class ModelSettings:
    """The network that turns images into features."""

    weights: str | None = setting(
        None,
        help="Start weights, .pth or .safetensors; or pretrained: the weights of the backbone's library",
        default_help="untrained",
        panel="Model",
        metavar="FILE",
    )
    backbone: str | None = setting(
        None,
        help="Network: osnet_x0_25, resnet50, efficientnet_lite0, timm:NAME, ... (see reid-al weights)",
        default_help="that of the weights, or osnet_x0_25",
        panel="Model",
    )
    size: tuple[int, int] | None = setting(
        None,
        help="Height and width that images are resized to; smaller is faster and less accurate",
        default_help="that of the weights, or the backbone's",
        unit="pixels",
        at_least=8,
        at_most=2048,
        panel="Model",
        metavar="HEIGHTxWIDTH",
    )
    features: str | None = setting(
        None,
        help="Features of the images made elsewhere, .npz, .npy or .parquet, in place of a network's; "
        "nothing is refreshed then",
        panel="Model",
        metavar="FILE",
    )


@dataclass(frozen=True)
class RefreshSettings:
    """How answers become a better model."""

    refresh: str = setting(
        "cluster",
        help="How answers refresh the model; triplet is the paper's",
        choices=REFRESHES,
        panel="Training",
    )
    refresh_steps: int | None = setting(
        None,
        help="Training steps of a full refresh; a quick refresh takes an eighth",
        default_help="by --refresh",
        at_least=1,
        panel="Training",
    )
    adapt: bool = setting(
        True,
        help="Label-free start: adapt the model to the images before the first question",
        panel="Training",
    )
    warm: bool = setting(
        False, help="Refresh from the latest model rather than from the start weights", panel="Training"
    )

    @property
    def adapts(self) -> bool:
        """Whether the model is adapted without answers before the first question."""
        return self.adapt and self.refresh == "cluster"


@dataclass(frozen=True)
class RunConfig(RefreshSettings, AskingSettings, ModelSettings, DataSettings, RunData):
    """All settings of a run or a session; :mod:`reid_al_env.settings` reads each field's description.

    Raises:
        InputError: If a setting is out of range.
    """

    def __post_init__(self) -> None:
        AskingSettings.__post_init__(self)  # it checks the fields of every class that joins here
        if self.features is not None:
            if self.weights is not None:
                raise InputError("weights: the features come from --features; leave out one of the two")
            object.__setattr__(self, "refresh", "none")  # there is no network that could learn

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON."""
        return {**asdict(self), "size": None if self.size is None else list(self.size)}

    def reading(self) -> DataSettings:
        """How the data are read."""
        return DataSettings(**{each.name: getattr(self, each.name) for each in fields(DataSettings)})

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> RunConfig:
        """The settings that :meth:`as_dict` gave; other names are left out.

        Raises:
            InputError: If one cannot be used, or there is no ``data``.
        """
        return from_mapping(cls, kept)

    def check_same(self, kept: Mapping[str, Any], where: str) -> None:
        """Raise unless ``kept`` (from :meth:`as_dict`) holds the same settings.

        Raises:
            InputError: Names the first setting that differs.
        """
        for name, value in self.as_dict().items():
            if kept.get(name) != value and not can_change(name, kept.get(name)):
                raise InputError(
                    f"{where}: was started with {name}={kept.get(name)!r}, now it is {value!r}; "
                    "resume with the same settings or choose another folder"
                )


def can_change(name: str, before: Any) -> bool:
    """Whether a setting of a folder that was begun can be given another value, which holds from then on.

    Args:
        name: The setting.
        before: Its value so far.
    """
    # a session has no number of answers, the labels that go on with it may give so many; and that a speed
    # excludes too much, or too little, shows in the questions
    return name == "max_speed" or (name == "answers" and before is None)


def boundaries(total: int, rounds: int) -> tuple[int, ...]:
    """Where each round ends when ``total`` is cut into equal parts; the last is ``total``."""
    return tuple(round(total * (number + 1) / rounds) for number in range(rounds))
