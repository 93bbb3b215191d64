"""How the scripts here keep a result: figures beside the command, seeds, settings, commit and machine."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from reid_al_agents.files import make_folder, write_text
from reid_al_agents.report.machine import Provenance
from reid_al_env import InputError


def typed_command() -> str:
    """The command line as typed."""
    return shlex.join(["python", *sys.argv])


def write_result(
    out: Path, seeds: tuple[int, ...], settings: Mapping[str, object], figures: Mapping[str, Any]
) -> None:
    """Write ``out`` (JSON): ``figures``, and before them what someone needs to get them again.

    Raises:
        InputError: The file cannot be written.
    """
    origin = asdict(Provenance.of_this_process(typed_command(), seeds, settings))
    make_folder(out.parent)
    write_text(out, json.dumps({**origin, **figures}, indent=2, default=str) + "\n")


def new_table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table with columns of words on the left and of numbers on the right."""
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0), show_edge=False
    )
    for head in words:
        table.add_column(head, no_wrap=True)
    for head in numbers:
        table.add_column(head, justify="right")
    return table


def show(table: Table) -> None:
    """Print a table at its full width, also where the output goes to a file."""
    Console(width=max(Console().width, 120)).print(table)


def run(main: Callable[[], None]) -> None:
    """Run a script; bad input gives one line on standard error and exit code 2."""
    try:
        main()
    except InputError as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        sys.exit(2)
