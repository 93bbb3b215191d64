"""How fast the environment is, in ratios within one run: steps, kernel, resets, pool tables.

- **Steps**: ``ReIDActiveLearning-v0`` batched (random picks that the mask allows, autoreset inside the time)
  by ``CartPole-v1`` in ``SyncVectorEnv``, by our single environment in ``SyncVectorEnv``, and by the floor:
  fresh arrays of that many observations, filled with ``np.copyto`` from a touched source, the last 64 kept
  alive. Warm: every query's first graph is remembered; cold: none is. Single environments, resets included.
  Gymnasium's own ``benchmark_vector_step`` is there too: it draws actions without the mask, so that some of
  our picks are of masked items, and times the drawing as well.
- **Kernel**: a step without the observation's copy, for n_s from 15 to 120 (k = n_s / 2), and the exponent.
- **Resets**: by number of images, features memory-mapped; the pool table is timed apart.
- **Pool table** of 12,936 images with 512 features (the size of Market-1501's training set) by FAISS's exact
  search alone.
- ``--scale`` adds 10⁶ images with 128 features: resets, and an index whose candidates are compared with exact
  search.

Subjects are timed in turns, a round after the other; given are medians over rounds of the ratios within a
round. One thread, but for the index of ``--scale``, which has two.

``OMP_NUM_THREADS=1 python benchmarks/throughput.py --scale --out FILE``
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import matplotlib.pyplot as plt
from recording import new_table, run, show, write_result
from scaling import ResetCost, as_rows, large_index, pool_table, reset_costs, write_features
from stepping import exponent, interleaved, kernel_seconds, ratio, subjects

from reid_al_agents.report.theme import LIGHT
from reid_al_env import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = "batched, SameStep, warm"
POOL_SIZES = (15, 20, 30, 45, 60, 90, 120)


def main() -> None:
    options = _parse()
    if options.rounds < 1 or options.num_envs < 1:
        raise InputError("expected --rounds and --num-envs of 1 or more")
    faiss.omp_set_num_threads(1)
    rates = interleaved(subjects(options.num_envs, options.seed), options.rounds)
    kernel = kernel_seconds(POOL_SIZES, options.num_envs, 3 * options.rounds, options.seed)
    table = pool_table(options.table_images, 512, 3, options.seed)
    sizes = [1_000, 10_000, 100_000] + [1_000_000] * options.scale
    with tempfile.TemporaryDirectory() as folder:
        files = {size: write_features(Path(folder), size, 128, options.seed) for size in sizes}
        resets = reset_costs(files, 20, options.seed)
        large = None
        if options.scale:
            large = large_index(files[sizes[-1]], options.scale_index, 2, 1000, options.seed)
    figures = _figures(rates, kernel, resets, table, large)
    if options.out is not None:
        write_result(options.out, (options.seed,), settings(options), figures)
        _plot(options.out.with_suffix(".png"), resets, kernel)
    if options.json:
        print(json.dumps(figures))
    else:
        _show(figures)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options, and the number of threads that the environment variable allows; ``None`` is all."""
    return {**vars(options), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}


def _figures(
    rates: dict[str, list[float]],
    kernel: dict[int, float],
    resets: list[ResetCost],
    table: dict[str, Any],
    large: dict[str, Any] | None,
) -> dict[str, Any]:
    """The figures, and beside each goal what was measured and whether it is met."""
    cold = [cost.cold_microseconds for cost in resets]
    cart, single = "CartPole-v1 in SyncVectorEnv", "our single in SyncVectorEnv"
    goals = {
        f"batched by {cart}": (ratio(rates, OURS, cart), ">=", 4.0),
        f"batched by {single}": (ratio(rates, OURS, single), ">=", 40.0),
        "floor by batched": (ratio(rates, "floor", OURS), "<=", 8.0),
        "our single by CartPole-v1 single": (ratio(rates, "our single", "CartPole-v1 single"), ">=", 0.1),
        "kernel's exponent in n_s": (exponent(kernel), "<=", 1.3),
        "the same from 60 to 120 alone": (exponent({size: kernel[size] for size in (60, 120)}), "<=", 1.3),
        "pool table by FAISS's exact search": (table["ratio"], "<=", 1.3),
        "dearest by cheapest reset, by number of images": (max(cold) / min(cold), "<=", 2.0),
    }
    if large is not None:
        goals["GiB at most, 10^6 images"] = (large["peak_memory_gib"], "<=", 24.0)
    return {
        "goals": {
            name: {
                "measured": measured,
                "goal": f"{sign} {goal}",
                "met": measured >= goal if sign == ">=" else measured <= goal,
            }
            for name, (measured, sign, goal) in goals.items()
        },
        "steps_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "rounds": rates,
        "kernel_microseconds": {size: seconds * 1e6 for size, seconds in kernel.items()},
        "resets": as_rows(resets),
        "pool_table": table,
        "large_index": large,
    }


def _show(figures: dict[str, Any]) -> None:
    table = new_table("Goals", ("what",), ("measured", "goal", "met"))
    for name, found in figures["goals"].items():
        table.add_row(name, f"{found['measured']:.2f}", found["goal"], "yes" if found["met"] else "no")
    show(table)
    table = new_table("Steps a second, medians", ("what",), ("steps/s",))
    for name, rate in figures["steps_per_second"].items():
        table.add_row(name, f"{rate:,.0f}")
    show(table)
    table = new_table("Kernel", ("n_s",), ("µs a step of all",))
    for size, micro in figures["kernel_microseconds"].items():
        table.add_row(str(size), f"{micro:.0f}")
    show(table)
    table = new_table("Resets", ("images", "index"), ("pool table s", "cold µs", "warm µs", "seeded µs"))
    for cost in figures["resets"]:
        micro = (f"{cost[f'{kind}_microseconds']:.0f}" for kind in ("cold", "warm", "seeded"))
        table.add_row(f"{cost['images']:,}", cost["index"], f"{cost['table_seconds']:.1f}", *micro)
    show(table)
    if large := figures["large_index"]:
        print(
            f"{large['images']:,} images, {large['dimensions']} features, {large['index']}: "
            f"{large['table_seconds']:.0f} s, {large['peak_memory_gib']:.1f} GiB at most, "
            f"{large['candidates_microseconds']:.0f} µs a query, "
            f"recall@30 {large['recall_at_30']:.3f} against exact search"
        )


def _plot(file: Path, resets: list[ResetCost], kernel: dict[int, float]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), dpi=130, layout="constrained")
    _plot_resets(left, resets)
    _plot_kernel(right, {size: seconds * 1e6 for size, seconds in kernel.items()})
    for axes in (left, right):
        axes.grid(color=LIGHT.grid)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(file, facecolor=LIGHT.background)
    plt.close(figure)


def _plot_resets(axes: Axes, resets: list[ResetCost]) -> None:
    images = [cost.images for cost in resets]
    series = (
        ("a query's first time", "cold_microseconds", "o"),
        ("with a new shuffle", "seeded_microseconds", "^"),
        ("its graph remembered", "warm_microseconds", "s"),
    )
    for colour, (name, field, marker) in zip(LIGHT.series, series, strict=False):
        axes.plot(images, [getattr(cost, field) for cost in resets], marker=marker, color=colour, label=name)
    axes.set(xscale="log", ylim=(0, None), xlabel="images", ylabel="µs a reset", title="Reset")


def _plot_kernel(axes: Axes, micro: dict[int, float]) -> None:
    sizes, slope = list(micro), exponent(micro)
    axes.plot(sizes, list(micro.values()), marker="o", color=LIGHT.series[0], label="measured")
    middle = statistics.geometric_mean(micro.values()) / statistics.geometric_mean(sizes) ** slope
    ends = [sizes[0], sizes[-1]]
    fitted = [middle * size**slope for size in ends]
    axes.plot(ends, fitted, "--", color=LIGHT.muted, label=f"exponent {slope:.2f}")
    axes.set(
        xscale="log", yscale="log", xlabel="$n_s$", ylabel="µs a step", title="Kernel, all episodes, no copy"
    )
    axes.set_xticks(sizes, [str(size) for size in sizes])
    ticks = [
        tick for tick in (100, 200, 300, 500, 1000, 2000) if min(fitted) * 0.7 < tick < max(fitted) * 1.4
    ]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-envs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15, help="of the steps")
    parser.add_argument(
        "--table-images", type=int, default=12_936, help="of the pool table that FAISS is timed by"
    )
    parser.add_argument("--scale", action="store_true", help="10⁶ images too; takes about ten minutes more")
    parser.add_argument(
        "--scale-index", default="IVF1024,Flat;nprobe=16", help="FAISS factory string for 10⁶"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="figures as JSON on standard output")
    parser.add_argument("--out", type=Path, help="JSON; a plot is put beside it")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
