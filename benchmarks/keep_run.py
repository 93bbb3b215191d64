"""Keep the figures of a run: ``python benchmarks/keep_run.py RUN benchmarks/results/NAME.json``.

The file holds the run's settings, command, commit and machine, and the metrics of every round without the
return of each single query.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from recording import run

from reid_al_agents.files import write_text
from reid_al_agents.workspace.folder import Folder


def keep(path: Path, out: Path) -> None:
    """Write ``out`` from the run's ``config.json`` and ``metrics.jsonl``.

    Raises:
        InputError: There is no run, or the file cannot be written.
    """
    folder = Folder(path)
    kept = folder.kept()
    lines = folder.metrics.read_text(encoding="utf-8").splitlines()
    rounds = [{k: v for k, v in json.loads(line).items() if k != "returns"} for line in lines]
    result = {
        **kept.origin,
        "seed": kept.settings.seed,
        "settings": kept.settings.as_dict(),
        "rounds": rounds,
    }
    write_text(out, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: keep_run.py RUN FILE")
    run(lambda: keep(Path(sys.argv[1]), Path(sys.argv[2])))
