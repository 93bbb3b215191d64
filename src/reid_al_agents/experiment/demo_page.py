"""The demo's page: two sentences, questions as asked, identities as formed, and what answers bought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet, load_split
from reid_al_agents.data.synthetic import load_synthetic
from reid_al_agents.experiment.demo import DEFAULT, PAPER, DemoSettings
from reid_al_agents.files import read_arrays, write_text
from reid_al_agents.log.store import EventStore
from reid_al_agents.report.gallery import Identity, Question, draw_identities, draw_questions
from reid_al_agents.report.html import KeyFigure, PageFigure, render_page
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.plots import new_figure, plot_by_answers
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import START
from reid_al_agents.report.table import results_table
from reid_al_agents.report.theme import Theme
from reid_al_agents.workspace.folder import Folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTIONS = 6
IMAGES = 14
"""Shown of an identity at most."""

_PIXELS = (128, 64)


def gained(rows: Sequence[ResultRow]) -> str:
    """Say in two sentences what an answer bought, the default way and the paper's.

    Args:
        rows: As :func:`~.demo.run_demo` returns them.
    """
    start = next(row for row in rows if row.selector == START)
    first = next(row for row in rows if row.selector == DEFAULT.name)
    ours, paper = (_last(rows, way.name) for way in (DEFAULT, PAPER))
    model = (
        f"{ours.answers} answers, one per image, took the model from {_map(start):.1f} to {_map(ours):.1f} "
        f"mAP the default way ({_per_hundred(start, ours):.1f} points per 100 answers) and to "
        f"{_map(paper):.1f} the paper's way ({_per_hundred(start, paper):.1f} points)."
    )
    identities = (
        f"The identities formed have a pairwise F1 of {_f1(ours):.2f} against {_f1(paper):.2f}; the default "
        f"way had {_f1(first):.2f} of it, and {_map(first) - _map(start):.1f} of the points of mAP, from the "
        "images alone, before the first answer."
    )
    return f"{model} {identities}"


def questions_asked(out: Path, images: ImageSet) -> list[Question]:
    """Choose questions of the default way that were hardest to foresee, matches and others in turn.

    Args:
        out: The demo's folder.
        images: The pool.
    """
    folder = Folder(out / DEFAULT.folder)
    with EventStore(folder.events) as log:
        answers = [one for one in log.events(folder.kept().run, kind="answer") if one.probability is not None]
    answers.sort(key=lambda one: abs((one.probability or 0.0) - 0.5))
    by_answer = {said: [one for one in answers if one.answer == said] for said in ("same", "different")}
    turns = [("same", "different")[place % 2] for place in range(QUESTIONS)]
    chosen = [by_answer[said].pop(0) for said in turns if by_answer[said]]
    pairs = [images.read([one.query or 0, one.candidate or 0], _PIXELS) for one in chosen]
    return [
        Question(pixels[0], pixels[1], one.answer == "same")
        for pixels, one in zip(pairs, chosen, strict=True)
    ]


def identities_formed(out: Path, images: ImageSet) -> list[Identity]:
    """Choose identities that the default way formed: a large one, one of middling size and a small one.

    Args:
        out: The demo's folder.
        images: The pool.
    """
    groups = read_arrays(Folder(out / DEFAULT.folder).groups)["groups"]
    sizes = np.bincount(groups)
    several = [group for group in np.argsort(-sizes, kind="stable") if sizes[group] > 2]
    places = (np.array([1, 3, 5]) * len(several) // 6).tolist()
    return [_identity(images, np.flatnonzero(groups == several[place])) for place in places]


def demo_pool(out: Path, settings: DemoSettings) -> ImageSet:
    """The images that were asked about.

    Args:
        out: The demo's folder.
        settings: The demo's.
    """
    images = load_synthetic(settings.target)
    return images.subset(load_split(out / "split.json").pool(images))


def write_demo_page(
    out: Path, rows: Sequence[ResultRow], settings: DemoSettings, provenance: Provenance
) -> None:
    """Write the demo's ``report.html``.

    Args:
        out: The demo's folder.
        rows: As :func:`~.demo.run_demo` returns them.
        settings: The demo's.
        provenance: Where the rows are from.

    Raises:
        InputError: The file cannot be written.
    """
    images = demo_pool(out, settings)
    asked, formed = questions_asked(out, images), identities_formed(out, images)
    figures = [
        PageFigure(
            "It asks: the same person?",
            lambda theme: _strip(asked, theme),
            "Pairs of rendered people with the answer to each",
            wide=True,
        ),
        PageFigure(
            "It forms identities; what is wrong has a red frame",
            lambda theme: _sheet(formed, theme),
            "The images of three identities; those that do not belong have a red frame",
            wide=True,
        ),
        PageFigure(
            "How right the identities are (1: no error)",
            lambda theme: plot_by_answers(rows, "pairwise_f1", theme=theme),
            "Pairwise F1 of the identities by number of answers, both ways",
        ),
        PageFigure(
            "How well the model finds new people (mAP)",
            lambda theme: plot_by_answers(rows, "map", theme=theme),
            "mAP of the model by number of answers, both ways",
        ),
    ]
    page = render_page(
        "Demo: rendered people at new cameras",
        gained(rows),
        _key_figures(rows),
        figures,
        [results_table(rows, "Every round")],
        provenance,
    )
    write_text(out / "report.html", page)


def _strip(asked: Sequence[Question], theme: Theme) -> Figure:
    figure, axes = new_figure((11, 1.95), theme)
    draw_questions(axes, asked, theme)
    return figure


def _sheet(formed: Sequence[Identity], theme: Theme) -> Figure:
    figure, axes = new_figure((11, 4.4), theme)
    draw_identities(axes, formed, theme)
    return figure


def _key_figures(rows: Sequence[ResultRow]) -> list[KeyFigure]:
    start = next(row for row in rows if row.selector == START)
    ours, paper = (_last(rows, way.name) for way in (DEFAULT, PAPER))
    return [
        KeyFigure(f"{ours.answers}", "answers, one per image"),
        KeyFigure(f"{_f1(ours):.2f}", "pairwise F1 of the identities, default way"),
        KeyFigure(f"{_f1(paper):.2f}", "pairwise F1 of the identities, paper's way"),
        KeyFigure(f"{_map(start):.1f} → {_map(ours):.1f}", "mAP, default way"),
        KeyFigure(f"{_map(start):.1f} → {_map(paper):.1f}", "mAP, paper's way"),
    ]


def _identity(images: ImageSet, members: NDArray[np.intp]) -> Identity:
    people = images.identities[members]
    kinds, counts = np.unique(people, return_counts=True)
    right = people == kinds[counts.argmax()]
    wrong_first = np.argsort(right, kind="stable")[:IMAGES]
    shown = wrong_first[::-1]
    return Identity(images.read(members[shown], _PIXELS), right[shown], len(members))


def _last(rows: Sequence[ResultRow], name: str) -> ResultRow:
    return [row for row in rows if row.selector == name][-1]


def _per_hundred(start: ResultRow, end: ResultRow) -> float:
    return 100 * (_map(end) - _map(start)) / end.answers


def _map(row: ResultRow) -> float:
    assert row.map is not None  # images are scored at the start and after the last round
    return row.map


def _f1(row: ResultRow) -> float:
    assert row.pairwise_f1 is not None  # the rendered people are known
    return row.pairwise_f1
