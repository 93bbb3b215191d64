"""``reid-al annotate``: people answer in a browser or a terminal, and the model gets better meanwhile."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.asking.policy import check_selector
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages


def annotate(
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the session; the same one goes on with it.")],
    split: Annotated[
        Path | None, typer.Option("--split", help="Split file; without it all images are asked about.")
    ] = None,
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    selector: Annotated[
        str, typer.Option("--selector", help="gain, random, nearest, entropy, dqn or policy:FILE.")
    ] = "gain",
    refresh: opt.Refresh = "cluster",
    adapt: opt.Adapt = True,
    refresh_steps: opt.RefreshSteps = None,
    refresh_every: Annotated[
        int, typer.Option("--refresh-every", min=0, help="Answers between two refreshes; 0: only on demand.")
    ] = 1000,
    warm: Annotated[
        bool, typer.Option("--warm", help="Refresh from the last model, not from the start weights.")
    ] = False,
    answers: Annotated[
        int | None, typer.Option("--answers", min=1, help="Answers in all; without it, while it is worth it.")
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", help="People asked about a pair; 1.2 asks two about every fifth.")
    ] = 1.0,
    lease: Annotated[
        float, typer.Option("--lease", help="Seconds that a pair waits for the person who has it.")
    ] = 120.0,
    hidden: Annotated[
        float, typer.Option("--hidden", help="Share of pairs with a known answer, to check on people.")
    ] = 0.02,
    audit: opt.Audit = 0.05,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Database, such as postgresql+psycopg://...; default: a file in --out."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than loopback need --annotators.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8010,
    hosts: Annotated[
        str, typer.Option("--hosts", help="Names that the page is reached by, comma-separated.")
    ] = "",
    https: Annotated[
        bool, typer.Option("--https", help="The page is reached over HTTPS, through a proxy.")
    ] = False,
    annotators: Annotated[
        str, typer.Option("--annotators", help="Names that get a token each, comma-separated.")
    ] = "",
    pairs: Annotated[
        Path | None, typer.Option("--import", help="CSV of pairs answered before, taken in first.")
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    terminal: Annotated[
        str | None, typer.Option("--terminal", help="Answer here instead, under this name.")
    ] = None,
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Ask people about pairs and learn from their answers; nothing that was answered is ever lost."""
    opt.need("fastapi", "annotate")
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.annotate.begin import open_session
    from reid_al_agents.annotate.imports import import_pairs
    from reid_al_agents.annotate.server.serving import addresses, free_port, make_access, serve
    from reid_al_agents.annotate.settings import AnnotationSettings
    from reid_al_agents.annotate.terminal import answer_here

    check_selector(selector)
    config = opt.run_config(
        data,
        split,
        weights,
        size,
        backbone=backbone,
        selector=selector,
        refresh=refresh,
        adapt=adapt,
        refresh_steps=refresh_steps,
        warm=warm,
        audit=audit,
        evaluate_on="none",
        seed=seed,
    )
    settings = AnnotationSettings(
        overlap=overlap,
        lease_seconds=lease,
        gold_share=hidden,
        refresh_every=refresh_every or None,
        answers=answers,
    )
    people = tuple(name.strip() for name in annotators.split(",") if name.strip())
    names = tuple(name.strip() for name in hosts.split(",") if name.strip())
    if terminal is None:
        port = free_port(host, port)
    with Bars() as bars:
        opened = open_session(config, settings, out, store=store, device=device, progress=bars)
    with opened:
        if pairs is not None:
            messages.print(f"{import_pairs(opened.session, pairs)} answers taken in from {pairs}")
        urls: dict[str, str] = {}
        if terminal is not None:
            opened.refreshing.start_if_due()
            answer_here(opened, terminal)
        else:
            access, tokens = make_access(out, host, people, names, https)
            urls = addresses(host, port, tokens, names)

            def ready() -> None:
                for name, url in urls.items():
                    messages.print(f"{name or 'open'}: {url}", soft_wrap=True)
                if browser:
                    webbrowser.open(next(iter(urls.values())))

            serve(opened, access, host, port, data, ready)
        count = opened.session.state.beliefs.answers
    if json:
        emit_json({"out": str(out), "answers": count, "urls": urls})
    else:
        messages.print(f"{count} answers are in {store or out}; the same command goes on")
