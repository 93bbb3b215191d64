"""The command line as a process: what it imports before a command runs, and how signals end it."""

import signal
import subprocess
import sys

import pytest
from command_line import COMMANDS, ENVIRONMENT, SMALL, TINY

HEAVY = (
    "torch", "torchvision", "sklearn", "scipy", "matplotlib", "faiss", "fastapi", "uvicorn", "sqlalchemy",
    "stable_baselines3", "sb3_contrib", "pytorch_metric_learning", "timm", "pandas",
)  # fmt: skip

HELP = """
import sys
from reid_al_agents.cli import main
sys.argv = ["reid-al", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted(set(sys.modules) & {heavy!r}), file=sys.stderr)
"""

STOPPED = """
import os, signal, sys
from reid_al_agents.cli import main

class AtThatMoment:
    '''Stops the process when a module is about to be imported.'''
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, AtThatMoment())
sys.argv = ["reid-al", *sys.argv[1:]]
main()
"""


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments):
    done = python(HELP.format(heavy=set(HEAVY)), *arguments, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "module",
    ["typer", "reid_al_env", "reid_al_agents.cli.run", "reid_al_agents.files", "torch._tensor", "faiss"],
)
def test_a_signal_at_any_moment_is_one_line(tmp_path, name, module):
    """At the start, while the commands are read, and while a command imports what it needs."""
    code = STOPPED.format(module=module, signal=name)
    done = python(code, "run", "synthetic:tiny", "--backbone", "small_cnn", "--out", tmp_path / "out")
    assert done.returncode == 128 + getattr(signal, name), done.stderr
    assert done.stderr == "reid-al: stopped; go on with the same command\n"
    assert done.stdout == ""


def test_what_cannot_be_resumed_does_not_say_so(tmp_path):
    code = STOPPED.format(module="reid_al_agents.cli.embed", signal="SIGINT")
    done = python(code, "embed", TINY, "--out", tmp_path / "features.npz")
    assert (done.returncode, done.stderr) == (130, "reid-al: stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_the_page_is_served_until_a_signal(tmp_path, number):
    pytest.importorskip("fastapi")
    command = [sys.executable, "-m", "reid_al_agents.cli", "annotate", TINY, *SMALL, "--refresh", "none"]
    command += ["--no-open", "--port", "0", "--out", str(tmp_path / "session")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as served:
        assert any("http://127.0.0.1:" in line for line in served.stderr)  # waits until it is served
        served.send_signal(number)
        rest = served.stderr.read()
        assert served.wait() == 128 + number, rest
    assert rest == f"reid-al: stopped; reid-al annotate {tmp_path / 'session'} goes on\n"
