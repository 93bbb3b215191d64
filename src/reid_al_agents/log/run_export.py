"""Answers and the identities they form, as CSV files for other programs."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import write_text
from reid_al_agents.log.pair_log import COLUMNS, PairLog
from reid_al_env.errors import InputError


def export_pairs_csv(log: PairLog, path: str | os.PathLike[str]) -> int:
    """Write every answer of `log` to a CSV file, in the order they were recorded.

    Args:
        log: The log to read.
        path: The file to write, one column for each field of `PairAnswer`; replaced if it is there.

    Returns:
        How many answers were written.

    Raises:
        InputError: The log cannot be read or the file cannot be written.
    """
    answers = log.answers()
    _write(path, COLUMNS, (astuple(answer) for answer in answers))
    return len(answers)


def export_identities_csv(
    names: Sequence[str] | NDArray[np.str_], groups: NDArray[np.int64], path: str | os.PathLike[str]
) -> int:
    """Write which identity each image was found to have to a CSV file.

    Args:
        names: (N,) names of the images.
        groups: (N,) int64 must-link component of each image, as `ConstraintGraph.groups()` gives it.
        path: The file to write, with columns `name`, `identity` (the component) and `group_size` (how many
            images share it; 1 where nothing is known of the image); replaced if it is there.

    Returns:
        How many identities there are, images that stand alone included.

    Raises:
        InputError: `names` and `groups` differ in length, or the file cannot be written.
    """
    if len(names) != len(groups):
        raise InputError(f"{len(names)} names but {len(groups)} groups; expected one group for each image")
    labels, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    size_of_image = sizes[inverse]
    rows = zip(map(str, names), groups.tolist(), size_of_image.tolist(), strict=True)
    _write(path, ("name", "identity", "group_size"), rows)
    return len(labels)


def _write(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
