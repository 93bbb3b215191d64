"""``reid-al export``: the answers and the identities of a run as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, print_line


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of a run or session", show_default=False)
    ],
    store: Annotated[
        str | None,
        opt.option("--store", "Database of a session that is not kept in a file", "Data", "URL"),
    ] = None,
    out: Annotated[
        Path | None, opt.option("--out", "Folder to write to", "Output", "FOLDER", "the run's own")
    ] = None,
    market1501: Annotated[
        Path | None,
        opt.option(
            "--market1501",
            "Also export the images to this folder, in Market-1501's layout",
            "Output",
            "FOLDER",
        ),
    ] = None,
    image_prefix: Annotated[
        str | None,
        opt.option(
            "--image-prefix",
            "Prefix of image names under which Label Studio finds the images",
            "Output",
            "TEXT",
        ),
    ] = None,
    confirmed_only: Annotated[
        bool, opt.flag("--confirmed-only", "Leave images that are only suggested out of identities", "Output")
    ] = False,
    archives: Annotated[
        bool,
        opt.flag(
            "--archives",
            "Also write the images by identity (market1501.zip, identities.zip) and camtrapdp.zip",
            "Output",
        ),
    ] = False,
    json: opt.Json = False,
) -> None:
    """Write answers and identities as tables, and for Label Studio and wildlife-datasets."""
    from reid_al_agents.log.label_studio import LOCAL_FILES
    from reid_al_agents.workspace.export import export_folder

    prefix = LOCAL_FILES if image_prefix is None else image_prefix
    result = export_folder(
        folder,
        out,
        store=store,
        market1501=market1501,
        image_prefix=prefix,
        confirmed_only=confirmed_only,
        archives=archives,
    )
    if json:
        emit_json(result)
    else:
        for line in as_lines(result):
            print_line(line)


def as_lines(result: Mapping[str, Any]) -> list[str]:
    """What :func:`~reid_al_agents.workspace.export.export_folder` wrote, as text."""
    told = (
        f"{result['answers']} answers, {result['identities']} identities of {result['grouped_images']} "
        f"images ({result['confirmed_images']} confirmed), {result['contradictions']} contradictions"
    )
    removed = result["removed_images"]
    lines = [told + (f"; {removed} removed images are left out" if removed else "")]
    lines += [f"written: {file}" for file in (*result["files"], *result.get("archives", ()))]
    if "market1501" in result:
        lines.append(f"written: {result['market1501']} with {result['images']} images")
    if "root" in result:
        lines.append(
            f"paths in the tables begin in {result['root']}; to read them as data: --root {result['root']}"
        )
    return lines
