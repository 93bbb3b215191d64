"""``reid-al evaluate``: rank-1, mAP and mINP of a model or of features."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast, get_args

import numpy as np
import typer
from rich.table import Table

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.evaluation.ranking import Metric as RankingMetric
from reid_al_agents.evaluation.ranking import Scores, evaluate_ranking
from reid_al_agents.vision import embed as extract
from reid_al_agents.workspace.assembly import load_model, load_or_make_split
from reid_al_env import FeatureSet, InputError

SETS = ("validation", "test", "both")


def evaluate(
    data: opt.Data,
    split: opt.SplitFile = None,
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    on: Annotated[
        str,
        typer.Option("--on", help="validation, test, or both (their identities together, as one gallery)."),
    ] = "validation",
    metric: Annotated[str, typer.Option("--metric", help="cosine or euclidean.")] = "cosine",
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Score the ranking of a gallery by the standard protocol (same identity and camera removed)."""
    known = get_args(RankingMetric)
    if metric not in known:
        raise InputError(f"--metric: {metric!r} is unknown; choose one of {', '.join(known)}")
    if on not in SETS:
        raise InputError(f"--on: {on!r} is unknown; choose one of {', '.join(SETS)}")
    loaded = load_data(data)
    chosen = load_or_make_split(loaded, None if split is None else str(split), seed, None)
    sides = [getattr(chosen, name)(loaded) for name in SETS[:2] if on in (name, "both")]
    query = np.concatenate([side.query for side in sides])
    gallery = np.concatenate([side.gallery for side in sides])
    members = np.union1d(query, gallery)
    judged = loaded.subset(members)
    features = _features(judged, weights=weights, backbone=backbone, size=size, device=device, seed=seed)
    scores = evaluate_ranking(
        features,
        judged.identities,
        judged.cameras,
        np.searchsorted(members, query),
        np.searchsorted(members, gallery),
        metric=cast("RankingMetric", metric),
    )
    if json:
        emit_json({"data": data, "on": on, **asdict(scores)})
    else:
        messages.print(_table(scores, f"{data}, {on}: {len(query)} queries, {len(gallery)} gallery images"))


def _features(
    judged: ImageSet | FeatureSet, *, weights: object, backbone: str, size: str, device: str, seed: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    if isinstance(judged, FeatureSet):
        return np.asarray(judged.features)
    model = load_model(backbone, None if weights is None else str(weights), seed, device)
    with Bars() as bars:
        return extract(
            model, judged, size=opt.parse_size(size), progress=lambda done, total: bars("embed", done, total)
        )


def _table(scores: Scores, title: str) -> Table:
    table = Table("rank-1", "rank-5", "rank-10", "mAP", "mINP", "queries", title=title)
    figures = (scores.rank1, scores.rank5, scores.rank10, scores.map, scores.minp)
    table.add_row(*(f"{value:.1f}" for value in figures), str(scores.queries))
    return table
