"""Identities that were known before: from tables and folders, as events that say so."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_al_agents.data import ImageSet
from reid_al_agents.data.layouts.market1501 import load_market1501
from reid_al_agents.data.layouts.named_files import MAP
from reid_al_agents.data.layouts.own_exports import is_suggested
from reid_al_agents.data.layouts.table import COLUMNS
from reid_al_agents.data.names import clean_name, is_unknown
from reid_al_agents.data.rows import Rows, read_rows
from reid_al_agents.log.events import Event
from reid_al_env.errors import InputError
from reid_al_env.messages import Message

TRUST = 0.98
"""Default trust in imported identities."""

_log = logging.getLogger(__name__)

_OWN_COLUMNS = frozenset({"name", "identity", "group_size"})  # of identities.csv
_NUMBERED = re.compile(r"identity_\d+")  # what wildlife.csv calls an identity without a name


@dataclass(frozen=True)
class KnownIdentity:
    """Images of one individual.

    Attributes:
        name: What it is called; ``None`` where it has a number only.
        images: Their names.
    """

    name: str | None
    images: tuple[str, ...]


def identities_in_table(rows: Rows, known: Container[str]) -> list[KnownIdentity]:
    """The identities of ``identities.csv``, of ``wildlife.csv``, or of any table of images with identities.

    Images of unknown identity are left out, and so are those that stand alone in ``identities.csv`` without
    a name, and those whose cell in the column ``confirmed`` is 0: suggestions of the model, which no person
    has confirmed. Of a named identity without a confirmed image, the first image keeps the name.

    Args:
        rows: The table.
        known: Names of the images that it is read for. Where several columns could name images, the first
            that names these alone is taken.

    Raises:
        InputError: There is no column of images or of identities.
    """
    image, identity = _column_of_images(rows, known), rows.find(COLUMNS["identity"])
    if image is None or identity is None:
        raise InputError(
            Message(
                "{file}: line 1: found {columns}; expected the columns name (or path) and identity, or "
                "query_name, candidate_name and answer",
                file=rows.file,
                columns=", ".join(rows.columns),
            )
        )
    own = set(rows.columns) >= _OWN_COLUMNS
    images: dict[str, list[tuple[str, bool]]] = {}
    names: dict[str, str | None] = {}
    for row in rows.rows:
        word = clean_name(row[identity])
        label = row.get("label", "") if own else word
        alone = own and row["group_size"] == "1" and is_unknown(label)
        if not alone and not is_unknown(word):
            images.setdefault(word, []).append((row[image], is_suggested(row)))
            names[word] = None if is_unknown(label) or _NUMBERED.fullmatch(label) else label
    return _without_suggestions(
        [(names[word], tuple(found)) for word, found in images.items()], str(rows.file)
    )


def identities_in_folder(folder: Path) -> list[KnownIdentity]:
    """The identities of a folder in Market-1501's layout that we wrote, by the images' original names.

    Raises:
        InputError: It has no map back to these names, or cannot be read.
    """
    if not (folder / MAP).is_file():
        raise InputError(
            f"{folder}: has no {MAP}, which says what its images were called before; name a folder that "
            "reid-al export --market1501 wrote"
        )
    found = load_market1501(str(folder))
    suggested = {row.get("name") for row in read_rows(folder / MAP).rows if is_suggested(row)}
    return _without_suggestions(
        [
            (None, tuple((image, image in suggested) for image in each.images))
            for each in identities_of(found)
        ],
        str(folder),
    )


def _column_of_images(rows: Rows, known: Container[str]) -> str | None:
    columns = [column for name in COLUMNS["path"] if (column := rows.find((name,))) is not None]
    naming = (column for column in columns if all(row[column] in known for row in rows.rows))
    return next(naming, columns[0] if columns else None)


def _without_suggestions(
    found: Sequence[tuple[str | None, tuple[tuple[str, bool], ...]]], where: str
) -> list[KnownIdentity]:
    """Identities without the images that the model only suggested for them; how many these are is logged.

    Args:
        found: Name of each identity, and its images, each with whether it is suggested only.
        where: File or folder, for the message.
    """
    identities, left_out = [], 0
    for name, members in found:
        images = [image for image, suggested in members if not suggested]
        if not images and name is not None:
            images = [members[0][0]]  # it carries the name
        left_out += len(members) - len(images)
        if images:
            identities.append(KnownIdentity(name, tuple(images)))
    if left_out:
        _log.info(
            "%s: %d suggested images are left out, since no person has confirmed them; write 1 in the column "
            "confirmed to take them in",
            where,
            left_out,
        )
    return identities


def identities_of(images: ImageSet) -> list[KnownIdentity]:
    """The identities that a data set gives its images, by name where they have names, else by number."""
    members: dict[int, list[str]] = {}
    for name, identity in zip(images.names.tolist(), images.identities.tolist(), strict=True):
        if identity >= 0:
            members.setdefault(identity, []).append(name)
    named = images.identity_names
    return [
        KnownIdentity(str(identity) if named is None else named[identity], tuple(found))
        for identity, found in members.items()
    ]


def identity_events(
    identities: Sequence[KnownIdentity],
    index: Mapping[str, int],
    *,
    run: str,
    trust: float,
    where: str,
    now: float,
) -> list[Event]:
    """Say what was known as events, whose keys follow from the identities: the same ones count once.

    Args:
        identities: What was known.
        index: Dataset index of each image by its name.
        run: Id of the run that the identities are imported into.
        trust: Probability that two images of one identity show one individual, in (0.5, 1).
        where: File or data set that they come from, for messages and the log.
        now: The time, in seconds since 1970-01-01 UTC.

    Raises:
        InputError: An image is none of the run's, or is of two identities.
    """
    _check_images(identities, index, where)
    source = _digest(f"{each.name}\0{sorted(each.images)}" for each in identities)
    return [
        Event(
            key=f"identity/{_digest((source, str(each.name), *each.images))}",
            run=run,
            kind="identity",
            annotator="",
            at=now,
            payload={
                "images": [index[image] for image in each.images],
                "name": each.name,
                "trust": trust,
                "source": source,
                "file": where,
            },
        )
        for each in identities
    ]


def events_of_data(
    images: ImageSet, events: Iterable[Event], *, run: str, trust: float, where: str, now: float
) -> list[Event]:
    """The identities that the data give their images, as events; each image is taken in once.

    Of an identity that was taken in before, its new images come with the first of the others.

    Args:
        images: The pool.
        events: What the log holds.
        run: As in :func:`identity_events`, like the others.
        trust: See there.
        where: DATA as typed.
        now: See there.
    """
    taken = {
        int(image)
        for event in events
        if event.kind == "identity" and event.payload.get("file") == where
        for image in event.payload["images"]
    }
    index = {name: row for row, name in enumerate(images.names.tolist())}
    found = []
    for each in identities_of(images):
        new = [name for name in each.images if index[name] not in taken]
        before = [name for name in each.images if index[name] in taken]
        if new:
            found.append(KnownIdentity(each.name, (*before[:1], *new)))
    return identity_events(found, index, run=run, trust=trust, where=where, now=now)


def _check_images(identities: Sequence[KnownIdentity], index: Mapping[str, int], where: str) -> None:
    seen: set[str] = set()
    for image in (image for each in identities for image in each.images):
        if image not in index:
            raise InputError(
                Message(
                    "{where}: image {image!r} is none of the {count} images; write names as identities.csv "
                    "has them",
                    where=where,
                    image=image,
                    count=len(index),
                )
            )
        if image in seen:
            raise InputError(
                Message(
                    "{where}: image {image!r} is listed twice; list every image once",
                    where=where,
                    image=image,
                )
            )
        seen.add(image)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
