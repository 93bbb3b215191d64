"""How much of the cluster refresh's time is the network's own work: images per second of both.

Timed in turns, several rounds of each, on one network and one batch size:

- the refresh: steps of ``train_on_clusters`` as they are (batch drawn, augmentation, network, memory losses,
  backward, optimiser, memory), from the end of one to the end of the next, on random pixels in memory and
  random clusters; the embedding of the images with which an epoch starts is not among them;
- the network: forward, backward and optimiser on one batch that is ready, the loss being a mean of squares;
- the same without the optimiser.

A round's figure is the images of its steps by their seconds, without its first two; given are the medians
over rounds, and the median of the ratios within rounds.

``python benchmarks/training_throughput.py --out FILE``
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import new_table, run, show, write_result

from reid_al_agents.data import ImageSet
from reid_al_agents.training.cluster.clusters import Clusters
from reid_al_agents.training.cluster.objective import train_on_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.vision import EmbeddingNet, normalise, to_pixels
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

REFRESH, NETWORK, BARE = "refresh", "network", "network without optimiser"
WARM_UP = 2


class Bench:
    """A network with images to train it on.

    Args:
        model: The network, on its device.
        images: Images in memory.
        clusters: (N,) cluster of each.
        settings: Of the refresh; as many steps as a round has, in one epoch.
    """

    def __init__(
        self, model: EmbeddingNet, images: ImageSet, clusters: np.ndarray, settings: ClusterSettings
    ) -> None:
        self.model = model
        self.images = images
        self.clusters = np.asarray(clusters, dtype=np.int64)
        self.settings = settings
        self.device = next(model.parameters()).device
        pixels = to_pixels(images.read(np.arange(settings.batch_size), settings.size))
        self.batch = normalise(pixels).contiguous(memory_format=torch.channels_last).to(self.device)
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=0.0)

    def refresh(self, seed: int) -> float:
        """Images per second of the refresh in one round."""
        ends: list[float] = []
        train_on_clusters(
            self.model,
            self.images,
            lambda _: Clusters(self.clusters),
            self.settings,
            seed=seed,
            progress=lambda done, total: ends.append(self._now()),
        )
        return self._rate(ends)

    def network(self, *, step: bool) -> float:
        """Images per second of the network alone, with or without the optimiser."""
        self.model.train()
        ends = []
        for _ in range(self.settings.steps):
            loss = self.model(self.batch).square().mean()
            self.optimiser.zero_grad()
            loss.backward()
            if step:
                self.optimiser.step()
            ends.append(self._now())
        return self._rate(ends)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _rate(self, ends: list[float]) -> float:
        """Of the steps after the warm-up; ``ends`` are the moments at which steps ended."""
        steps = len(ends) - WARM_UP
        return steps * self.settings.batch_size / (ends[-1] - ends[WARM_UP - 1])


def main() -> None:
    options = _parse()
    settings = ClusterSettings(
        size=tuple(options.size), steps=options.steps + WARM_UP, epochs=1, batch_size=options.batch
    )
    if options.steps < 1 or options.rounds < 1 or options.images < max(options.batch, 2 * options.clusters):
        raise InputError(
            "expected --steps and --rounds of 1 or more, and --images for a batch and all clusters"
        )
    bench = Bench(
        load_model(RunConfig(data="", backbone=options.backbone, seed=options.seed), options.device),
        *_images(options),
        settings,
    )
    rounds = []
    for number in range(options.rounds):
        rounds.append(
            {
                REFRESH: bench.refresh(options.seed + number),
                NETWORK: bench.network(step=True),
                BARE: bench.network(step=False),
            }
        )
    rates = {name: statistics.median(done[name] for done in rounds) for name in (REFRESH, NETWORK, BARE)}
    shares = {name: statistics.median(done[REFRESH] / done[name] for done in rounds) for name in rates}
    figures: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "device": str(bench.device),
        "images_per_second": rates,
        "refresh_by": {name: share for name, share in shares.items() if name != REFRESH},
        "rounds": rounds,
        "refresh_settings": asdict(settings),
    }
    write_result(options.out, (options.seed,), vars(options), figures)
    title = f"{options.backbone}, batches of {options.batch}, {figures['threads']} threads"
    table = new_table(title, ("what",), ("images/s", "refresh by this"))
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.0f}", f"{shares[name]:.3f}")
    show(table)


def _images(options: argparse.Namespace) -> tuple[ImageSet, np.ndarray]:
    """Random pixels with random cameras, and clusters of about equal size."""
    rng = np.random.default_rng(options.seed)
    count = options.images
    clusters = np.arange(count) % options.clusters
    pixels = rng.integers(256, size=(count, *options.size, 3), dtype=np.uint8)
    cameras = rng.integers(options.cameras, size=count)
    return ImageSet(np.arange(count).astype(str), clusters, cameras, source="random", pixels=pixels), clusters


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="osnet_x0_25")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], help="height and width")
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
