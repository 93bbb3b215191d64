"""``reid-al export``: the answers and the identities of a run as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.experiment.loop import record
from reid_al_agents.files import make_folder
from reid_al_agents.log.label_studio import LOCAL_FILES
from reid_al_agents.log.pair_log import PairLog
from reid_al_agents.log.run_export import export_identities_csv, export_pairs_csv
from reid_al_agents.workspace.folder import Folder
from reid_al_env import ConstraintGraph, InputError


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; default: the run's own.")
    ] = None,
    market1501: Annotated[
        Path | None,
        typer.Option("--market1501", help="Also make this folder, in Market-1501's layout (of annotate)."),
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Database of an annotate session that does not use a file.")
    ] = None,
    image_prefix: Annotated[
        str,
        typer.Option(
            "--image-prefix", help="Put before an image's name where Label Studio finds it (of annotate)."
        ),
    ] = LOCAL_FILES,
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Write pairs.csv (every answer) and identities.csv (the group of every pool image).

    Of the folder of `annotate` also events.jsonl and tables for Label Studio and wildlife-datasets.
    """
    target = folder if out is None else make_folder(out)
    if (folder / "annotate.json").is_file():
        result = _of_session(folder, target, store, market1501, image_prefix)
    elif market1501 is not None or store is not None or image_prefix != LOCAL_FILES:
        raise InputError(
            f"{folder}: is not the folder of annotate; leave out --market1501, --store and --image-prefix"
        )
    else:
        result = _of_run(folder, target)
    if json:
        emit_json(result)
    else:
        messages.print(", ".join(f"{name} {value}" for name, value in result.items()))


def _of_session(
    folder: Path, target: Path, store: str | None, market1501: Path | None, image_prefix: str
) -> dict[str, Any]:
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.annotate.delivery import hand_out

    with Bars() as bars:
        return dict(
            hand_out(
                folder, target, store=store, market1501=market1501, image_prefix=image_prefix, progress=bars
            )
        )


def _of_run(folder: Path, target: Path) -> dict[str, Any]:
    log_path = folder / "pairs.sqlite"
    if not log_path.is_file():
        raise InputError(f"{folder}: holds no pairs.sqlite; name the folder of a run")
    names = Folder(folder).pool_names()
    constraints = ConstraintGraph(len(names))
    with PairLog(log_path) as log:
        answers = log.answers()
        export_pairs_csv(log, target / "pairs.csv")
    record(
        constraints,
        ((a.query, a.candidate, a.answer, a.probability) for a in answers),
        GroupSettings().error_rate,
    )
    formed = Folder(folder).groups()
    groups = constraints.groups() if formed is None else formed
    export_identities_csv(names, groups, target / "identities.csv")
    sizes = np.bincount(groups)
    return {
        "pairs": str(target / "pairs.csv"),
        "identities": str(target / "identities.csv"),
        "answers": len(answers),
        "groups": len(sizes),
        "grouped_images": int(sizes[sizes > 1].sum()),
        "contradictions": len(constraints.contradictions),
    }
