"""Whether the annotation server stays as it is over half an hour: memory, open files and threads."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from annotation_load import DATA, Person, cpu_seconds, serve, wait_until_ready
from recording import new_table, run, show, write_result
from scipy.stats import linregress, t

from reid_al_agents.annotate.server.serving import free_port

MOST_GROWTH = 2.0
"""Per cent of its memory by which a server that counts as flat may grow in half an hour."""

WARM_UP = 1 / 3
"""Share of the samples before the slope is taken: caches fill, and the allocator keeps what it got."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument(
        "--think", type=float, default=6.0, help="mean seconds between two answers of a person"
    )
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two samples")
    parser.add_argument("--refresh-every", type=int, default=300, help="answers between two refreshes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the figures there")
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    if options.out is not None:
        kept = ("minutes", "people", "think", "every", "refresh_every")
        write_result(options.out, (options.seed,), {name: getattr(options, name) for name in kept}, figures)
    table = new_table("Annotation server", ("what",), ("first", "last", "slope an hour"))
    for what, slope in figures["slope_per_hour"].items():
        samples = figures["samples"][what]
        table.add_row(what, str(samples[0]), str(samples[-1]), str(slope))
    show(table)
    print(json.dumps({name: value for name, value in figures.items() if name != "samples"}))


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port("127.0.0.1", 0)
        often = (
            "--refresh",
            "cluster",
            "--refresh-steps",
            "40",
            "--refresh-every",
            str(options.refresh_every),
        )
        server = serve(Path(folder), port, options.seed, often)
        try:
            base = f"http://127.0.0.1:{port}"
            await wait_until_ready(base)
            people: list[Person] = []
            closed: list[float] = []
            end = time.monotonic() + 60 * options.minutes
            work = [live(base, options, number, end, people, closed) for number in range(options.people)]
            samples, *_ = await asyncio.gather(watch(server, options.every, end), *work)
        finally:
            server.terminate()
            code = server.wait()
        rounds = [path.name for path in Path(folder, "session", "rounds").glob("*")]
    return {
        "data": DATA,
        "answers": sum(len(person.waits) for person in people),
        "errors": [error for person in people for error in person.errors],
        "connections_closed_while_idle": len(closed),
        "refreshes": max(map(int, rounds), default=0),
        "exit_code": code,
        **verdict(samples),
        "samples": samples,
    }


async def live(
    base: str, options: argparse.Namespace, number: int, end: float, people: list[Person], closed: list[float]
) -> None:
    """One person who looks at each pair for a while."""
    rng = np.random.default_rng([options.seed, number])
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        person = Person(client, f"person{number}")
        people.append(person)
        await person.enter()
        while time.monotonic() < end:
            await asyncio.sleep(float(rng.exponential(options.think)))
            try:
                if not person.hand:
                    await person.refill()
                if person.hand:
                    await person.answer(look=True)
            except httpx.ReadError:  # the server closes connections that were idle, maybe just now
                closed.append(time.monotonic())


async def watch(server: subprocess.Popen[bytes], every: float, end: float) -> dict[str, list[float]]:
    """Sample the server's process, not that of a refresh, until the end."""
    samples: dict[str, list[float]] = {
        name: [] for name in ("seconds", "memory_mb", "files", "threads", "cpu_seconds")
    }
    start, at_start = time.monotonic(), cpu_seconds(server.pid)
    while time.monotonic() < end:
        await asyncio.sleep(every)
        row = (round(time.monotonic() - start, 1), *sample(server.pid), cpu_seconds(server.pid) - at_start)
        for name, value in zip(samples, row, strict=True):
            samples[name].append(round(value, 2))
    return samples


def sample(process: int) -> tuple[float, int, int]:
    """Resident memory in MB, open files and threads of a process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line
    )
    memory = int(status["VmRSS"].split()[0]) / 1000
    return memory, len(os.listdir(f"/proc/{process}/fd")), int(status["Threads"])


def verdict(samples: dict[str, list[float]]) -> dict[str, Any]:
    """Slopes by least squares after the warm-up; flat where memory grows little and the rest does not.

    Open connections make the files go up and down by some, so files and threads count as growing where the
    95 % interval of their slope is above 0.
    """
    first = int(WARM_UP * len(samples["seconds"]))
    hours = np.array(samples["seconds"][first:]) / 3600
    lines = {name: linregress(hours, samples[name][first:]) for name in ("memory_mb", "files", "threads")}
    slopes = {name: float(line.slope) for name, line in lines.items()}
    error = float(t.ppf(0.975, len(hours) - 2))
    margins = {name: error * float(line.stderr) for name, line in lines.items()}
    memory = float(np.mean(samples["memory_mb"][first:]))
    growth = 100 * slopes["memory_mb"] / 2 / memory
    more = [name for name in ("files", "threads") if slopes[name] > margins[name]]
    return {
        "slope_per_hour": {name: round(slope, 2) for name, slope in slopes.items()},
        "half_width_of_slope": {name: round(margin, 2) for name, margin in margins.items()},
        "memory_growth_percent_in_half_an_hour": round(growth, 2),
        "cpu_share_of_a_core": round(samples["cpu_seconds"][-1] / samples["seconds"][-1], 3),
        "flat": growth <= MOST_GROWTH and not more,
    }


if __name__ == "__main__":
    run(main)
