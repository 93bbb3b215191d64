"""``reid-al embed``: images to features."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.vision import embed as extract
from reid_al_agents.workspace.assembly import load_model
from reid_al_env import FeatureSet, InputError


def embed(
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="Features file to write, .npz.")],
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Turn images into features that the environment, train and benchmark read."""
    if not out.parent.is_dir():
        raise InputError(f"--out: folder {out.parent} does not exist; create it first")
    pixels = opt.parse_size(size)
    images = load_data(data)
    if not isinstance(images, ImageSet):
        raise InputError(f"{data}: holds features already; name images, such as market1501:DIR")
    model = load_model(backbone, None if weights is None else str(weights), seed, device)
    started = time.perf_counter()
    with Bars() as bars:
        features = extract(
            model, images, size=pixels, progress=lambda done, total: bars("embed", done, total)
        )
    seconds = time.perf_counter() - started
    FeatureSet(features, images.identities, images.cameras, images.names, source=images.source).save(out)
    if json:
        emit_json(
            {
                "out": str(out),
                "images": len(images),
                "dimensions": features.shape[1],
                "seconds": round(seconds, 3),
            }
        )
    else:
        messages.print(f"{len(images)} images, {features.shape[1]} dimensions, {seconds:.1f} s: {out}")
