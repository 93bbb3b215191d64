"""A folder of small drawn images with a table, and an annotator who is always right."""

from __future__ import annotations

import csv

import numpy as np
from PIL import Image

from reid_al_agents.data import load_data

NAMES = ("Limpy", "Old Tom", "Zoë", "Stripe", "Patch", "Mo")


def draw(path, identity, number):
    """An image that is like no other, its colour telling the identity."""
    pixels = np.random.default_rng([identity, number]).integers(0, 40, (24, 12, 3))
    pixels += np.random.default_rng(identity).integers(0, 215, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def image_table(folder, each=4, names=NAMES, known=lambda identity, number: True):
    """The images of a CSV with names, some of them blank.

    Args:
        folder: Where to write.
        each: Images of each individual.
        names: The individuals.
        known: Whether the table names the individual of an image.
    """
    rows = []
    for number in range(each):
        for identity, name in enumerate(names):
            path = f"images/{number}_{identity}.png"
            draw(folder / path, identity, number)
            rows.append((path, name if known(identity, number) else ""))
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "identity"), *rows])
    return load_data(f"csv:{folder / 'table.csv'}")


def anna_answers(opened, count, truth=None):
    """Answer questions rightly, as long as there are any; the pairs with their answers.

    Args:
        opened: The session.
        count: How many at most.
        truth: (N,) true identities; those of the data by default.
    """
    session = opened.session
    truth = session.state.features.identities if truth is None else truth
    pairs = []
    while len(pairs) < count:
        served = session.questions("anna", 1)
        if served.waiting == "planning":
            opened.executor.submit(lambda: None).result()
            continue
        if not served.questions:
            break
        (question,) = served.questions
        same = truth[question.query] == truth[question.candidate]
        answer = "same" if same else "different"
        session.answer("anna", question.id, answer, f"anna-{session.state.beliefs.answers}", 1.5)
        pairs.append((question.query, question.candidate, answer))
    return pairs
