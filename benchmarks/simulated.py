"""What the scripts share that ask labels about images, or take the answers of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.data import load_split
from reid_al_agents.experiment.simulated import SimulatedAnnotator
from reid_al_agents.log.events import Event
from reid_al_agents.log.memory import MemoryLog
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.folder import Folder
from reid_al_env import ConstraintGraph, FeatureSet, LabelOracle, NoisyOracle, Oracle


def read_pool(features: Path, split: str | None) -> FeatureSet:
    """Features of the images that are asked about.

    Args:
        features: Features ``.npz``.
        split: Split file, whose pool is taken; ``None`` takes all images.

    Raises:
        InputError: A file cannot be read.
    """
    found = FeatureSet.load(features)
    return found if split is None else found.subset(load_split(split).pool(found))


def simulated_annotator(
    features: FeatureSet, error_rate: float, noise: float, seed: int
) -> SimulatedAnnotator:
    """An annotator that knows the labels, with beliefs of its own and a log in memory.

    Args:
        features: The images.
        error_rate: Rate of wrong answers that the beliefs assume.
        noise: Rate at which its answers are wrong.
        seed: Of the wrong answers.
    """
    oracle: Oracle = LabelOracle(features.identities)
    if noise:
        oracle = NoisyOracle(oracle, false_match=noise, false_non_match=noise, seed=seed)
    beliefs = Beliefs(lambda _: ConstraintGraph(len(features)), error_rate)
    names = np.arange(len(features)).astype(str)
    return SimulatedAnnotator(oracle, MemoryLog(), "benchmark", beliefs, names, "benchmark")


def logged_events(folder: Path, answers: int | None = None) -> list[Event]:
    """The events of a run or session.

    Args:
        folder: Its folder.
        answers: Up to the last of so many answers; ``None`` is all.

    Raises:
        InputError: The folder holds neither.
    """
    kept = Folder(folder).kept()
    with EventStore(kept.store or Folder(folder).events) as log:
        events = log.events(kept.run)
    places = [place for place, event in enumerate(events) if event.kind == "answer"]
    return events if answers is None or len(places) <= answers else events[: places[answers - 1] + 1]
