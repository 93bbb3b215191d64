"""``reid-al add``: new images join a run or session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, print_line, progress
from reid_al_agents.data.settings import DataSettings
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from reid_al_agents.workspace.adding import Addition
    from reid_al_agents.workspace.proposals import Known, Proposal

_NAMED = 3  # images in one row of the table; the others are counted


@opt.takes(reading=opt.options(DataSettings, *opt.READING))
def add(
    reading: opt.Typed,
    new: Annotated[
        str,
        typer.Argument(
            metavar="NEW",
            help="New images: a folder, a CSV file, or folder:DIR, csv:FILE, ... (see reid-al datasets)",
            show_default=False,
        ),
    ],
    to: Annotated[Path, opt.option("--to", "Folder of the run or session that they join", "Data", "FOLDER")],
    features: Annotated[
        str | None,
        opt.option(
            "--features", "Their features, for a folder that was begun with --features", "Model", "FILE"
        ),
    ] = None,
    store: Annotated[
        str | None,
        opt.option("--store", "Database of a session that does not use a file", "Data", "URL"),
    ] = None,
    dry_run: Annotated[
        bool, opt.flag("--dry-run", "Say what is new and what is proposed, and add nothing", "Output")
    ] = False,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Add images to a run or session; names, answers, merges and splits stay.

    Lists what the model proposes: New (an identity of new images alone), Extension (new images of a known
    identity) or Merge (new images that join several known identities). Nothing of it is confirmed until a
    person answers. Images that the folder has already, by content, are not added again.
    """
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.workspace.adding import add_images

    with progress() as report:
        addition = add_images(
            to,
            _as_data(new),
            DataSettings(**reading),
            features=features,
            store=store,
            device=device,
            dry_run=dry_run,
            progress=report,
        )
    if json:
        emit_json(_as_json(addition, to, dry_run))
    else:
        _print(addition, to, dry_run)


def _as_data(new: str) -> str:
    """DATA of a plain folder or CSV file."""
    from reid_al_agents.workspace.folder import Folder

    if Folder.holds(new):
        raise InputError(f"{new}: holds a run or session; name new images, and the folder by --to")
    if Path(new).is_dir():
        return f"folder:{new}"
    return f"csv:{new}" if new.casefold().endswith(".csv") and Path(new).is_file() else new


def _as_json(addition: Addition, to: Path, dry_run: bool) -> dict[str, Any]:
    names = addition.pool.names.tolist()
    files = addition.pool.files
    return {
        "folder": str(to),
        "dry_run": dry_run,
        "added": len(addition.new),
        "images": len(names),
        "known": len(addition.known),
        "duplicates": {name: of for name, of in addition.known if name != of},
        "removed": [name for name, _ in addition.removed],
        "scored": list(addition.scored),
        "counts": _counts(addition.proposals),
        "proposals": [
            {
                "proposal": each.kind,
                "probability": round(each.probability, 4),
                "known": [
                    {
                        "identity": known.number,
                        "name": known.name,
                        "images": [names[image] for image in known.images],
                    }
                    for known in each.known
                ],
                "images": [names[image] for image in each.images],
                "moved": [names[image] for image in each.moved],
                "paths": [] if files is None else [str(files[image]) for image in each.images],
            }
            for each in addition.proposals
        ],
    }


def _counts(proposals: Sequence[Proposal]) -> dict[str, int]:
    from reid_al_agents.workspace.proposals import KINDS

    counts = Counter(each.kind for each in proposals)
    return {kind: counts[kind] for kind in KINDS}


def _print(addition: Addition, to: Path, dry_run: bool) -> None:
    names = addition.pool.names.tolist()
    for name, of in addition.known:
        if name != of:
            print_line(f"{name} is {of}, which the folder has; not added again")
    same = sum(name == of for name, of in addition.known)
    for count, what in (
        (same, "in the folder already"),
        (len(addition.removed), "removed before; not added (reid-al remove --back takes them in again)"),
        (len(addition.scored), "of identities that the model is scored on; not added"),
    ):
        if count:
            print_line(f"{count} {what}")
    if not addition.new:
        print_line(f"nothing is new: {to} has {len(names)} images")
        return
    if addition.proposals:
        _print_table(addition.proposals, names)
        told = ", ".join(f"{count} {kind}" for kind, count in _counts(addition.proposals).items())
        print_line(f"proposed, and not confirmed until a person answers: {told}")
    else:
        print_line("nothing is proposed for a run between images, where only answers join images")
    if dry_run:
        print_line(f"new: {len(addition.new)}, not added (--dry-run)")
    else:
        asks = "annotate" if addition.proposals else "run"
        print_line(f"added: {len(addition.new)}; {to} has {len(names)} images; reid-al {asks} {to} asks on")


def _print_table(proposals: Sequence[Proposal], names: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("proposal", "identity", "probability", "new images")
    for each in proposals:
        identities = " + ".join(_called(known, names) for known in each.known)
        images = _few([names[image] for image in each.images])
        table.add_row(each.kind, Text(identities), f"{each.probability:.2f}", Text(images))
    messages.print(table)


def _called(known: Known, names: Sequence[str]) -> str:
    """An identity by its name, else by its number in an export made now and an image of it."""
    if known.name is not None:
        return known.name
    image = names[known.images[0]]
    return image if len(known.images) == 1 else f"identity {known.number} ({image}, ...)"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
