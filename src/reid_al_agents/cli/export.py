"""``reid-al export``: the answers and the identities of a run as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress
from reid_al_env.errors import InputError


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of a run or session", show_default=False)
    ],
    store: Annotated[
        str | None,
        opt.option("--store", "Database of a session that does not use a file", "Data", "URL"),
    ] = None,
    out: Annotated[
        Path | None, opt.option("--out", "Folder to write to", "Output", "FOLDER", "the run's own")
    ] = None,
    market1501: Annotated[
        Path | None,
        opt.option(
            "--market1501", "Also make this folder, in Market-1501's layout (sessions)", "Output", "FOLDER"
        ),
    ] = None,
    image_prefix: Annotated[
        str | None,
        opt.option(
            "--image-prefix",
            "Put before an image's name where Label Studio finds it (sessions)",
            "Output",
            "TEXT",
        ),
    ] = None,
    json: opt.Json = False,
) -> None:
    """Write pairs.csv (every answer) and identities.csv (the group of every pool image).

    Of the folder of `annotate` also events.jsonl and tables for Label Studio and wildlife-datasets.
    """
    from reid_al_agents.files import make_folder

    target = folder if out is None else make_folder(out)
    if (folder / "annotate.json").is_file():
        result = _of_session(folder, target, store, market1501, image_prefix)
    elif market1501 is not None or store is not None or image_prefix is not None:
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
    folder: Path, target: Path, store: str | None, market1501: Path | None, image_prefix: str | None
) -> dict[str, Any]:
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.annotate.delivery import hand_out
    from reid_al_agents.log.label_studio import LOCAL_FILES

    with progress() as report:
        return dict(
            hand_out(
                folder,
                target,
                store=store,
                market1501=market1501,
                image_prefix=LOCAL_FILES if image_prefix is None else image_prefix,
                progress=report,
            )
        )


def _of_run(folder: Path, target: Path) -> dict[str, Any]:
    import numpy as np

    from reid_al_agents.asking.settings import GroupSettings
    from reid_al_agents.experiment.loop import record
    from reid_al_agents.log.pair_log import PairLog
    from reid_al_agents.log.run_export import export_identities_csv, export_pairs_csv
    from reid_al_agents.workspace.folder import Folder
    from reid_al_env import ConstraintGraph

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
