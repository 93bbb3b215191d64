"""One row per selector, seed and number of answers, and the files such rows are kept in."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from reid_al_agents.files import write_text
from reid_al_agents.report.machine import Provenance
from reid_al_env.errors import InputError
from reid_al_env.spreadsheet import csv_text


@dataclass(frozen=True)
class ResultRow:
    """What one selector reached with one seed after one number of answers; None where not measured.

    Attributes:
        selector: What chose the pairs; `start` for the model before any answer.
        refresh: How answers became a model (`triplet`, `cluster`, `none`).
        seed: The seed.
        answers: Answers asked for so far.
        implied: Pairs known by transitivity without being asked.
        match_rate: Share of the answers that were matches, in [0, 1].
        return_: Mean over all queries so far of the sum of a query's rewards; called `return` in files.
        rank1: Rank-1 in percent.
        map: Mean average precision in percent.
        seconds: Time this took, in seconds.
        minp: Mean inverse negative penalty in percent.
        labels_before: Labels used before the first answer, by a policy trained elsewhere for instance.
        pairwise_f1: Pairwise F1 of the identities formed, in [0, 1].
        bcubed_f1: B-cubed F1 of the identities formed, in [0, 1].
        ari: Adjusted Rand index of the identities formed, in [-1, 1].
        pairwise_precision: Share of the pairs put together that belong together, in [0, 1].
        pairwise_recall: Share of the pairs that belong together that are put together, in [0, 1].
    """

    selector: str
    refresh: str
    seed: int
    answers: int
    implied: int | None = None
    match_rate: float | None = None
    return_: float | None = None
    rank1: float | None = None
    map: float | None = None
    seconds: float | None = None
    minp: float | None = None
    labels_before: int | None = None
    pairwise_f1: float | None = None
    bcubed_f1: float | None = None
    ari: float | None = None
    pairwise_precision: float | None = None
    pairwise_recall: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the row under the names used in files.

        Returns:
            Value by name, `return` for `return_`; None for what is not a finite number.
        """
        named = {name.rstrip("_"): value for name, value in asdict(self).items()}
        return {name: None if _is_not_finite(value) else value for name, value in named.items()}

    @classmethod
    def from_dict(cls, named: Mapping[str, Any]) -> "ResultRow":
        """Make a row from the names used in files.

        Args:
            named: Value by name; names that are not a row's are ignored.

        Returns:
            The row.

        Raises:
            InputError: `selector`, `refresh`, `seed` or `answers` is missing.
        """
        missing = {"selector", "refresh", "seed", "answers"} - named.keys()
        if missing:
            raise InputError(f"result row without {', '.join(sorted(missing))}; write rows with `write_json`")
        names = {field.name for field in fields(cls)}
        renamed = {"return_" if name == "return" else name: value for name, value in named.items()}
        return cls(**{name: value for name, value in renamed.items() if name in names})


ROW_NAMES = tuple(field.name.rstrip("_") for field in fields(ResultRow))


def results_object(rows: Sequence[ResultRow], provenance: Provenance) -> dict[str, Any]:
    """Arrange rows and where they are from as one object for JSON.

    Args:
        rows: The rows.
        provenance: Where they are from.

    Returns:
        An object with `command`, `seeds`, `settings`, `commit`, `machine`, `versions` and `rows`.
    """
    return {**asdict(provenance), "rows": [row.as_dict() for row in rows]}


def write_json(path: str | os.PathLike[str], rows: Sequence[ResultRow], provenance: Provenance) -> None:
    """Write rows and where they are from to a JSON file.

    Args:
        path: The file to write, replaced if it is there.
        rows: The rows.
        provenance: Where they are from.

    Raises:
        InputError: The file cannot be written.
    """
    text = json.dumps(results_object(rows, provenance), indent=2, ensure_ascii=False, default=str)
    write_text(path, text + "\n")


def read_json(path: str | os.PathLike[str]) -> tuple[list[ResultRow], Provenance]:
    """Read what `write_json` wrote.

    Args:
        path: The file.

    Returns:
        The rows and where they are from.

    Raises:
        InputError: The file cannot be read or does not hold results.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = [ResultRow.from_dict(row) for row in content.pop("rows")]
        content["seeds"] = tuple(content["seeds"])
        return rows, Provenance(**content)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a results file") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{file}: is not a results file ({reason}); expected what `write_json` wrote"
        ) from error


def write_csv(path: str | os.PathLike[str], rows: Sequence[ResultRow]) -> None:
    """Write rows to a CSV file, one column for each name in `ROW_NAMES`, blank where not measured.

    Args:
        path: The file to write, replaced if it is there.
        rows: The rows.

    Raises:
        InputError: The file cannot be written.
    """
    write_text(path, csv_text(ROW_NAMES, ([row.as_dict()[name] for name in ROW_NAMES] for row in rows)))


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
