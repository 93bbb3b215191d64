"""The command line, ``reid-al``: one file per command."""

from __future__ import annotations

import os
import sys

from reid_al_env import InputError


def main() -> None:
    """Run ``reid-al``; bad input gives one line on standard error and exit code 2."""
    # Waiting threads sleep instead of spinning: a tenth slower alone, but 2.6 times as fast where other work
    # wants the same cores. It is read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from reid_al_agents.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reid_al"):
            raise
        _fail(f'{error.name} is not installed; pip install "reid-active-learning[agents]"')
    try:
        app()
    except InputError as error:
        _fail(" ".join(str(error).split()))


def _fail(message: str) -> None:
    print(f"reid-al: error: {message}", file=sys.stderr)
    sys.exit(2)
