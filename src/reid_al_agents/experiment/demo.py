"""The demo: the default way of asking beside the paper's, on rendered people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from reid_al_agents.data import load_split, make_split, save_split
from reid_al_agents.data.synthetic import load_synthetic
from reid_al_agents.experiment.past import Metrics
from reid_al_agents.experiment.run import run
from reid_al_agents.files import make_folder, write_text
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import START
from reid_al_agents.training.pool import Progress
from reid_al_agents.training.triplet.refresher import pretrain
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision import build_backbone, save_weights
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

SIZE = (64, 32)
PRETRAINING = TripletSettings(size=SIZE, learning_rate=2e-3, identity_loss_weight=1.0, jitter=0.25)


@dataclass(frozen=True)
class DemoSettings:
    """Settings of the demo.

    Attributes:
        seed: Seed of people, cameras, training and questions.
        identities: People at the source cameras, and as many others at the target cameras.
        pretraining_steps: Training steps on the labelled source.
        refresh_steps: Training steps of a full refresh.
    """

    seed: int = 0
    identities: int = 150
    pretraining_steps: int = 300
    refresh_steps: int = 80

    @property
    def source(self) -> str:
        """Labelled people that the start weights are trained on."""
        return f"pedestrians-source?seed={self.seed}&identities={self.identities}"

    @property
    def target(self) -> str:
        """People at other cameras; half of them are the pool."""
        return f"pedestrians-target?seed={self.seed}&identities={self.identities}"


@dataclass(frozen=True)
class Way:
    """A way to ask and to learn.

    Attributes:
        name: What it is called in tables and figures.
        folder: Its run's folder, inside the demo's.
        nodes: What is compared, ``groups`` or ``images``.
        refresh: How answers become a model.
        rounds: Parts of the asking. The default way trains in full after the last one only.
    """

    name: str
    folder: str
    nodes: str
    refresh: str
    rounds: int


DEFAULT = Way("default way", "default", "groups", "cluster", 6)
PAPER = Way("paper's way", "paper", "images", "triplet", 3)
WAYS = (DEFAULT, PAPER)


def run_demo(
    out: Path,
    settings: DemoSettings,
    *,
    command: str,
    progress: Progress,
    on_step: Callable[[str], None],
) -> list[ResultRow]:
    """Train the start weights, then run both ways with one answer per image of the pool.

    Each way is an ordinary run with a folder of its own. An interrupted demo is continued.

    Args:
        out: The demo's folder: settings, start weights, split, and a folder for each way.
        settings: The demo's.
        command: The command line, for the reports.
        progress: Called with stage, done and total during long work.
        on_step: Called with a sentence about each step.

    Returns:
        The start and every round of both ways. A round that ends in a quick refresh, whose model only chooses
        the next questions, has no scores of the model.

    Raises:
        InputError: The folder holds a demo with other settings, or cannot be written.
    """
    _claim(out, settings)
    on_step("A small network learns from labelled people at the source cameras.")
    answers = _prepare(out, settings, progress)
    rows: list[ResultRow] = []
    for way in WAYS:
        on_step(f"{answers} answers about unlabelled people at other cameras: the {way.name}.")
        rounds = _run_way(way, out, settings, answers, command, progress)
        if not rows:
            rows.append(_start_row(rounds[0]))
        rows += [_row(way, metrics) for metrics in rounds]
    return rows


def _claim(out: Path, settings: DemoSettings) -> None:
    """Keep the settings, or see that they are those that the folder was begun with."""
    kept, described = make_folder(out) / "demo.json", json.dumps(asdict(settings)) + "\n"
    if not kept.exists():
        write_text(kept, described)
    elif kept.read_text(encoding="utf-8") != described:
        raise InputError(f"{out}: holds a demo with other settings; choose another --out")


def _prepare(out: Path, settings: DemoSettings, progress: Progress) -> int:
    """Train the start weights on the labelled source domain, and make half of the target the pool.

    Returns:
        Number of images in the pool.
    """
    target, start, split_file = load_synthetic(settings.target), out / "start.safetensors", out / "split.json"
    if start.exists() and split_file.exists():
        return len(load_split(split_file).pool(target))
    images = load_synthetic(settings.source)
    model = build_backbone("small_cnn", seed=settings.seed)
    training = replace(PRETRAINING, steps=settings.pretraining_steps)
    pretrain(
        model,
        images,
        training,
        seed=settings.seed,
        progress=lambda done, total: progress("pretrain", done, total),
    )
    save_weights(model, start, {"size": f"{SIZE[0]}x{SIZE[1]}", "data": images.source})
    split = make_split(target, settings.seed, pool_share=0.5)
    save_split(split, split_file)
    return len(split.pool(target))


def _run_way(
    way: Way, out: Path, settings: DemoSettings, answers: int, command: str, progress: Progress
) -> list[Metrics]:
    config = RunConfig(
        data=f"synthetic:{settings.target}",
        split=str(out / "split.json"),
        weights=str(out / "start.safetensors"),
        backbone="small_cnn",
        size=SIZE,
        nodes=way.nodes,
        refresh=way.refresh,
        refresh_steps=settings.refresh_steps,
        rounds=way.rounds,
        answers=answers,
        seed=settings.seed,
    )
    folder = out / way.folder
    pool = assemble(config, progress=progress)
    begun = Folder.holds(folder)
    return run(config, pool, folder, resume=begun, command=command, progress=progress).rounds


def _start_row(first: Metrics) -> ResultRow:
    """The model as it was given, before the label-free start."""
    return ResultRow(START, "none", first["seed"], 0, rank1=first["start_rank1"], map=first["start_map"])


def _row(way: Way, metrics: Metrics) -> ResultRow:
    row = ResultRow.from_dict({**metrics, "selector": way.name, "return": None})
    return replace(row, rank1=None, map=None, minp=None) if metrics.get("quick") else row
