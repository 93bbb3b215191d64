"""Tables for other programs: pairs, identities, the whole log, and wildlife-datasets' metadata."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data.layouts.own_exports import CONFIRMED
from reid_al_agents.log.events import ABOUT_A_PAIR, Event, payload_images
from reid_al_env.errors import InputError
from reid_al_env.spreadsheet import csv_text

PAIR_COLUMNS = (
    *("key", "run", "round", "step", "query", "candidate", "query_name", "candidate_name", "answer"),
    *("selector", "source", "annotator", "shown_at", "answered_at", "probability", "verdict", "seconds"),
)
"""Columns of ``pairs.csv``: ``answer`` is a number, ``verdict`` the answer as it was given."""

LABELS = "labels"
"""Annotator of answers that came from labels."""

UNKNOWN = "unknown"
"""Name of an unidentified individual in wildlife-datasets."""

_NUMBERS = {"same": 1, "different": -1}


def answer_number(verdict: str | None) -> int:
    """An answer as the oracle protocol has it: +1 the same identity, -1 different ones, 0 anything else."""
    return _NUMBERS.get(verdict or "", 0)


def pairs_csv(events: Iterable[Event]) -> str:
    """Write the answers about pairs, people's and imported ones, as CSV.

    Args:
        events: Effective events in order; those of other kinds are left out.

    Returns:
        The table, with the columns `PAIR_COLUMNS`; `answer` is +1, -1 or 0.
    """
    rows = ([_pair_value(event, column) for column in PAIR_COLUMNS] for event in about_pairs(events))
    return csv_text(PAIR_COLUMNS, rows)


def identities_csv(
    names: Sequence[str] | NDArray[np.str_],
    groups: NDArray[np.int64],
    labels: Mapping[int, str] | None = None,
    *,
    confirmed: NDArray[np.bool_] | None = None,
    probabilities: NDArray[np.float64] | None = None,
    paths: Sequence[str] | None = None,
    facts: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Write which identity each image was found to have as CSV.

    Args:
        names: (N,) names of the images.
        groups: (N,) int64 group of each image.
        labels: Names that annotators gave to groups, by group.
        confirmed: (N,) whether answers join an image to its identity; ``None`` leaves the columns out.
        probabilities: (N,) that an image belongs to its identity, NaN where unknown; ``None`` likewise.
        paths: (N,) files, relative to one folder; a column `path`. ``None``: the names are these paths.
        facts: Further columns by name, (N,) each, such as `side` and `time`; ``None`` for none.

    Returns:
        The table: `name`, `identity` (the group), `group_size` (1 where nothing is known of the image),
        `label` (the group's name, empty where it has none), the columns of :func:`_certainty`, and the facts.

    Raises:
        InputError: `names` and `groups` differ in length.
    """
    sizes = group_sizes(names, groups)
    given = labels or {}
    header = ["name", "identity", "group_size", "label"]
    rows = [
        [str(name), group, sizes[group], given.get(group, "")]
        for name, group in zip(names, groups.tolist(), strict=True)
    ]
    more, cells = _certainty(groups, confirmed, probabilities)
    columns = {**({} if paths is None else {"path": paths}), **(facts or {})}
    table = [
        (*row, *cell, *(column[place] for column in columns.values()))
        for place, (row, cell) in enumerate(zip(rows, cells, strict=True))
    ]
    return csv_text((*header, *more, *columns), table)


IMAGE_NAMES = "image_names"
"""In a line of ``events.jsonl``, the name of each image that the event's payload has by its number."""


def events_jsonl(events: Iterable[Event], names: Sequence[str] | NDArray[np.str_] | None = None) -> str:
    """Write events as JSON, one object a line.

    Args:
        events: The events, undone ones too where the whole history is wanted.
        names: (N,) names of the images, so that edits and known identities can be read in elsewhere;
            ``None`` leaves them out.

    Returns:
        The lines; empty where there are no events.
    """
    lines = []
    for event in events:
        line = asdict(event)
        if names is not None and (images := payload_images(event)):
            line[IMAGE_NAMES] = {str(image): str(names[image]) for image in images}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def wildlife_csv(
    names: Sequence[str] | NDArray[np.str_],
    groups: NDArray[np.int64],
    *,
    labels: Mapping[int, str] | None = None,
    paths: Sequence[str] | None = None,
    confirmed: NDArray[np.bool_] | None = None,
    probabilities: NDArray[np.float64] | None = None,
    facts: Mapping[str, Sequence[str]] | None = None,
    image_ids: NDArray[np.intp] | None = None,
) -> str:
    """Write the images as the metadata table of a wildlife-datasets data set.

    Args:
        names: (N,) names of the images.
        groups: (N,) int64 group of each image.
        labels: Names people gave to groups, by group; the identity is called so.
        paths: (N,) files, relative to one folder; a column `name` keeps the names then. ``None``: the names
            are these paths.
        confirmed: As in :func:`identities_csv`.
        probabilities: Likewise.
        facts: Likewise.
        image_ids: (N,) number of each image; ``None`` counts them from 0.

    Returns:
        The table: `image_id`, `identity` (`unknown` for images alone without a name), `path`, the columns
        of :func:`_certainty`, and the facts.

    Raises:
        InputError: `names` and `groups` differ in length.
    """
    identities = identity_names(names, groups, labels or {})
    called = [str(name) for name in names]
    files = called if paths is None else paths
    more, cells = _certainty(groups, confirmed, probabilities)
    columns = {**({} if paths is None else {"name": called}), **(facts or {})}
    header = ("image_id", "identity", "path", *more, *columns)
    ids = list(range(len(groups))) if image_ids is None else image_ids.tolist()
    rows = []
    for index, (group, file, cell) in enumerate(zip(groups.tolist(), files, cells, strict=True)):
        known = (column[index] for column in columns.values())
        rows.append((ids[index], identities[group], file, *cell, *known))
    return csv_text(header, rows)


def about_pairs(events: Iterable[Event]) -> list[Event]:
    """Those of the events that answer a pair."""
    return [event for event in events if event.kind in ABOUT_A_PAIR]


def group_sizes(names: Sequence[str] | NDArray[np.str_], groups: NDArray[np.int64]) -> Counter[int]:
    """Count each group's images, having seen that every image has a group."""
    if len(names) != len(groups):
        raise InputError(f"{len(names)} names but {len(groups)} groups; expected one group for each image")
    return Counter(groups.tolist())


def _certainty(
    groups: NDArray[np.int64], confirmed: NDArray[np.bool_] | None, probabilities: NDArray[np.float64] | None
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """How sure the identity of each image is: names of the columns, and the cells of each image.

    `confirmed` is 1 where answers join the image to its identity and 0 where that is predicted; `n_confirmed`
    counts the confirmed images of the identity; `probability` is that of the prediction, and empty for images
    that are confirmed or stand alone.
    """
    header: tuple[str, ...] = ()
    rows: list[tuple[object, ...]] = [() for _ in groups]
    if confirmed is None:
        return header, rows
    counts = Counter(groups[confirmed].tolist())
    header = (CONFIRMED, "n_confirmed")
    rows = [
        (int(sure), counts[group]) for group, sure in zip(groups.tolist(), confirmed.tolist(), strict=True)
    ]
    if probabilities is not None:
        header = (*header, "probability")
        blank = confirmed | np.isnan(probabilities)
        likely = [
            "" if none else round(float(value), 4) for value, none in zip(probabilities, blank, strict=True)
        ]
        rows = [(*row, value) for row, value in zip(rows, likely, strict=True)]
    return header, rows


def identity_names(
    images: Sequence[str] | NDArray[np.str_], groups: NDArray[np.int64], labels: Mapping[int, str]
) -> dict[int, str]:
    """What each group is called in exports: its name, its number, or `UNKNOWN` where it is a single image.

    Args:
        images: (N,) names of the images.
        groups: (N,) int64 group of each image.
        labels: Names that annotators gave to groups, by group.
    """
    sizes = group_sizes(images, groups)
    # Two groups of one name may be two animals, and "unknown" may not be a name.
    uses = Counter(labels.get(group) for group in sizes)
    names = {}
    for group, size in sizes.items():
        label = labels.get(group)
        if label is None:
            names[group] = UNKNOWN if size == 1 else f"identity_{group}"
        else:
            names[group] = label if uses[label] == 1 and label != UNKNOWN else f"{label} ({group})"
    return names


def _pair_value(event: Event, column: str) -> object:
    if column == "answer":
        return answer_number(event.answer)
    if column == "verdict":
        return event.answer
    if column == "answered_at":
        return event.at
    if column == "source":
        if event.kind == "import":
            return "import"
        return "labels" if event.annotator == LABELS else "person"
    return getattr(event, column)
