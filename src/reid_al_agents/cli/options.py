"""Options that several commands share, so that a name means the same everywhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

Data: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="market1501:DIR, csv:FILE, folder:DIR, synthetic:NAME, or a features .npz",
        show_default=False,
    ),
]
SplitFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--split", help="Split file (JSON); without it a seeded split by identity is made."),
]
Weights: TypeAlias = Annotated[
    Path | None,
    typer.Option("--weights", help="Start weights, .pth or .safetensors; without them, untrained."),
]
Backbone: TypeAlias = Annotated[
    str,
    typer.Option("--backbone", help="osnet_x0_25, osnet_x1_0, resnet18, resnet50, mobilenet_v3_small, ..."),
]
Size: TypeAlias = Annotated[str, typer.Option("--size", help="Height and width of the images, pixels.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything drawn.")]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")
]
Device: TypeAlias = Annotated[
    str, typer.Option("--device", help="cpu, cuda, or auto: an accelerator where there is one.")
]
Metric: TypeAlias = Annotated[
    str, typer.Option("--metric", help="Of the environment: cosine, euclidean, mahalanobis or verified.")
]
EmptyNegatives: TypeAlias = Annotated[
    str, typer.Option("--empty-negatives", help="Reward before the first non-match: neutral or farthest.")
]
Budget: TypeAlias = Annotated[
    int | None,
    typer.Option("--budget", min=1, help="K_max, answers of a query; default 1 of a group, 10 of an image."),
]
Nodes: TypeAlias = Annotated[
    str, typer.Option("--nodes", help="What asks and is asked about: groups, or images as in the paper.")
]
Adapt: TypeAlias = Annotated[
    bool, typer.Option("--adapt/--no-adapt", help="Adapt the model without any answer before it asks.")
]
Audit: TypeAlias = Annotated[
    float, typer.Option("--audit", help="Share of the answers that measures the identities (between groups).")
]
PoolSize: TypeAlias = Annotated[int, typer.Option("--pool-size", help="n_s, candidates of a query.")]
Neighbours: TypeAlias = Annotated[int, typer.Option("--k", help="Neighbours in the k-reciprocal graph.")]
Refresh: TypeAlias = Annotated[
    str, typer.Option("--refresh", help="How answers become a model: cluster, triplet (the paper's) or none.")
]
RefreshSteps: TypeAlias = Annotated[
    int | None,
    typer.Option("--refresh-steps", help="Training steps of a full refresh; default: the refresher's."),
]
Parallel: TypeAlias = Annotated[int, typer.Option("--parallel", help="Queries open side by side.")]
CrossCamera: TypeAlias = Annotated[
    bool, typer.Option("--cross-camera", help="Candidates come from other cameras than the query's.")
]
Closure: TypeAlias = Annotated[
    bool, typer.Option("--closure/--no-closure", help="Never ask what follows from earlier answers.")
]
Noise: TypeAlias = Annotated[float, typer.Option("--noise", help="Chance that an answer is wrong.")]
Final: TypeAlias = Annotated[
    bool,
    typer.Option("--final", help="Score on the test identities instead of validation; each use is logged."),
]


def run_config(data: str, split: Path | None, weights: Path | None, size: str, **settings: Any) -> RunConfig:
    """The settings of a run from options as they are typed; ``settings`` go through as they are.

    Raises:
        InputError: If one is out of range.
    """
    unsaid = ("budget", "rounds", "selector")
    settings = {name: value for name, value in settings.items() if value is not None or name not in unsaid}
    return RunConfig(
        data=data,
        split=None if split is None else str(split),
        weights=None if weights is None else str(weights),
        size=parse_size(size),
        **settings,
    )


def parse_size(text: str) -> tuple[int, int]:
    """``"128x64"`` as (height, width).

    Raises:
        InputError: If it is not of that form.
    """
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if match is None or not all(8 <= int(part) <= 2048 for part in match.groups()):
        raise InputError(f"--size: {text!r} is not HEIGHTxWIDTH of 8 to 2048 pixels each, such as 128x64")
    return int(match[1]), int(match[2])


def parse_numbers(text: str, name: str) -> tuple[int, ...]:
    """``"1,2,3"`` as numbers from 0.

    Raises:
        InputError: If it is not of that form.
    """
    try:
        numbers = tuple(int(part) for part in text.split(","))
        if min(numbers) >= 0:
            return numbers
        raise ValueError
    except ValueError:
        raise InputError(
            f"{name}: {text!r} is not whole numbers with commas between, such as 0,1,2"
        ) from None


def typed_command() -> str:
    """The command line as typed."""
    return shlex.join(["reid-al", *sys.argv[1:]])


def need(module: str, extra: str) -> None:
    """Say which extra to install where a module is missing.

    Raises:
        InputError: It is missing.
    """
    if importlib.util.find_spec(module) is None:
        raise InputError(f'{module} is not installed; pip install "reid-active-learning[{extra}]"')
