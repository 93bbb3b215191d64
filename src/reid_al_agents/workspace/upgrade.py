"""Folders of version 0.1 are brought up to date when they are opened; no answer is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_al_agents.files import OWN_BACK
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.log.tables import LABELS
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

if TYPE_CHECKING:
    from reid_al_agents.workspace.folder import Folder

_SESSION_RUN = "annotate"
"""Name that every session of version 0.1 had in its log."""

_RUN = "run"
_PAIR_LOG = 0x52654964  # application_id of version 0.1's pair log
_WORDS = {1: "same", -1: "different", 0: "cannot_tell"}


def upgrade(folder: Folder, content: Mapping[str, Any]) -> None:
    """Bring a folder of version 0.1 up to date.

    A session keeps its log; only its settings move. A run's answers and refreshes are written to a log. What
    version 0.1 kept beside them (match model, audit and suspected errors of an unfinished round) starts
    again from the answers.

    Args:
        folder: The folder.
        content: What its ``config.json`` or ``annotate.json`` holds.

    Raises:
        InputError: It is of no version of this program, or its answers cannot be read.
    """
    from reid_al_agents.workspace.kept import Kept

    try:
        settings = RunConfig.from_dict(content)
    except (KeyError, TypeError, ValueError, InputError) as error:
        file = folder.config if folder.config.is_file() else folder.path / "annotate.json"
        raise InputError(
            f"{file}: holds no settings of this program ({error}); {OWN_BACK} or begin a new one"
        ) from error
    if (folder.path / "annotate.json").is_file():
        folder.keep(Kept(settings, _SESSION_RUN))
        return
    names = {each.name for each in fields(RunConfig)} | {"fingerprint"}
    origin = {name: value for name, value in content.items() if name not in names}
    _move_answers(folder)
    folder.keep(Kept(settings, _RUN, fingerprint=content.get("fingerprint"), origin=origin))


def _move_answers(folder: Folder) -> None:
    """Write the pair log's answers, and a refresh for each line of ``metrics.jsonl``, to the log."""
    pairs = folder.path / "pairs.sqlite"
    lines = _metrics(folder.metrics)
    answers = list(_answers(pairs)) if pairs.is_file() else []
    events: list[Event] = []
    for number in range(max([len(lines), *(answer.round or 0 for answer in answers)]) + 1):
        if 0 < number <= len(lines):
            events.append(_refresh(folder, number, len(lines), lines[number - 1]))
        events += [answer for answer in answers if answer.round == number]
    with EventStore(folder.events) as log:
        log.append_many(events)
    _move_models(folder, len(lines))


def _metrics(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [dict(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); put the folder's own back") from error


def _answers(path: Path) -> Iterator[Event]:
    columns = (
        "key, round, step, query, candidate, query_name, candidate_name, answer, selector, shown_at, "
        "answered_at, probability"
    )
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as log:
            if log.execute("PRAGMA application_id").fetchone()[0] != _PAIR_LOG:
                raise InputError(f"{path}: is no pair log of version 0.1; begin a new folder")
            if log.execute("PRAGMA user_version").fetchone()[0] == 1:
                columns = columns.replace("probability", "NULL")
            rows = log.execute(f"SELECT {columns} FROM answers ORDER BY round, id").fetchall()
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read ({error}); put the folder's own back") from error
    for key, round_, step, query, candidate, query_name, candidate_name, answer, selector, *rest in rows:
        shown_at, at, probability = rest
        yield Event(
            key.removeprefix(f"{_RUN}/"),  # so that a repeated round finds its answers
            _RUN,
            "answer",
            LABELS,
            at,
            shown_at=shown_at,
            question=key.removeprefix(f"{_RUN}/"),
            query=query,
            candidate=candidate,
            query_name=query_name,
            candidate_name=candidate_name,
            answer=_WORDS[answer],
            question_kind="policy",
            selector=selector,
            probability=probability,
            round=round_,
            step=step,
        )


def _refresh(folder: Folder, number: int, last: int, line: dict[str, Any]) -> Event:
    payload = {**line, "folder": str(folder.round(number).relative_to(folder.path))}
    return Event(f"refresh/{number}", _RUN, "refresh", "", time.time(), round=number, payload=payload)


def _move_models(folder: Folder, rounds: int) -> None:
    """The last checkpoint becomes the last round's folder."""
    checkpoint = folder.path / "checkpoint" / str(rounds)
    target = folder.round(rounds)
    if rounds and checkpoint.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.rename(target)
        start = target / "start.safetensors"
        if start.is_file():
            start.rename(folder.start)
