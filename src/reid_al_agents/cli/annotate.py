"""``reid-al annotate``: people answer in a browser or a terminal, and the model gets better meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress
from reid_al_agents.cli.reopen import find_place
from reid_al_agents.cli.stopping import continue_by
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.settings import from_mapping

_TAKEN = ("data", "split", *opt.READING, "seed", "weights", "backbone", "size", "features", "selector",
          "audit", "refresh", "refresh_steps", "adapt", "warm")  # fmt: skip


@opt.takes(
    reopens=True,
    asked=opt.options(AnnotationSettings, without=("ready",)),
    typed=opt.options(RunConfig, *_TAKEN),
)
def annotate(
    typed: opt.Typed,
    asked: opt.Typed,
    out: Annotated[
        Path | None,
        opt.option("--out", "Folder of the session; an existing one is continued", "Output", "FOLDER"),
    ] = None,
    resume: opt.Resume = False,
    store: Annotated[
        str | None,
        opt.option(
            "--store", "Database, such as postgresql+psycopg://...", "Output", "URL", "a file in --out"
        ),
    ] = None,
    file: Annotated[
        Path | None,
        opt.option(
            "--import", "Earlier answers or identities; as reid-al import takes them", "Asking", "FILE"
        ),
    ] = None,
    terminal: Annotated[
        str | None,
        opt.option(
            "--terminal",
            "Answer in this terminal, under this annotator name, instead of a browser",
            "Page",
            "NAME",
        ),
    ] = None,
    host: Annotated[
        str,
        opt.option(
            "--host",
            "Address to listen on; one that other machines can reach needs --annotators",
            "Page",
            "ADDRESS",
            "127.0.0.1",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, opt.option("--port", "Port; 0 takes a free one", "Page", "N", "8010", min=0, max=65535)
    ] = 8010,
    annotators: Annotated[
        str,
        opt.option(
            "--annotators",
            "Annotators, separated by commas; each gets an address with a token, which the first may revoke",
            "Page",
            "NAMES",
        ),
    ] = "",
    hosts: Annotated[
        str,
        opt.option(
            "--hosts", "Host names under which the page is reached, separated by commas", "Page", "NAMES"
        ),
    ] = "",
    https: Annotated[
        bool, opt.flag("--https", "The page is reached over HTTPS, through a proxy", "Page")
    ] = False,
    browser: Annotated[bool, opt.flag("--open/--no-open", "Open the page in a browser", "Page")] = True,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Let people answer questions about pairs of images, and learn from their answers.

    "reid-al annotate FOLDER" continues a session, or a run by hand.
    """
    opt.need("fastapi", "annotate")
    opt.need("sqlalchemy", "annotate")
    from reid_al_agents.annotate.memory import map_large_arrays, share_one_arena
    from reid_al_agents.workspace.folder import Folder

    share_one_arena()
    resume = resume or (out is not None and Folder.holds(out))
    place = find_place(typed, out, resume=resume, usual={"evaluate_on": "none"})
    kept = Folder(place.folder).kept().annotation if place.goes_on else {}
    settings = from_mapping(AnnotationSettings, {**kept, **asked})
    from reid_al_agents.annotate.begin import open_session
    from reid_al_agents.annotate.imports import import_file
    from reid_al_agents.annotate.server.serving import addresses, free_port, make_access, serve
    from reid_al_agents.annotate.terminal import answer_here
    from reid_al_agents.asking.policy import check_selector

    check_selector(place.config.selector)
    if terminal is None:
        port = free_port(host, port)
    with progress() as report:
        opened = open_session(
            place.config, settings, place.folder, store=store, device=device, progress=report
        )
    map_large_arrays()
    continue_by("annotate", place.folder)
    with opened:
        if file is not None:
            messages.print(f"{file}: {import_file(opened.session, file)} new answers and identities")
        urls: dict[str, str] = {}
        if terminal is not None:
            opened.refreshing.start_if_due()
            answer_here(opened, terminal)
        else:
            names = opt.parse_names(hosts)
            access, tokens = make_access(place.folder, host, opt.parse_names(annotators), names, https)
            urls = addresses(host, port, tokens, names)
            opened.refreshing.display = progress
            serve(opened, access, host, port, place.config.data, lambda: _announce(urls, browser))
        count = opened.session.state.beliefs.answers
    if json:
        emit_json({"out": str(place.folder), "answers": count, "urls": urls})
    else:
        where = store or place.folder
        messages.print(f"{count} answers are in {where}; reid-al annotate {place.folder} continues")


def _announce(urls: dict[str, str], browser: bool) -> None:
    """Print where the page is, and open it."""
    for name, url in urls.items():
        messages.print(f"{name or 'open'}: {url}", soft_wrap=True)
    if browser:
        import webbrowser

        webbrowser.open(next(iter(urls.values())))
