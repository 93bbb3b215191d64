"""``reid-al run``: the main job, from crops and weights to a better model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, print_line, progress
from reid_al_agents.cli.reopen import find_place
from reid_al_agents.cli.stopping import continue_by
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.errors import InputError


@opt.takes(reopens=True, typed=opt.options(RunConfig, without=("evaluate_on",)))
def run(
    typed: opt.Typed,
    out: Annotated[
        Path | None,
        opt.option("--out", "Folder for the model, the answers and the report", "Output", "FOLDER"),
    ] = None,
    resume: opt.Resume = False,
    final: opt.Final = False,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Embed, ask, learn, refresh and repeat, with answers simulated from labels.

    The folder --out holds the better model and all answers. "reid-al run FOLDER" continues it.
    """
    place = find_place(typed, out, resume=resume, usual={"evaluate_on": "test"} if final else None)
    if final and place.config.evaluate_on != "test":
        raise InputError(
            f"--final: {place.folder} was started without it; leave it out, or start another run"
        )
    from reid_al_agents.asking.policy import check_selector
    from reid_al_agents.experiment.run import check_folder
    from reid_al_agents.experiment.run import run as run_loop
    from reid_al_agents.report.table import as_rich, rounds_table
    from reid_al_agents.workspace.assembly import assemble
    from reid_al_agents.workspace.folder import Folder
    from reid_al_agents.workspace.uses_of_test import log_test_use

    config, folder = place.config, place.folder
    check_selector(config.selector)
    check_folder(folder, config, resume=place.goes_on)  # before the data are read and anything is written
    begun = Folder(folder) if place.goes_on and Folder(folder).pool.begun else None
    if config.evaluate_on == "test":
        log_test_use(folder, opt.typed_command())
    with progress() as report:
        continue_by("run", folder)
        made = folder / "split.json"
        subject = assemble(config, device=device, keep_split=made, settle=begun, progress=report)
        result = run_loop(
            config,
            subject,
            folder,
            resume=place.goes_on,
            command=opt.typed_command(),
            progress=report,
            on_round=lambda metrics: messages.print(round_line(metrics)),
        )
    summary = [{name: value for name, value in line.items() if name != "returns"} for line in result.rounds]
    if json:
        emit_json({"out": str(folder), "rounds": summary, "ending": result.ending})
    else:
        title = f"{config.selector} on {config.data}"
        messages.print(as_rich(rounds_table(summary, title=title), messages.width))
        if result.ending is not None:
            print_line(result.ending)
        messages.print(f"weights, answers, metrics and report.html: {folder}")


def round_line(metrics: dict[str, Any]) -> str:
    """One line about a round: answers, groups, estimates of the audit, and scores."""
    if metrics["round"] == 0:
        start = "start"
    else:
        start = f"round {metrics['round']}: {metrics['answers']} answers, {metrics['groups']} groups"
    if "changed_groups" in metrics:  # input of the stop rule
        start += f", {metrics['changed_groups']} of {metrics['changes_watched']} answers changed one"
    for name in ("precision", "recall"):
        if (audited := metrics.get(f"audit_{name}")) is not None:
            middle, low, high = (100 * value for value in audited)
            start += f", {name} {middle:.0f} % ({low:.0f} to {high:.0f})"
    if (error := metrics.get("audit_calibration_error")) is not None:
        start += f", calibration error {100 * error:.0f} %"
    scores = f", rank-1 {metrics['rank1']:.1f}, mAP {metrics['map']:.1f}" if "map" in metrics else ""
    return f"{start}{scores} ({metrics['seconds']:.0f} s)"
