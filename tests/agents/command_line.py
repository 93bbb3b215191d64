"""``reid-al`` in this process, which spares the seconds of importing torch, or as a process of its own."""

import contextlib
import io
import json
import os
import subprocess
import sys

import pytest

from reid_al_agents.cli import main

TINY = "synthetic:tiny?identities=14&cameras=3"
SMALL = ["--backbone", "small_cnn", "--size", "64x32"]
COMMANDS = (
    "add", "annotate", "benchmark", "datasets", "demo", "doctor", "embed", "evaluate", "export", "import",
    "remove", "run", "score", "train", "weights",
)  # fmt: skip
FEW = ["--pool-size", "8", "--budget", "4", "--k", "4"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def call(*arguments):
    """Run a command in this process: exit code, standard output, standard error."""
    shown, told = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(told),
    ):
        patch.setattr(sys, "argv", ["reid-al", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code, shown.getvalue(), told.getvalue()


def succeeded(*arguments):
    """Run a command with ``--json`` and return its object."""
    code, shown, told = call(*arguments, "--json")
    assert code == 0, told
    return json.loads(shown)


def failed(*arguments):
    """Run a command that is to be refused and return its one line."""
    code, shown, told = call(*arguments)
    assert (code, shown) == (2, ""), told
    lines = [line for line in told.splitlines() if line.strip()]
    assert len(lines) == 1, told
    assert lines[0].startswith("reid-al: error: ")
    return lines[0]


def process(*arguments, **more):
    """Run a command as a process."""
    command = [sys.executable, "-m", "reid_al_agents.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=300, **more
    )
