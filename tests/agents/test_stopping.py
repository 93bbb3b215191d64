"""Signals at any moment of any command: one line, the usual exit code, and it goes on from there."""

import itertools
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from command_line import ENVIRONMENT
from killing import events_of, remains_of
from stopped_at import reid_al

from reid_al_env import synthetic_features

GO_ON = {
    "reid-al: stopped; go on with --resume": ["--resume"],
    "reid-al: stopped; go on with the same command": [],
}
NAMED = re.compile(r"reid-al: stopped; reid-al (run|annotate) (\S+) goes on")
TRAINS = [
    "--backbone",
    "small_cnn",
    "--size",
    "32x16",
    "--refresh-steps",
    "8",
    "--pool-size",
    "12",
    "--k",
    "6",
]
TINY = "synthetic:tiny?identities=14&cameras=3"
COMMANDS = {
    "run on features": lambda features: [
        *("run", features, "--pool-size", "12", "--k", "6", "--answers", "40", "--rounds", "2"),
    ],
    "run that trains": lambda features: ["run", TINY, *TRAINS, "--answers", "20", "--rounds", "2"],
    "annotate": lambda features: [
        *("annotate", TINY, "--backbone", "small_cnn", "--size", "32x16", "--refresh", "none"),
        *("--gold-share", "0", "--terminal", "anna"),
    ],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Gives, by name, a command's arguments, the folder it leaves, and how many functions it calls."""
    made = {}
    features = tmp_path_factory.mktemp("stopping") / "features.npz"
    synthetic_features(16, 6, noise=0.5, seed=1).save(features)

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("whole")
            arguments = COMMANDS[name](features)
            ended = reid_al(*arguments, "--out", folder / "out", log=folder / "log", counts=True)
            assert ended.code == 0, ended.told
            made[name] = arguments, folder / "out", ended.calls
        return made[name]

    return of


def go_on(line, arguments):
    """The command that goes on, as the line says it."""
    named = NAMED.fullmatch(line)
    if named is None:
        return [*arguments, *GO_ON[line]]
    terminal = ["--terminal", "anna"] if "--terminal" in arguments else []  # where to answer is no setting
    return [*named.groups(), *terminal]


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("run on features", 1),
        ("run that trains", 1),
        ("annotate", 2),
        *(pytest.param(name, 40, marks=pytest.mark.slow) for name in COMMANDS),
    ],
)
def test_a_command_that_is_stopped_at_any_moment_says_so_and_goes_on(whole, tmp_path, name, stops):
    arguments, unbroken, calls = whole(name)
    rng = np.random.default_rng(stops)
    edges = np.linspace(1, calls, stops + 1).astype(int)
    signals = itertools.cycle([signal.SIGTERM, signal.SIGINT])
    over = 0  # how often it was over before: threads that wait call more or fewer functions from time to time
    for (low, high), number in zip(itertools.pairwise(edges), signals, strict=False):
        out, moment = tmp_path / str(low), int(rng.integers(low, high))
        ended = reid_al(*arguments, "--out", out, log=tmp_path / "log", stop_at=moment, number=number)
        if ended.code == 0 and ended.calls < moment:
            over += 1
            continue
        assert ended.code == 128 + number, (moment, ended.told)
        assert ended.told.count("reid-al: stopped") == 1
        assert not any(word in ended.told for word in ("Traceback", "ignored", "error")), (moment, ended.told)
        more = go_on(ended.told.splitlines()[-1], [*arguments, "--out", str(out)])
        ended = reid_al(*more, log=tmp_path / "log")
        assert ended.code == 0, (moment, more, ended.told)
        assert not list(out.rglob(".*.tmp"))
        if name == "annotate":
            answers = [event for event in events_of(out) if event["kind"] == "answer"]
            assert [event["key"] for event in answers] == [f"key-{given}" for given in range(20)]
        else:
            assert remains_of(out) == remains_of(unbroken), moment
    assert over <= stops // 4


def test_a_session_is_stopped_while_it_refreshes(tmp_path):
    arguments = ["annotate", TINY, *TRAINS[:6], "--no-adapt", "--gold-share", "0", "--terminal", "anna"]
    ended = reid_al(*arguments, "--out", tmp_path / "out", log=tmp_path / "log", refreshes=True)
    assert ended.code == 143, ended.told
    assert ended.told.splitlines()[-1] == f"reid-al: stopped; reid-al annotate {tmp_path / 'out'} goes on"
    assert "Traceback" not in ended.told
    assert sum(event["kind"] == "answer" for event in events_of(tmp_path / "out")) == 20
    ended = reid_al("annotate", tmp_path / "out", "--terminal", "anna", log=tmp_path / "log")
    assert ended.code == 0, ended.told


CASES = {
    "finalizer": """
        class Kept:
            def __del__(self):
                stop()
        def command():
            kept = Kept()
            del kept
            print("went on")
    """,
    "event loop": """
        import asyncio
        async def serve():
            asyncio.get_running_loop().call_soon(stop)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            print("went on")
        def command():
            asyncio.run(serve())
    """,
    "import that tries": """
        import pathlib, tempfile
        folder = tempfile.mkdtemp()
        pathlib.Path(folder, "tries_out.py").write_text(
            "import os, signal\\ntry:\\n    os.kill(os.getpid(), signal.SIGTERM)\\n    2 + 2\\n"
            "except BaseException:\\n    pass\\nprint('went on')\\n"
        )
        sys.path.insert(0, folder)
        def command():
            import tries_out
    """,
    "loop that catches all": """
        stopping.PATIENCE = 0.1
        def command():
            first = True
            while True:
                try:
                    if first:
                        first = False
                        stop()
                except BaseException:
                    pass
    """,
    "error made of it": """
        def command():
            try:
                stop()
            except BaseException as error:
                raise ValueError("something else") from error
    """,
    "second while closing": """
        def command():
            try:
                stop()
            finally:
                stop()
                print("went on")
    """,
    "before the command": """
        stop()
        def command():
            print("went on")
    """,
    "after the command": """
        import atexit
        atexit.register(stop)
        def command():
            sys.exit(0)
    """,
    "fork": """
        def command():
            import time
            if (child := os.fork()) == 0:
                stop()
                print("went on")
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143
            stop()
    """,
}
HARNESS = """
import os, signal, sys, textwrap
from reid_al_agents.cli import stopping
def stop():
    os.kill(os.getpid(), signal.SIGTERM)
    return None
stops = stopping.Stops()
stops.install()
exec(textwrap.dedent(sys.argv.pop()))
try:
    stops.call(command)
except BaseException:
    if stops.signal is None:
        raise
    stops.leave()
"""


@pytest.mark.parametrize("case", CASES)
def test_no_moment_swallows_a_stop(case):
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, CASES[case]],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "reid-al: stopped\n")
