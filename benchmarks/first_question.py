"""How long after the command the page has its first question."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from annotation_load import Person
from recording import new_table, run, show, write_result

from reid_al_agents.annotate.server.serving import free_port
from reid_al_env import InputError

_LONGEST = 600.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="All other options are those of reid-al annotate."
    )
    parser.add_argument("folder", type=Path, help="images; their first ones by name are used")
    parser.add_argument("--images", type=int, default=2000, help="how many")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--out", type=Path, help="keep the figures there")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as place:
        crops = Path(place) / "crops"
        link(options.folder, options.images, crops)
        seconds = [
            asyncio.run(
                measure(crops, Path(place) / f"session{number}", [*more, "--seed", str(options.seed)])
            )
            for number in range(options.repeats)
        ]
    figures = {"images": options.images, "first_question_seconds": seconds}
    if options.out is not None:
        settings = {"folder": options.folder, "images": options.images, "annotate": more}
        write_result(options.out, (options.seed,), settings, figures)
    if options.json:
        print(json.dumps(figures))
        return
    table = new_table("First question", ("session",), ("images", "seconds after the command"))
    for number, value in enumerate(seconds, start=1):
        table.add_row(str(number), str(options.images), str(value))
    show(table)


def link(folder: Path, count: int, crops: Path) -> None:
    """Make a folder of links to the first images."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(found) < count:
        raise InputError(f"{folder}: holds {len(found)} images, fewer than --images {count}")
    crops.mkdir()
    for path in found[:count]:
        (crops / path.name).symlink_to(path.resolve())


async def measure(crops: Path, session: Path, more: list[str]) -> float:
    """Seconds from the command until a browser has the first question."""
    port = free_port("127.0.0.1", 0)
    command = [
        sys.executable,
        "-m",
        "reid_al_agents.cli",
        "annotate",
        f"folder:{crops}",
        "--out",
        str(session),
    ]
    started = time.perf_counter()
    server = subprocess.Popen([*command, "--port", str(port), "--no-open", *more], stderr=subprocess.DEVNULL)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            person, entered = Person(client, "first"), False
            while not person.hand:
                if server.poll() is not None or time.perf_counter() - started > _LONGEST:
                    raise InputError("no question came: see what reid-al annotate says with these options")
                await asyncio.sleep(0.1)
                try:
                    if not entered:
                        await person.enter()
                        entered = True
                    await person.refill()
                except httpx.TransportError:  # it does not listen yet
                    continue
            return round(time.perf_counter() - started, 1)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    run(main)
