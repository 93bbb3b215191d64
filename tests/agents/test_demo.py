"""The demo on a small world: both ways run, its page shows what was asked and formed, and it goes on."""

import re
from dataclasses import replace

import numpy as np
import pytest

from reid_al_agents.experiment.demo import DEFAULT, PAPER, DemoSettings, run_demo
from reid_al_agents.experiment.demo_page import (
    demo_pool,
    gained,
    identities_formed,
    questions_asked,
    write_demo_page,
)
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.rows import ResultRow
from reid_al_env import InputError

SMALL = DemoSettings(seed=1, identities=10, pretraining_steps=2, refresh_steps=2)


def play(out):
    steps = []
    rows = run_demo(out, SMALL, command="reid-al demo", progress=lambda *_: None, on_step=steps.append)
    return rows, steps


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return out, *play(out)


def test_both_ways_get_one_answer_per_image_from_the_same_start(played):
    out, rows, steps = played
    images = len(demo_pool(out, SMALL))
    last = {row.selector: row for row in rows}
    assert last[DEFAULT.name].answers == last[PAPER.name].answers == images
    first = {row.selector: row for row in reversed(rows)}
    assert first["start"].map == first[PAPER.name].map
    assert len(steps) == 3


def test_only_models_trained_in_full_are_scored(played):
    _, rows, _ = played
    ours = [row.map for row in rows if row.selector == DEFAULT.name]
    assert [value is None for value in ours] == [False, *[True] * (DEFAULT.rounds - 1), False]
    assert all(row.map is not None for row in rows if row.selector == PAPER.name)


def test_the_questions_shown_are_answered_by_the_labels(played):
    out, *_ = played
    pool = demo_pool(out, SMALL)
    pixels = pool.read(np.arange(len(pool)), (128, 64))
    found = {image.tobytes(): person for image, person in zip(pixels, pool.identities, strict=True)}
    shown = questions_asked(out, pool)
    assert {question.match for question in shown} == {True, False}
    for question in shown:
        same = found[question.left.tobytes()] == found[question.right.tobytes()]
        assert question.match == same


def test_the_identities_shown_mark_what_is_wrong(played):
    out, *_ = played
    pool = demo_pool(out, SMALL)
    pixels = pool.read(np.arange(len(pool)), (128, 64))
    found = {image.tobytes(): person for image, person in zip(pixels, pool.identities, strict=True)}
    for identity in identities_formed(out, pool):
        people = np.array([found[image.tobytes()] for image in identity.images])
        assert len(np.unique(people[identity.right])) <= 1
        assert not set(people[identity.right]) & set(people[~identity.right])


def test_the_two_sentences_by_hand():
    rows = [
        ResultRow("start", "none", 0, 0, map=30.0),
        ResultRow(DEFAULT.name, "cluster", 0, 0, map=50.0, pairwise_f1=0.5),
        ResultRow(DEFAULT.name, "cluster", 0, 200, map=70.0, pairwise_f1=0.9),
        ResultRow(PAPER.name, "triplet", 0, 0, map=30.0, pairwise_f1=0.0),
        ResultRow(PAPER.name, "triplet", 0, 200, map=60.0, pairwise_f1=0.4),
    ]
    said = gained(rows)
    assert "200 answers" in said
    assert "from 30.0 to 70.0 mAP the default way (20.0 points per 100 answers)" in said
    assert "to 60.0 the paper's way (15.0 points)" in said
    assert "0.90 against 0.40; the default way had 0.50 of it, and 20.0 of the points" in said
    assert len(re.findall(r"\.(?: |$)", said)) == 2


def test_the_page_says_what_was_gained(played):
    out, rows, _ = played
    write_demo_page(out, rows, SMALL, Provenance.of_this_process("reid-al demo", (1,), {}))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert gained(rows).replace("'", "&#x27;") in page
    assert page.count("<picture>") == 4


def test_a_demo_that_ran_is_not_run_again(played):
    out, rows, _ = played
    log = out / DEFAULT.folder / "events.sqlite"
    size = log.stat().st_size
    again, _ = play(out)
    assert again == rows
    assert log.stat().st_size == size


def test_the_folder_of_another_demo_is_left_alone(played):
    out, *_ = played
    before = (out / "start.safetensors").read_bytes()
    with pytest.raises(InputError, match="holds a demo with other settings; choose another --out"):
        run_demo(out, replace(SMALL, seed=2), command="", progress=lambda *_: None, on_step=lambda _: None)
    assert (out / "start.safetensors").read_bytes() == before
