"""``reid-al remove``: images leave a run or session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, print_line


def remove(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Images: names as identities.csv has them, files, or folders of files",
            show_default=False,
        ),
    ],
    of: Annotated[
        Path, opt.option("--from", "Folder of the run or session that they leave", "Data", "FOLDER")
    ],
    store: Annotated[
        str | None,
        opt.option("--store", "Database of a session that does not use a file", "Data", "URL"),
    ] = None,
    back: Annotated[bool, opt.flag("--back", "Take images in again that were removed", "Data")] = False,
    json: opt.Json = False,
) -> None:
    """Take images out of a run or session; the files are left alone.

    They are not asked about and not trained on any more. Answers about them stay and count, and identities
    keep their names.
    """
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.workspace.removing import remove_images

    changed = remove_images(of, images, store=store, back=back)
    if json:
        emit_json({"folder": str(of), "back" if back else "removed": changed})
    else:
        what = "taken in again" if back else "removed, answers about them stay"
        print_line(f"{what}: {', '.join(changed) or 'nothing changed'}")
