"""``metrics.jsonl``: the figures of each round, made from the refreshes in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_al_agents.files import write_text


def write_metrics(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write the figures, a line a round."""
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def count_metrics(path: Path) -> tuple[int, bool]:
    """Number of whole lines, and whether there is anything else."""
    if not path.is_file():
        return 0, path.exists()
    content = path.read_bytes()
    whole = [_is_metrics(line) for line in content.splitlines()]
    return sum(whole), not all(whole) or not content.endswith(b"\n")


def _is_metrics(line: bytes) -> bool:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "round" in content
