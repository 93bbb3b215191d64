"""Keep the figures of a run: ``python benchmarks/keep_run.py RUN benchmarks/results/NAME.json``.

The file holds the run's settings, command, commit and machine, and the metrics of every round without the
return of each single query.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(run: Path, out: Path) -> None:
    """Write ``out`` from the run's ``config.json`` and ``metrics.jsonl``."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rounds = [{k: v for k, v in json.loads(line).items() if k != "returns"} for line in lines]
    origin = {name: config.pop(name) for name in ("command", "commit", "machine", "versions")}
    result = {**origin, "seed": config["seed"], "settings": config, "rounds": rounds}
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
