"""Images that came and went since a run or session was begun: one small file, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reid_al_agents.data.settings import DataSettings
from reid_al_agents.files import OWN_BACK, read_json, write_json
from reid_al_env import InputError
from reid_al_env.settings import from_mapping

UPLOADED = "uploaded"
"""Folder in that of a session with the images that came by the page; also the layout of these data."""


@dataclass(frozen=True)
class Source:
    """Further data that images came from.

    Attributes:
        data: As it was typed, such as ``folder:WEEK2``; ``uploaded:NAME`` is a folder in that of
            the session, which is found again wherever the session is moved.
        prefix: Put before the names of its images, with a stroke.
        reading: How it is read.
    """

    data: str
    prefix: str
    reading: DataSettings

    def found_in(self, folder: Path) -> str:
        """DATA as it is loaded, for the session's folder."""
        layout, _, name = self.data.partition(":")
        return f"folder:{folder / UPLOADED / name}?identities=no" if layout == UPLOADED else self.data


@dataclass(frozen=True)
class PoolChanges:
    """What became of a pool since the start; its images' numbers only ever grow.

    Attributes:
        sources: Where images were added from, beside the data of the start.
        names: Names of the images added, in order; the first has the number after the last of the start.
        hashes: What each of them is, see :meth:`.ImageSet.content_hashes`.
        removed: Numbers of images that were taken out, ascending; their answers count.
        event: Id of the last event in the log when images last came or went; 0 before.
    """

    sources: tuple[Source, ...] = ()
    names: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    removed: tuple[int, ...] = field(default=())
    event: int = 0


def write_changes(path: Path, changes: PoolChanges) -> None:
    """Write the file that :func:`read_changes` reads; all of it or nothing.

    Raises:
        InputError: It cannot be written.
    """
    write_json(path, asdict(changes))


def read_changes(path: Path) -> PoolChanges:
    """Read the changes of a pool.

    Raises:
        InputError: The file cannot be read, or makes no sense.
    """
    content = read_json(path)
    try:
        names, hashes = (tuple(map(_text, content[key])) for key in ("names", "hashes"))
        if len(names) != len(hashes):
            raise ValueError(f"{len(names)} names but {len(hashes)} hashes")
        removed = tuple(map(_whole, content["removed"]))
        sources = tuple(map(_source, content["sources"]))
        return PoolChanges(sources, names, hashes, removed, _whole(content["event"]))
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise InputError(f"{path}: does not say which images were added ({error}); {OWN_BACK}") from error


def _source(content: Mapping[str, Any]) -> Source:
    reading = from_mapping(DataSettings, dict(content["reading"]))
    return Source(_text(content["data"]), _text(content["prefix"]), reading)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no whole number from 0")
    return value
