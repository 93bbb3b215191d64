"""``reid-al weights``: the backbones that there are, and what of a file of weights would load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from reid_al_agents.vision.description import WeightsInfo
    from reid_al_agents.vision.load_report import LoadReport


def weights(
    action: Annotated[
        str,
        typer.Argument(metavar="check", help="check: report what of FILE would load", show_default=False),
    ] = "",
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Weights, .pth or .safetensors", show_default=False)
    ] = "",
    backbone: Annotated[
        str,
        opt.option("--backbone", "Backbone to load the file into", "Model", "NAME", "found from the file"),
    ] = "",
    json: opt.Json = False,
) -> None:
    """List the backbones, or check which one a weights file belongs to and what of it would load."""
    if action == "" and file == "":
        _list(json)
    elif action == "check" and file:
        _check(Path(file), backbone or None, json)
    else:
        raise InputError("weights: expected nothing, or check FILE, such as reid-al weights check model.pth")


def _list(json: bool) -> None:
    from reid_al_agents.vision.catalogue import backbone_names, find_backbone, publisher_of, size_text

    rows = [
        {
            "backbone": name,
            "size": size_text(find_backbone(name).default_size),
            "pretrained": publisher_of(name) or "none",
        }
        for name in backbone_names()
    ]
    if json:
        emit_json({"backbones": rows})
        return
    for row in rows:
        line = f"{row['backbone']:<24} {row['size']:<8} --weights pretrained: {row['pretrained']}"
        messages.print(line, highlight=False, soft_wrap=True)
    messages.print("and any model of timm as timm:NAME, or an ONNX file as onnx:FILE", highlight=False)


def _check(file: Path, backbone: str | None, json: bool) -> None:
    from reid_al_agents.vision.backbones import build_backbone
    from reid_al_agents.vision.description import choose, describe_weights
    from reid_al_agents.vision.weights import check_weights

    info = describe_weights(file)
    choice = choose(backbone, None, info)
    model = build_backbone(choice.backbone)
    if info.size is not None:
        model.fit_to(info.size)
    report = check_weights(model, file)
    if json:
        emit_json(_as_dict(info, report))
    else:
        for line in [*choice.notes, *report.lines(), *_said_by_the_file(info)]:
            messages.print(line, soft_wrap=True, highlight=False, markup=False)
    if not report.fits:
        raise InputError(
            f"{file}: too little of {choice.backbone} would load; name the backbone it is of, or leave "
            "--backbone out"
        )


def _said_by_the_file(info: WeightsInfo) -> list[str]:
    from reid_al_agents.vision.catalogue import size_text

    lines = []
    if info.size is not None:
        lines.append(f"image size: {size_text(info.size)}")
    if info.normalisation is not None:
        lines.append(f"normalisation: {info.normalisation}")
    if info.trained_on is not None:
        lines.append(f"trained on: {info.trained_on}")
    return lines


def _as_dict(info: WeightsInfo, report: LoadReport) -> dict[str, object]:
    return {
        **vars(report),
        "guessed": info.guessed,
        "size": None if info.size is None else list(info.size),
        "normalisation": None if info.normalisation is None else str(info.normalisation),
        "trained_on": info.trained_on,
    }
