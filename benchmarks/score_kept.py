"""Score the models that ``reid-al benchmark --keep-weights`` kept, and how much of the gap answers closed.

Every row of every folder's ``results.json`` has its model in ``weights/``; each is scored on the test
identities of the split (or with ``--on validation``), cosine distance, standard protocol. Looking at the test
identities is logged in each folder's ``test_uses.jsonl``.

Folders are merged, so that seeds and selectors can be measured apart. What sets a folder's rows apart from
those of the first folder is added to their name: ``gain, noise 0.05``; noise always is. Reference rows
(``start``, ``no answers``, ``all labels``) are named by the settings of training alone and are taken once per
seed.

``gap`` of a row with answers is (mAP - mAP_0) / (mAP_all - mAP_0), mAP_0 being that of ``no answers`` and
mAP_all that of ``all labels`` with the row's seed, both from one folder on the same data and split: the row's
own, else the one whose training agrees with it in most settings, the first of equal ones. ``gap_from`` says
which: where its refresh or steps differ, the ends are of another training. Intervals are 95 % t intervals
over seeds.

``python benchmarks/score_kept.py FOLDER [FOLDER ...] --out FILE``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from recording import new_table, run, show, typed_command, write_result
from rich.table import Table

from reid_al_agents.cli.console import progress
from reid_al_agents.data import load_data, load_split
from reid_al_agents.evaluation.ranking import Scores, evaluate_ranking
from reid_al_agents.experiment.benchmark import ALL_LABELS
from reid_al_agents.report.rows import ResultRow, read_json
from reid_al_agents.report.series import NO_ANSWERS, START
from reid_al_agents.report.summary import Estimate, estimate
from reid_al_agents.vision import embed
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.uses_of_test import log_test_use
from reid_al_env import FeatureSet, InputError

REFERENCES = (START, NO_ANSWERS, ALL_LABELS)
TRAINING = ("weights", "backbone", "size", "refresh", "refresh_steps", "adapt")
NO_SETTINGS = {"seed", "split", "selector", "selectors", "budgets", "answers", "rounds", "evaluate_on"}
"""What says which rows there are, and not how they came about; splits are compared by what they say."""

_ABSENT = object()


@dataclass(frozen=True)
class Folder:
    """The rows of one comparison, and the settings they share.

    Attributes:
        path: Where it is.
        settings: Of the comparison.
        commit: Of the program that made it.
        rows: As measured there.
        split: The split file: the one named, or the one that was made.
        people: What the split file says: who was asked about, and who is scored on.
    """

    path: Path
    settings: Mapping[str, Any]
    commit: str
    rows: tuple[ResultRow, ...]
    split: Path
    people: str

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Read ``results.json`` and see that every row's model is there.

        Raises:
            InputError: The file cannot be read, or models are missing.
        """
        rows, provenance = read_json(path / "results.json")
        named = provenance.settings.get("split")
        split = path / "split.json" if named is None else Path(str(named))
        people = split.read_text(encoding="utf-8") if split.is_file() else str(split)
        folder = cls(path, provenance.settings, provenance.commit, tuple(rows), split, people)
        missing = [folder.weights(row) for row in rows if not folder.weights(row).is_file()]
        if missing or not rows:
            what = f"{missing[0]}: no such file" if missing else f"{path}: has no rows"
            raise InputError(f"{what}; give a folder made by reid-al benchmark --keep-weights on images")
        return folder

    def weights(self, row: ResultRow) -> Path:
        """The model behind a row."""
        return self.path / "weights" / f"{row.selector}-{row.seed}-{row.answers}.safetensors"

    def agrees(self, other: Folder, name: str) -> bool:
        """Whether a setting is the same in both."""
        return bool(self.settings.get(name, _ABSENT) == other.settings.get(name, _ABSENT))


@dataclass(frozen=True)
class Kept:
    """A model that is to be scored: its row under the name it has among all folders, and where it is."""

    row: ResultRow
    folder: Folder
    weights: Path
    selector: str  # the row's own name in its folder


class Judge:
    """Scores models on one set of people, whose images are decoded once.

    Args:
        data: DATA as on the command line.
        split: Split file.
        on: ``test`` or ``validation``.
        size: Height and width of the images.
        device: As on the command line.
    """

    def __init__(self, data: str, split: Path, on: str, size: tuple[int, int], device: str) -> None:
        images = load_data(data)
        if isinstance(images, FeatureSet):
            raise InputError(f"{data}: holds features; models are scored on images")
        sides = getattr(load_split(split), on)(images)
        members = np.union1d(sides.query, sides.gallery)
        self._query = np.searchsorted(members, sides.query)
        self._gallery = np.searchsorted(members, sides.gallery)
        self._images = images.subset(members).cached(size)
        self._size = size
        self._device = device

    def scores(self, backbone: str, weights: Path) -> Scores:
        """Score one model."""
        config = RunConfig(data="", backbone=backbone, weights=str(weights), size=self._size)
        model = load_model(config, self._device)
        features = embed(model, self._images, size=self._size)
        people, cameras = self._images.identities, self._images.cameras
        return evaluate_ranking(features, people, cameras, self._query, self._gallery)


def main() -> None:
    options = _parse()
    folders = [Folder.read(path) for path in options.folders]
    kept = list(collect(folders))
    if options.on == "test":
        for folder in folders:
            log_test_use(folder.path, typed_command())
    scored: list[Kept] = []
    judges: dict[tuple[str, Path, tuple[int, int]], Judge] = {}
    with progress() as bars:
        for number, model in enumerate(kept):
            bars("score", number, len(kept))
            scored.append(_scored(model, judges, options))
            rows = [{**done.row.as_dict(), "folder": str(done.folder.path)} for done in scored]
            write_result(options.out, _seeds(kept), vars(options), {"complete": False, "rows": rows})
        bars("score", len(kept), len(kept))
    figures = _figures(scored, folders)
    write_result(options.out, _seeds(kept), vars(options), figures)
    show(_table(figures["summary"], f"Kept models on the {options.on} identities"))


def collect(folders: Sequence[Folder]) -> Iterator[Kept]:
    """Name the rows of all folders; references are taken once.

    Raises:
        InputError: Two rows of answers have the same name, seed and number of answers.
    """
    seen: dict[tuple[str, int, int], Path] = {}
    for folder in folders:
        for row in folder.rows:
            reference = row.selector in REFERENCES
            words = differences(folder, folders[0], training_only=reference)
            named = replace(row, selector=", ".join([row.selector, *words]))
            key = (named.selector, row.seed, row.answers)
            if key not in seen:
                seen[key] = folder.path
                yield Kept(named, folder, folder.weights(row), row.selector)
            elif not reference:
                raise InputError(
                    f"{folder.path}: {named.selector}, seed {row.seed}, {row.answers} answers is in "
                    f"{seen[key]} too; give each once"
                )


def differences(folder: Folder, base: Folder, *, training_only: bool) -> list[str]:
    """Say in words in which settings a folder differs from the first one, and that there was noise."""
    words = [f"split {folder.split}"] if folder.people != base.people else []
    for name, value in folder.settings.items():
        told = name in ("data", *TRAINING) if training_only else name not in NO_SETTINGS
        usual = 0.0 if name == "noise" else base.settings.get(name, value)
        if told and value != usual:
            words.append(_words(name, value))
    return words


def gap_ends(model: Kept, scored: Sequence[Kept]) -> tuple[float, float, Folder] | None:
    """mAP_0 and mAP_all for a row, and the folder they are from; ``None`` where no folder has both."""
    ends: dict[Path, dict[str, float]] = {}
    folders: dict[Path, Folder] = {}
    for other in scored:
        if other.selector not in (NO_ANSWERS, ALL_LABELS) or other.row.seed != model.row.seed:
            continue
        same = other.folder.people == model.folder.people and other.folder.agrees(model.folder, "data")
        if same and other.row.map is not None:
            ends.setdefault(other.folder.path, {})[other.selector] = other.row.map
            folders[other.folder.path] = other.folder
    complete = [folders[path] for path, found in ends.items() if len(found) == 2]
    if not complete:
        return None
    chosen = max(complete, key=lambda folder: _likeness(model.folder, folder))
    return ends[chosen.path][NO_ANSWERS], ends[chosen.path][ALL_LABELS], chosen


def gap(model: Kept, scored: Sequence[Kept]) -> tuple[float, Folder] | None:
    """Share of the gap that a row's answers closed, and the folder whose ends it is measured by."""
    found = gap_ends(model, scored)
    if found is None or found[0] == found[1] or model.row.map is None or not model.row.answers:
        return None
    nothing, everything, folder = found
    return (model.row.map - nothing) / (everything - nothing), folder


def summarise(scored: Sequence[Kept]) -> list[dict[str, Any]]:
    """Means over seeds with their intervals, by name and number of answers."""
    groups: dict[tuple[str, int], list[Kept]] = {}
    order = {name: place for place, name in enumerate(dict.fromkeys(model.row.selector for model in scored))}
    for model in scored:
        groups.setdefault((model.row.selector, model.row.answers), []).append(model)
    summary = []
    for (name, answers), models in sorted(groups.items(), key=lambda item: (order[item[0][0]], item[0][1])):
        gaps = {model.row.seed: found for model in models if (found := gap(model, scored)) is not None}
        measures = {
            "gap": estimate(share for share, _ in gaps.values()),
            **{
                measure: estimate(getattr(m.row, measure) for m in models)
                for measure in ("map", "rank1", "minp")
            },
        }
        summary.append(
            {
                "selector": name,
                "answers": answers,
                "seeds": [model.row.seed for model in models],
                **{measure: None if found is None else asdict(found) for measure, found in measures.items()},
                "gap_by_seed": {seed: share for seed, (share, _) in gaps.items()},
            }
        )
    return summary


def _scored(
    model: Kept, judges: dict[tuple[str, Path, tuple[int, int]], Judge], options: argparse.Namespace
) -> Kept:
    settings = model.folder.settings
    height, width = settings["size"]
    data, split = options.data or settings["data"], options.split or model.folder.split
    where = (data, split, (height, width))
    if where not in judges:
        judges[where] = Judge(data, split, options.on, (height, width), options.device)
    scores = judges[where].scores(settings["backbone"], model.weights)
    return replace(model, row=replace(model.row, rank1=scores.rank1, map=scores.map, minp=scores.minp))


def _figures(scored: Sequence[Kept], folders: Sequence[Folder]) -> dict[str, Any]:
    origins = [
        {"path": str(folder.path), "commit": folder.commit, "settings": dict(folder.settings)}
        for folder in folders
    ]
    rows = [_row(model, scored) for model in scored]
    return {"complete": True, "folders": origins, "summary": summarise(scored), "rows": rows}


def _row(model: Kept, scored: Sequence[Kept]) -> dict[str, Any]:
    found = gap(model, scored)
    share, source = (None, None) if found is None else (found[0], str(found[1].path))
    return {**model.row.as_dict(), "gap": share, "gap_from": source, "folder": str(model.folder.path)}


def _likeness(one: Folder, other: Folder) -> tuple[bool, int]:
    return one.path == other.path, sum(one.agrees(other, name) for name in TRAINING)


def _words(name: str, value: object) -> str:
    said = name.replace("_", " ")
    if isinstance(value, bool):
        return said if value else f"no {said}"
    if isinstance(value, (list, tuple)):
        return f"{said} {'x'.join(map(str, value))}"
    return f"{said} {value}"


def _seeds(kept: Sequence[Kept]) -> tuple[int, ...]:
    return tuple(sorted({model.row.seed for model in kept}))


def _table(summary: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = new_table(title, ("selector",), ("answers", "seeds", "rank-1", "mAP", "mINP", "gap"))
    for line in summary:
        figures = [_cell(line[name], 1) for name in ("rank1", "map", "minp")]
        counts = (str(line["answers"]), str(len(line["seeds"])))
        table.add_row(line["selector"], *counts, *figures, _cell(line["gap"], 3))
    return table


def _cell(found: Mapping[str, Any] | None, decimals: int) -> str:
    if found is None:
        return ""
    known = Estimate(**found)
    width = "" if known.half_width is None else f" ±{known.half_width:.{decimals}f}"
    return f"{known.mean:.{decimals}f}{width}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="of reid-al benchmark")
    parser.add_argument("--on", choices=("test", "validation"), default="test")
    parser.add_argument("--data", help="DATA, if it is elsewhere now")
    parser.add_argument("--split", type=Path, help="split file, if it is elsewhere now")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--seed", type=int, default=0, help="nothing is drawn; kept for uniformity")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
