"""Options of the commands: those of the settings are made from their fields, shared ones are written here."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import typer

from reid_al_env.errors import InputError
from reid_al_env.settings import Described, fields_of, plain

PANELS = ("Data", "Model", "Asking", "Page", "Training", "Output", "Research")
"""Headings of a command's help, in order; options for experiments come last."""

READING = ("unknown", "skip_damaged", "root", "sequence_gap", "max_speed")
"""Settings of how data are read, which every command has that reads them."""

Typed: TypeAlias = dict[str, Any]
"""Settings given on the command line, by name; all others have their defaults."""


def option(name: str, about: str, panel: str, metavar: str, default: str = "", **more: Any) -> Any:
    """An option of a command's own.

    Args:
        name: Its name on the command line.
        about: Its help text.
        panel: One of :data:`PANELS`.
        metavar: Placeholder of its value.
        default: Its default in words, for the help.
        **more: Further arguments of :func:`typer.Option`.
    """
    notes = f" [dim](default {default})[/dim]" if default else ""
    return typer.Option(
        name, help=about + notes, metavar=metavar, show_default=False, rich_help_panel=panel, **more
    )


def flag(name: str, about: str, panel: str) -> Any:
    """An option of a command's own that has no value; see :func:`option`."""
    return option(name, about, panel, metavar="")


Json: TypeAlias = Annotated[
    bool, flag("--json", "Print one JSON object on standard output, all else on standard error", "Output")
]
Device: TypeAlias = Annotated[
    str, option("--device", "cpu, cuda, or auto: an accelerator where there is one", "Model", "NAME", "auto")
]
Final: TypeAlias = Annotated[
    bool,
    flag("--final", "Score on the test identities instead of validation's; each use is logged", "Data"),
]
Resume: TypeAlias = Annotated[
    bool, flag("--resume", "Continue the run or session in --out; its options are kept", "Output")
]


def options(settings: type, *names: str, without: tuple[str, ...] = ()) -> tuple[Described, ...]:
    """Fields of a settings dataclass that a command takes as options.

    Args:
        settings: The dataclass.
        *names: The fields; all where none is named.
        without: Fields that it does not take.
    """
    return tuple(
        field
        for field in fields_of(settings)
        if (not names or field.name in names) and field.name not in without
    )


def takes(
    reopens: bool = False, **groups: tuple[Described, ...]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add settings to a command as options.

    The command gets, for each group, a dictionary of the values that were typed: a setting that is not in it
    was left to its default, or to what a folder holds. Errors about a setting name its option.

    Args:
        reopens: Whether the positional argument may also be the folder of a run or session.
        **groups: Fields (see :func:`options`) by the name under which the command gets them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = {field.name: field for group in groups.values() for field in group}

        @functools.wraps(command)
        def with_settings(**values: Any) -> None:
            with _options_named(fields):
                typed = {name: _typed(group, values) for name, group in groups.items()}
                command(**typed, **values)

        own = inspect.signature(command).parameters.values()
        hints = get_type_hints(command, include_extras=True)
        parameters = [
            *(_parameter(field, reopens) for field in fields.values()),
            *(
                item.replace(annotation=hints[item.name], kind=inspect.Parameter.KEYWORD_ONLY)
                for item in own
                if item.name not in groups
            ),
        ]
        parameters.sort(key=_place)
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {item.name: item.annotation for item in parameters}
        return with_settings

    return decorate


def _typed(group: tuple[Described, ...], values: dict[str, Any]) -> Typed:
    """Take the settings of a group out of all values; those that were typed."""
    given = [(field, values.pop(field.name)) for field in group]
    return {field.name: _from_text(field, value) for field, value in given if value is not None}


def _parameter(field: Described, reopens: bool) -> inspect.Parameter:
    """What Typer makes an option of; its value is ``None`` where it was not typed."""
    if not field.option.startswith("--"):
        return _argument(field, reopens)
    off = f"/--no-{field.option[2:]}" if field.type is bool and field.default is True else ""
    panel = "Research" if field.setting.research else field.setting.panel
    made = option(field.option + off, _help(field), panel, _metavar(field))
    kind = str if get_origin(field.type) is tuple else field.type
    return _keyword(field.name, Annotated[kind | None, made], None)


def _argument(field: Described, reopens: bool) -> inspect.Parameter:
    if reopens:
        about = field.setting.help + "; or the folder of a run or session to continue"
        made = typer.Argument(metavar="DATA|FOLDER", help=about, show_default=False)
        return _keyword(field.name, Annotated[str | None, made], None)
    made = typer.Argument(metavar=field.option, help=field.setting.help, show_default=False)
    return _keyword(field.name, Annotated[str, made], inspect.Parameter.empty)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _help(field: Described) -> str:
    *others, last = field.choices or ("",)
    notes = [f"{', '.join(others)} or {last}" if others else last, _range(field), _default(field)]
    together = "; ".join(note for note in notes if note)
    return f"{field.setting.help} [dim]({together})[/dim]" if together else field.setting.help


def _range(field: Described) -> str:
    """The range, but for what goes without saying: that a count is not negative, or not 0."""
    about = field.setting
    plain_count = field.type is int and about.at_least in (0, 1) and about.at_most is None
    return "" if plain_count and not about.unit else about.allowed


def _default(field: Described) -> str:
    if field.setting.default_help:
        return f"default: {field.setting.default_help}"
    if isinstance(field.default, bool):
        return "default on" if field.default else ""
    return "" if field.default in (None, MISSING) else f"default {as_text(field.default)}"


def _metavar(field: Described) -> str:
    if field.setting.metavar or field.type is bool:
        return field.setting.metavar
    return {int: "N", float: "X"}.get(field.type, "NAME")


def _place(parameter: inspect.Parameter) -> int:
    panel = get_args(parameter.annotation)[1].rich_help_panel
    return PANELS.index(panel) if panel else -1


def as_text(value: object) -> str:
    """A value as it is typed: ``128x64`` for (128, 64)."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else plain(value)


def _from_text(field: Described, value: Any) -> Any:
    """A value as the settings want it: ``128x64`` becomes (128, 64); any other is one already."""
    if get_origin(field.type) is not tuple:
        return value
    parts = value.split("x")
    if len(parts) != len(get_args(field.type)) or not all(part.isdecimal() for part in parts):
        raise InputError(f"{field.name}: {value!r} is not {_metavar(field)}, whole numbers with x between")
    return tuple(int(part) for part in parts)


@contextmanager
def _options_named(fields: Mapping[str, Described]) -> Iterator[None]:
    """Let an error that begins with the name of a setting begin with its option."""
    try:
        yield
    except InputError as error:
        name, colon, rest = str(error).partition(":")
        if not colon or name not in fields:
            raise
        raise InputError(f"{fields[name].option}:{rest}") from error


def parse_numbers(text: str, name: str) -> tuple[int, ...]:
    """``"1,2,3"`` as numbers from 0.

    Raises:
        InputError: If it is not of that form.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"{name}: {text!r} is not whole numbers with commas between, such as 0,1,2")
    return tuple(int(part) for part in parts)


def parse_names(text: str) -> tuple[str, ...]:
    """``"anna, ben"`` as names; empty ones are left out."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def writable_file(path: Path) -> Path:
    """The path itself, if its folder is there.

    Raises:
        InputError: It is not.
    """
    if not path.parent.is_dir():
        raise InputError(f"--out: folder {path.parent} does not exist; create it first")
    return path


def typed_command() -> str:
    """The command line as typed."""
    return shlex.join(["reid-al", *sys.argv[1:]])


def need(module: str, extra: str) -> None:
    """Say which extra to install where a module is missing.

    Raises:
        InputError: It is missing.
    """
    if importlib.util.find_spec(module) is None:
        raise InputError(f'{module} is not installed; pip install "reid-active-learning[{extra}]"')
