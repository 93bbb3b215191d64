"""The files of a session, written from its folder without serving it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from reid_al_agents.annotate.begin import CONFIG, open_session
from reid_al_agents.annotate.exports import EXPORTS, Exports
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.files import write_text
from reid_al_agents.log.formats import LOCAL_FILES, write_market1501
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError


def hand_out(
    folder: Path,
    target: Path,
    *,
    store: str | None = None,
    market1501: Path | None = None,
    image_prefix: str = LOCAL_FILES,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, object]:
    """Write all exports of a session to ``target``.

    Args:
        folder: The session's folder.
        target: Where to write.
        store: Address of its database; ``None`` is the file in the folder.
        market1501: Folder to make in Market-1501's layout; ``None`` makes none.
        image_prefix: Put before each image's name to make its address in Label Studio.
        progress: Told of long work.

    Returns:
        What was written.

    Raises:
        InputError: The session cannot be opened or the files cannot be written.
    """
    try:
        kept = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        known = {field.name for field in fields(RunConfig)}
        config = RunConfig(
            **{name: value for name, value in kept.items() if name in known and name != "size"},
            size=(int(kept["size"][0]), int(kept["size"][1])),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder / CONFIG}: cannot be read ({error})") from error
    with open_session(config, AnnotationSettings(), folder, store=store, progress=progress) as opened:
        exports = Exports(opened.session, image_prefix)
        for what in EXPORTS:
            write_text(target / what, exports.make(what)[0])
        sheet = opened.session.identities()
        written: dict[str, object] = {
            "files": [str(target / what) for what in EXPORTS],
            "answers": opened.session.state.answers,
            "groups": sheet.identities,
        }
        if market1501 is not None:
            written["market1501"] = str(market1501)
            written["images"] = write_market1501(market1501, opened.pictures.images, sheet.labels)
    return written
