"""``reid-al datasets``: the layouts that DATA may have, and what is in a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, print_line, progress
from reid_al_agents.data.settings import DataSettings
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from reid_al_agents.data.layouts.layout import Layout
    from reid_al_agents.data.summary import Part, Summary

_SHOWN = 10


@opt.takes(reading=opt.options(DataSettings, without=("skip_damaged",)))
def datasets(
    reading: opt.Typed,
    action: Annotated[
        str, typer.Argument(metavar="check", help="check: report what is in DATA", show_default=False)
    ] = "",
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="The data set to check", show_default=False)
    ] = "",
    json: opt.Json = False,
) -> None:
    """List the layouts of data sets, with sources and folder structures; or check a data set."""
    if action == "" and data == "":
        _list(json)
    elif action == "check" and data:
        _check(data, DataSettings(**reading, skip_damaged=True), json)
    else:
        raise InputError(
            f"datasets: {' '.join((action, data)).strip()!r}; expected nothing, or check DATA, such as "
            "reid-al datasets check folder:CROPS"
        )


def _list(json: bool) -> None:
    from reid_al_agents.data.catalogue import LAYOUTS
    from reid_al_env.image_formats import NOT_READ, formats

    if json:
        layouts = {name: _layout_row(layout) for name, layout in LAYOUTS.items()}
        emit_json({"layouts": layouts, "formats": list(formats()), "formats_not_read": sorted(NOT_READ)})
        return
    for layout in LAYOUTS.values():
        print_line(f"{layout.prefix}:{layout.place}  {layout.title}")
        for line in _about(layout):
            print_line(f"    {line}")
    print_line("synthetic:NAME  rendered pedestrians: pedestrians-source, pedestrians-target, tiny")
    print_line("FILE.npz  features made by reid-al embed")
    print_line(f"Image formats: {', '.join(formats())}")
    print_line("Nothing is downloaded. reid-al datasets check DATA says what is in a data set.")


def _about(layout: Layout) -> list[str]:
    lines = layout.tree.split("\n")
    if layout.origin:
        lines.append(f"where: {layout.origin}")
    if layout.published:
        parts = (f"{name} {count.images:,} of {count.identities:,}" for name, count in layout.published)
        lines.append(f"published images of identities: {', '.join(parts)}")
    return [*lines, *([layout.note] if layout.note else [])]


def _layout_row(layout: Layout) -> dict[str, Any]:
    row = asdict(layout)
    del row["load"]
    row["published"] = {name: asdict(count) for name, count in layout.published}
    return row


def _check(data: str, settings: DataSettings, json: bool) -> None:
    from reid_al_agents.data import ImageSet, load_data
    from reid_al_agents.data.summary import summarise

    images = load_data(data, settings, quiet=True)  # its notes are a part of the report
    if not isinstance(images, ImageSet):
        raise InputError(f"{data}: holds features; name images, such as folder:CROPS")
    with progress() as report:
        summary = summarise(images, report)
    if json:
        emit_json({**asdict(summary), "parts": [_part_row(part) for part in summary.parts]})
        return
    messages.print(_table(summary))
    for line in _lines(summary):
        print_line(line)


def _part_row(part: Part) -> dict[str, Any]:
    return {**asdict(part), "as_published": part.as_published}


def _table(summary: Summary) -> Table:
    from rich.table import Table

    table = Table("part", "images", "identities", "unknown", "published", title=summary.source)
    for part in summary.parts:
        told = ""
        if part.published is not None:
            told = f"{part.published.images:,} of {part.published.identities:,}"
            told += f" ({_agreement(part)})"
        table.add_row(part.name, f"{part.images:,}", f"{part.identities:,}", f"{part.unknown:,}", told)
    return table


def _agreement(part: Part) -> str:
    if not part.images:
        return "absent"
    return "agrees" if part.as_published else "DIFFERS"


def _lines(summary: Summary) -> list[str]:
    lines = []
    if summary.per_identity is not None:
        least, median, most = summary.per_identity
        lines.append(f"images an identity: {least} to {most}, median {median:g}")
    else:
        lines.append(
            "no identity is known: annotate and embed work; run, benchmark, train and evaluate need some"
        )
    for name, counts in (("cameras", summary.cameras), ("sides", summary.sides), ("places", summary.places)):
        lines.append(f"{name}: {_counted(counts) or 'unknown'}")
    if summary.times is not None:
        lines.append(f"times: {summary.times[0]} to {summary.times[1]}")
    if summary.sizes is not None:
        small, middle, large = (f"{height}x{width}" for height, width in summary.sizes)
        lines.append(f"sizes (height x width): {small} to {large}, median {middle}")
    lines.append(_groups("equal in content", summary.duplicates))
    if summary.conflicts:
        lines.append(_groups("equal in content but of different identities", summary.conflicts))
    if summary.leaks:
        lines.append(_groups("equal in content but both in training and in test", summary.leaks))
    lines.append(f"damaged: {len(summary.damaged) or 'none'}")
    lines += [f"  {image.name}: {image.reason}" for image in summary.damaged]
    return [*lines, *summary.notes]


def _counted(counts: dict[str, int]) -> str:
    first = [f"{name} ({count:,})" for name, count in list(counts.items())[: 3 * _SHOWN]]
    return ", ".join([*first, *(["..."] if len(counts) > len(first) else [])])


def _groups(what: str, groups: tuple[tuple[str, ...], ...]) -> str:
    if not groups:
        return f"{what}: none"
    told = "; ".join(" = ".join(names) for names in groups[:_SHOWN])
    many = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
    return f"{what}: {many} ({told}{'; ...' if len(groups) > _SHOWN else ''})"
