"""``reid-al export``: the answers and the identities of a run as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages
from reid_al_agents.log.label_studio import LOCAL_FILES


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
    """Write answers and identities as tables, and for Label Studio and wildlife-datasets."""
    from reid_al_agents.workspace.export import export_folder

    result = export_folder(folder, out, store=store, market1501=market1501, image_prefix=image_prefix)
    if json:
        emit_json(result)
    else:
        messages.print(", ".join(f"{name} {value}" for name, value in result.items()))
