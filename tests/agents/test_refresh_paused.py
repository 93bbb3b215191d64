"""A refresh beside the page: paused, of low priority, one thread fewer."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from live_world import opened, pool

from reid_al_agents.annotate import refresh_process
from reid_al_agents.annotate.messages import Conflict
from reid_al_agents.annotate.refresh_work import GO_ON, PAUSE
from reid_al_agents.annotate.refreshes import _environment


def test_a_pause_halts_the_process_at_its_next_step_and_it_goes_on_after_it(monkeypatch, capsys):
    reading, writing = os.pipe()
    ended = threading.Event()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    listening = threading.Thread(target=refresh_process._obey_parent)
    listening.start()
    progress, steps = refresh_process._Progress(), []

    def train():
        for step in range(3):
            progress("train", 3, 3)
            steps.append(step)

    with os.fdopen(writing, "w", buffering=1) as parent:
        parent.write(f"{PAUSE}\n")
        while refresh_process._may_run.is_set():
            pass
        training = threading.Thread(target=train)
        training.start()
        training.join(0.2)
        assert steps == []
        parent.write(f"{GO_ON}\n")
        training.join()
        assert steps == [0, 1, 2]
        assert not ended.is_set()
    listening.join()
    assert ended.is_set()  # the parent is gone
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_session_pauses_what_runs_and_nothing_else(tmp_path):
    features = pool()
    np.savez(tmp_path / "features.npz", features=features.features)
    (tmp_path / "hold").touch()
    with opened(tmp_path, features) as world:
        refreshing = world.refreshing
        with pytest.raises(Conflict, match="none runs"):
            refreshing.pause(True)
        refreshing.start()
        while refreshing.state["state"] == "waiting":
            pass
        refreshing.pause(True)
        assert refreshing.state["state"] == "paused"
        with pytest.raises(Conflict, match="one runs already"):
            refreshing.start()
        refreshing.pause(False)
        assert refreshing.state["state"] == "running"
        refreshing.pause(True)
    assert not refreshing.running  # a paused one ends with the session


def test_the_process_leaves_a_core_to_the_page_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert _environment()["OMP_NUM_THREADS"] == str(max(1, cores - 1))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert _environment()["OMP_NUM_THREADS"] == "7"


def test_the_process_gives_way_to_others():
    priority = "import os; print(os.nice(0))"
    usual = subprocess.run([sys.executable, "-c", priority], capture_output=True, check=True)
    script = (
        "import os, sys; from reid_al_agents.annotate import refresh_process as process;"
        "process.Work = lambda **work: (print(os.nice(0)), sys.stdout.flush(), os._exit(0));"
        "process.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], input=b"{}", capture_output=True, check=True)
    assert int(done.stdout) == min(19, int(usual.stdout) + 10)
