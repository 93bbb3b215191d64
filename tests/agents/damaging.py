"""Folders of a run and of a session, ways to damage their files, and what became of a command then."""

import contextlib
import io
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.cli import main
from reid_al_agents.experiment.run import run
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import synthetic_features

LONGEST = 60  # seconds after which a command hangs
DEEP = b"[" * 100_000

KINDS = {
    "cut in half": lambda content, place: content[: len(content) // 2],
    "emptied": lambda content, place: b"",
    "text": lambda content, place: b"these are somebody's notes, and no file of ours\n" * 200,
    "picture": lambda content, place: b"\x89PNG\r\n\x1a\n" + b"\0" * 4000,
    "JSON of another kind": lambda content, place: b'{"a": [1, 2, {"b": null}]}',
    "nested 100,000 deep": lambda content, place: DEEP,
    "an object nested 100,000 deep": lambda content, place: b'{"format": ' * 100_000,
    "one byte flipped": lambda content, place: flip(content, place, 0xFF),
    "one bit flipped": lambda content, place: flip(content, place, 1),
    "a line end in the middle": lambda content, place: content[:place] + b"\n" + content[place + 1 :],
}
"""Content of a damaged file by what happened to it, from the content before and a place in it."""


def flip(content, place, bits):
    if not content:
        return content
    place %= len(content)
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


def features_run(folder):
    """A finished run on features, with a policy that learned: no network, so that a command takes moments."""
    data = folder.parent / f"{folder.name}-features.npz"
    synthetic_features(14, 4, noise=0.5, seed=1).save(data)
    config = RunConfig(
        str(data), refresh="none", evaluate_on="none", nodes="images", selector="dqn", pool_size=8, k=4,
        budget=2, answers=24, rounds=2,
    )  # fmt: skip
    run(config, assemble(config, keep_split=folder / "split.json"), folder)


def image_session(folder):
    """A session that labels began, with an adapted start, a refreshed model, and a person's answers."""
    config = RunConfig(
        data="synthetic:tiny?identities=8&cameras=2", backbone="small_cnn", size=(32, 16), refresh_steps=1,
        pool_size=6, k=3, evaluate_on="none", answers=8, rounds=1,
    )  # fmt: skip
    run(config, assemble(config, keep_split=folder / "split.json"), folder)
    with open_session(config, AnnotationSettings(gold_share=0.0, refresh_every=None), folder) as opened:
        for number in range(3):
            (question,) = _served(opened)
            opened.session.answer("anna", question.id, "different", f"anna-{number}", 1.5)


def _served(opened):
    while not (served := opened.session.questions("anna", 1)).questions:
        opened.executor.submit(lambda: None).result()
    return served.questions


def files_of(folder):
    """The files that are read again, by their place below the folder."""
    made = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    unread = (
        "report.html",
        "folder.lock",
        ".csv",
        "events.jsonl",
        "labelstudio",
        "-wal",
        "-shm",
        ".png",
        ".jpg",
    )
    return [name for name in made if not name.endswith(unread) and "labelstudio" not in name]


@dataclass
class Outcome:
    """How a command ended, in one word, and what it said."""

    word: str
    said: str


def command(*arguments):
    """Run a command in this process; exit code, and what it said on standard error."""
    told = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(told),
    ):
        patch.setattr(sys, "argv", ["reid-al", *map(str, arguments)])
        patch.setenv("COLUMNS", "1000")
        patch.setattr("reid_al_agents.experiment.run.write_run_page", lambda *args, **options: None)
        patch.setattr("reid_al_agents.annotate.terminal.answer_here", lambda *args, **options: None)
        patch.setattr("reid_al_agents.annotate.refreshes.Refreshes.start_if_due", lambda self: None)
        try:
            main()
        except SystemExit as ended:
            return ended.code, told.getvalue()
        except Exception:
            return 1, traceback.format_exc()
    return None, told.getvalue()


ARGUMENTS = {
    "run": lambda folder: ("run", folder),
    "annotate": lambda folder: ("annotate", folder, "--terminal", "anna"),
    "export": lambda folder: ("export", folder, "--out", folder / "exported"),
}


def results(folder):
    """What must not change unremarked: events, exported tables, and the identities that were formed."""
    kept = Folder(folder).kept()
    with EventStore(Folder(folder).events) as log:
        events = log.events(kept.run)
    exported = {
        name: (folder / "exported" / name).read_bytes()
        for name in ("pairs.csv", "identities.csv", "events.jsonl")
        if (folder / "exported" / name).is_file()
    }
    with np.load(Folder(folder).groups) as groups:
        return kept.settings, kept.run, events, exported, groups["groups"].tolist()


def judge(what, folder, name, expected):
    """Run a command on a damaged folder: refused, harmless, traceback, hang, unclear or silently wrong."""

    def ring(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST)
    try:
        code, told = command(*ARGUMENTS[what](folder))
    except TimeoutError:
        return Outcome("hang", "")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith("note: ")]
    if code == 2:
        one = [line for line in lines if line.startswith("reid-al: error: ")]
        clear = len(one) == len(lines) == 1 and (name in one[0] or name.rpartition("/")[2] in one[0])
        return Outcome("refused" if clear else "unclear", told)
    if code != 0:
        return Outcome("hang" if "TimeoutError" in told else "traceback", told)
    if name == "groups.npz":  # written again by a run, and read by the demo only
        return Outcome("harmless", told)
    same = results(folder) == expected[what] or any(name in line for line in told.splitlines())
    return Outcome("harmless" if same else "silently wrong", told)


def damage(path, kind, place=0):
    """Damage a file; whether it differs from before."""
    if kind == "a folder":
        path.unlink()
        path.mkdir()
        return True
    before = path.read_bytes()
    after = KINDS[kind](before, place % max(len(before), 1))
    path.write_bytes(after)
    return after != before


def settle(folder):
    """Put the log into one file, so that what is damaged is all there is."""
    with contextlib.closing(sqlite3.connect(folder / "events.sqlite")) as log:
        log.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Tally(Counter):
    """Counts outcomes and keeps what was bad about them."""

    def __init__(self):
        super().__init__()
        self.bad = []

    def take(self, case, outcome):
        self[outcome.word] += 1
        if outcome.word not in ("refused", "harmless"):
            self.bad.append(f"{case}: {outcome.word}: {outcome.said[-1500:]}")
