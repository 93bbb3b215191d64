"""``reid-al embed``: images to features."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.errors import InputError


@opt.takes(typed=opt.options(RunConfig, "data", *opt.READING, "weights", "backbone", "size", "seed"))
def embed(
    typed: opt.Typed,
    out: Annotated[Path, opt.option("--out", "Features file to write, .npz", "Output", "FILE")],
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Extract features of images, for the environments, train and benchmark."""
    config = RunConfig(**typed)
    opt.writable_file(out)
    from reid_al_agents.data import ImageSet, load_checked
    from reid_al_agents.vision import embed as extract
    from reid_al_agents.workspace.assembly import load_model
    from reid_al_env import FeatureSet

    with progress() as report:
        images = load_checked(
            config.data,
            config.reading(),
            listing=out.with_suffix(".skipped.csv"),
            progress=lambda done, total: report("check images", done, total),
        )
    if not isinstance(images, ImageSet):
        raise InputError(f"{config.data}: holds features already; name images, such as market1501:DIR")
    model = load_model(config, device)
    started = time.perf_counter()
    with progress() as report:
        features = extract(
            model, images, size=model.size, progress=lambda done, total: report("embed", done, total)
        )
    seconds = time.perf_counter() - started
    FeatureSet(features, images.identities, images.cameras, images.names, source=images.source).save(out)
    count, dimensions = features.shape
    if json:
        told = {"out": str(out), "images": count, "backbone": model.name, "size": model.size}
        emit_json({**told, "dimensions": dimensions, "seconds": round(seconds, 3)})
    else:
        seen = f"{count} images at {opt.as_text(model.size)}"
        messages.print(f"{seen}, {dimensions} dimensions of {model.name}, {seconds:.1f} s: {out}")
