"""``reid-al import``: answers and identities from files into a run or session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages


@opt.takes(asked=opt.options(AnnotationSettings, "trust"))
def import_(
    asked: opt.Typed,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of a run or session", show_default=False)
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="pairs.csv, identities.csv, wildlife.csv, events.jsonl or labelstudio.json of an export, "
            "tables like these, or the folder that it made in Market-1501's layout",
            show_default=False,
        ),
    ],
    store: Annotated[
        str | None,
        opt.option("--store", "Database of a session that does not use a file", "Data", "URL"),
    ] = None,
    json: opt.Json = False,
) -> None:
    """Take in answers and identities that were exported, or made elsewhere; what is known counts once.

    Answers are weighed as answers. Identities say of their images that they match, and of each other that
    they differ, as far as --trust goes; answers can contradict both.
    """
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.workspace.imports import import_into

    settings = AnnotationSettings(**asked)
    counts = import_into(folder, files, trust=settings.trust, store=store)
    if json:
        emit_json({"new": counts})
    else:
        for file, count in counts.items():
            messages.print(f"{file}: {count} new answers and identities", highlight=False)
