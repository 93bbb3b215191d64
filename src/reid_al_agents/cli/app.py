"""All commands joined into one program; none of them imports anything heavy before it runs."""

from __future__ import annotations

from typing import Any

import typer
import typer.core

from reid_al_agents.cli.add import add
from reid_al_agents.cli.annotate import annotate
from reid_al_agents.cli.benchmark import benchmark
from reid_al_agents.cli.datasets import datasets
from reid_al_agents.cli.demo import demo
from reid_al_agents.cli.doctor import doctor
from reid_al_agents.cli.embed import embed
from reid_al_agents.cli.evaluate import evaluate
from reid_al_agents.cli.export import export
from reid_al_agents.cli.imports import import_
from reid_al_agents.cli.remove import remove
from reid_al_agents.cli.run import run
from reid_al_agents.cli.score import score
from reid_al_agents.cli.train import train
from reid_al_agents.cli.weights import weights

WORK, RESEARCH, SETUP = "Work", "Research", "Set-up"
"""Headings of the list of commands."""

COMMANDS = {
    WORK: (annotate, run, add, remove, export, import_, evaluate, embed, demo),
    RESEARCH: (benchmark, train, score),
    SETUP: (datasets, weights, doctor),
}


class Group(typer.core.TyperGroup):
    """The program, whose ``--help`` is shown as a flag."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        made: Any = super().get_help_option(ctx)
        if made is not None:
            made.metavar = ""
        return made


class Command(typer.core.TyperCommand):
    """A command whose ``--help`` is listed with the other options about output, not in a panel of its own."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option ``--help``."""
        made: Any = super().get_help_option(ctx)
        if made is not None:
            made.rich_help_panel, made.metavar = "Output", ""
        return made


app = typer.Typer(
    name="reid-al",
    help="Human-in-the-loop re-identification: answer questions about pairs, get identities and a model.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    cls=Group,
)
for _panel, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(_command.__name__.strip("_"), cls=Command, rich_help_panel=_panel)(_command)
