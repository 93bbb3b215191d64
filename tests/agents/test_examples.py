"""The examples run as they stand."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEARNS = {  # where in the output the returns without and with learning stand
    "masked_dqn.py": r"random (?P<without>[\d.]+), .* answers (?P<learned>[\d.]+)",
    "cleanrl_dqn.py": r"answers: (?P<learned>[\d.]+) .* (?P<without>[\d.]+) over the first",
    "torchrl_ppo.py": r"random (?P<without>[\d.]+), .* PPO (?P<learned>[\d.]+)",
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_example_runs(name):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if name in LEARNS and "is not installed" not in done.stdout:
        returns = re.search(LEARNS[name], done.stdout)
        assert float(returns["learned"]) > float(returns["without"])


def test_a_speed_is_kept_with_the_number_of_threads(monkeypatch):
    folder = EXAMPLES.parent / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    spec = importlib.util.spec_from_file_location("benchmark_throughput", folder / "throughput.py")
    throughput = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(throughput)
    options = argparse.Namespace(seed=3, rounds=2)
    for threads in ("1", None):
        if threads is None:
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert throughput.settings(options) == {"seed": 3, "rounds": 2, "OMP_NUM_THREADS": threads}


def test_the_readme_shows_every_example_of_the_environment_as_it_runs():
    """The README's Python block is executed as it stands."""
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert "@@" not in readme
    code = readme.split("```python\n")[1].split("```")[0]
    namespace: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), namespace)
    assert namespace["terminated"] is True
