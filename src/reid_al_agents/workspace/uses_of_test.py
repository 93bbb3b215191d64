"""A record of each use of the test identities, which are to be looked at seldom."""

from __future__ import annotations

import json
import time
from pathlib import Path

from reid_al_agents.files import make_folder


def log_test_use(folder: Path, command: str) -> None:
    """Append to ``test_uses.jsonl`` that the test identities were used, when and by which command."""
    use = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command}
    with (make_folder(folder) / "test_uses.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(use) + "\n")
