"""The folder of a command: a new one, or one that it continues and whose settings it uses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_al_agents.cli.options import Typed, as_text
from reid_al_agents.workspace.settings import RunConfig, can_change
from reid_al_env.errors import InputError
from reid_al_env.settings import Described, field_of


@dataclass(frozen=True)
class Place:
    """The folder of a run or session, and the settings it works with.

    Args:
        folder: The folder.
        config: The settings: those that were typed, or those that the folder holds.
        goes_on: Whether the folder holds a run or session already.
    """

    folder: Path
    config: RunConfig
    goes_on: bool


def find_place(typed: Typed, out: Path | None, *, resume: bool, usual: Typed | None = None) -> Place:
    """Find the folder that a command line names, new or to be continued.

    Args:
        typed: Settings that were typed; ``data`` may be the folder of a run or session.
        out: The folder of ``--out``.
        resume: Whether to continue the run in ``out``.
        usual: Settings of a new folder that differ from the defaults.

    Raises:
        InputError: No folder is named, there is nothing to continue, or a typed setting contradicts the
            folder's.
    """
    from reid_al_agents.workspace.folder import Folder

    data = typed.get("data")
    if data is not None and Folder.holds(data):
        if out is not None and out.resolve() != Path(data).resolve():
            raise InputError(
                f"--out: {out} is not {data}, which is to be continued; leave out one of the two"
            )
        return _go_on(Path(data), {name: value for name, value in typed.items() if name != "data"})
    if data is not None and Path(data).is_dir():
        Folder(Path(data)).check_whole()  # its settings may be what is lost
    if out is None:
        raise InputError("--out: is missing; name a new folder, or the folder of a run in place of DATA")
    if not Folder.holds(out):
        Folder(out).check_whole()
    if resume or (data is None and Folder.holds(out)):
        if not Folder.holds(out):
            raise InputError(f"{out}: holds no run to resume; start one without --resume")
        return _go_on(out, typed, usual)
    if data is None:
        raise InputError("DATA: is missing; name images, such as folder:DIR, or the folder of a run")
    if Path(data).is_dir():
        raise InputError(f"{data}: holds no run or session; for the images in it write folder:{data}")
    return Place(out, RunConfig(**{**(usual or {}), **typed}), goes_on=False)


def _go_on(folder: Path, typed: Typed, usual: Typed | None = None) -> Place:
    from reid_al_agents.workspace.folder import Folder

    kept = Folder(folder).kept()
    config = kept.settings
    for name, value in typed.items():
        before = getattr(config, name)
        if can_change(name, before):
            config = replace(config, **{name: value})
        elif before != value and Folder(folder).is_unused(kept):
            return Place(folder, _again(config, typed, usual), goes_on=False)
        elif before != value:
            field = field_of(RunConfig, name)
            raise InputError(
                f"{_typed_as(field, value)}: this folder was started {_started(field, before)}; "
                "leave the option out, or choose another --out"
            )
    return Place(folder, config, goes_on=True)


def _again(config: RunConfig, typed: Typed, usual: Typed | None) -> RunConfig:
    """The settings of a folder that is begun again: those typed with DATA, or its own with those changed."""
    if "data" in typed:
        return RunConfig(**{**(usual or {}), **typed})
    return replace(config, **typed)


def _typed_as(field: Described, value: Any) -> str:
    """What was typed: ``--k 10``, ``--warm``, ``--no-adapt``."""
    if isinstance(value, bool):
        return field.option if value else f"--no-{field.option[2:]}"
    return f"{field.option} {as_text(value)}"


def _started(field: Described, kept: Any) -> str:
    if kept is None or kept is False:
        return f"without {field.option}"
    return f"with {field.option}" if kept is True else f"with {field.option} {as_text(kept)}"
