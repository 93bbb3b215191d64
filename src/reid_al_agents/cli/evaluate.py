"""``reid-al evaluate``: rank-1, mAP and mINP of a model or of features."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast, get_args

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from reid_al_agents.data import ImageSet
    from reid_al_agents.evaluation.ranking import Scores
    from reid_al_env import FeatureSet

SETS = ("validation", "test", "both")


_TAKEN = ("data", "split", *opt.READING, "weights", "backbone", "size", "seed")


@opt.takes(typed=opt.options(RunConfig, *_TAKEN))
def evaluate(
    typed: opt.Typed,
    on: Annotated[
        str,
        opt.option(
            "--on",
            "validation, test, or both (their identities together, as one gallery); a data set "
            "with its own query and gallery is scored on these",
            "Data",
            "NAME",
            "validation",
        ),
    ] = "validation",
    metric: Annotated[
        str,
        opt.option("--metric", "Distance between features: cosine or euclidean", "Model", "NAME", "cosine"),
    ] = "cosine",
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Score the ranking of a gallery by the standard protocol (same identity and camera removed)."""
    config = RunConfig(**typed)
    if on not in SETS:
        raise InputError(f"--on: {on!r} is unknown; choose one of {', '.join(SETS)}")
    import numpy as np

    from reid_al_agents.data import ImageSet, load_checked
    from reid_al_agents.evaluation.ranking import Metric, evaluate_ranking
    from reid_al_agents.workspace.assembly import load_or_make_split

    if metric not in get_args(Metric):
        raise InputError(f"--metric: {metric!r} is unknown; choose one of {', '.join(get_args(Metric))}")
    with progress() as report:
        loaded = load_checked(
            config.data,
            config.reading(),
            progress=lambda done, total: report("check images", done, total),
        )
    split = load_or_make_split(loaded, config.split, config.seed, None)
    protocol = loaded.protocol if isinstance(loaded, ImageSet) and config.split is None else None
    own = protocol is not None and protocol.scores
    names = ("test",) if own else tuple(name for name in SETS[:2] if on in (name, "both"))
    sides = [getattr(split, name)(loaded) for name in names]
    scored = "; ".join(split.describe(loaded, name) for name in names)
    query = np.concatenate([side.query for side in sides])
    gallery = np.concatenate([side.gallery for side in sides])
    members = np.union1d(query, gallery)
    judged = loaded.subset(members)
    scores = evaluate_ranking(
        _features(judged, config, device),
        judged.identities,
        judged.cameras,
        np.searchsorted(members, query),
        np.searchsorted(members, gallery),
        metric=cast("Metric", metric),
    )
    if json:
        emit_json({"data": config.data, "on": "test" if own else on, "scored": scored, **asdict(scores)})
    else:
        messages.print(_table(scores, f"{config.data}, {scored}"))


def _features(judged: ImageSet | FeatureSet, config: RunConfig, device: str) -> NDArray[np.float32]:
    from reid_al_agents.data import ImageSet
    from reid_al_agents.vision import embed
    from reid_al_agents.workspace.assembly import load_model

    if not isinstance(judged, ImageSet):
        return judged.features
    model = load_model(config, device)
    with progress() as report:
        return embed(
            model, judged, size=model.size, progress=lambda done, total: report("embed", done, total)
        )


def _table(scores: Scores, title: str) -> Table:
    from rich.table import Table

    table = Table("rank-1", "rank-5", "rank-10", "mAP", "mINP", "queries", title=title)
    figures = (scores.rank1, scores.rank5, scores.rank10, scores.map, scores.minp)
    table.add_row(*(f"{value:.1f}" for value in figures), str(scores.queries))
    return table
