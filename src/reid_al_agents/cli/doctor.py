"""``reid-al doctor``: versions, devices and what else a report of a fault has to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json
from reid_al_env.errors import InputError

_SEPARATION = "  (separation: untrained networks reach 1.0 to 1.4, fitting ones 2.8 and more)"


def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Folder of a run or session to report on, too"),
    ] = None,
    json: opt.Json = False,
) -> None:
    """Report what is installed and whether it works: versions, threads, devices, FAISS, disk and extras.

    With FOLDER also its images, answers, and how well its features separate them.
    """
    from reid_al_agents.cli.diagnosis import examine, examine_folder
    from reid_al_agents.data.spec import is_data

    if folder is not None and is_data(str(folder)):
        raise InputError(f"{folder}: is data, and no folder of a run; reid-al datasets check {folder}")
    about = None if folder is None else examine_folder(folder)
    found = examine()
    if about is not None:
        found["problems"] += about.pop("problems")
        found["folder"] = about
    if json:
        emit_json(found)
        return
    print("\n".join(as_lines(found)))


def as_lines(found: dict[str, Any]) -> list[str]:
    """What :func:`~reid_al_agents.cli.diagnosis.examine` found, as text."""
    lines = ["versions", *_pairs(found["versions"]), f"  commit {found['commit']}"]
    lines += ["machine", *_pairs(found["machine"]), "threads", *_pairs(found["threads"])]
    lines += ["devices", *_pairs(found["devices"]), "FAISS", *_pairs(found["faiss"]), "disk"]
    for name, place in found["disk"].items():
        lines.append(f"  {name}: {place['free_gib']} of {place['total_gib']} GiB free at {place['path']}")
    lines.append("extras")
    for name, missing in found["extras"].items():
        lines.append(f"  {name}: {'lacks ' + ', '.join(missing) if missing else 'installed'}")
    if "folder" in found:
        lines += ["folder", *_pairs(found["folder"]), _SEPARATION]
    lines.append("problems" if found["problems"] else "no problems found")
    return lines + [f"  {problem}" for problem in found["problems"]]


def _pairs(values: dict[str, Any]) -> list[str]:
    return [
        f"  {name} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
    ]
