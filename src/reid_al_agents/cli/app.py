"""All commands joined into one program."""

from __future__ import annotations

import typer

from reid_al_agents.cli.annotate import annotate
from reid_al_agents.cli.benchmark import benchmark
from reid_al_agents.cli.datasets import datasets
from reid_al_agents.cli.demo import demo
from reid_al_agents.cli.embed import embed
from reid_al_agents.cli.evaluate import evaluate
from reid_al_agents.cli.export import export
from reid_al_agents.cli.run import run
from reid_al_agents.cli.train import train

app = typer.Typer(
    name="reid-al",
    help="Human-in-the-loop re-identification: ask about a few pairs, get a better model.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (demo, embed, train, run, benchmark, evaluate, annotate, export, datasets):
    app.command()(command)
