"""The files that say which images a run's or session's pool has, what they were, and what came and went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import OWN_BACK, put_back, read_json, read_state, state_before, write_state
from reid_al_agents.log.events import Event
from reid_al_agents.workspace.pool_changes import PoolChanges, read_changes, write_changes
from reid_al_env import InputError


class PoolFiles:
    """The pool of a folder: names of its images, what each was, and images that came and went.

    Images have numbers, which events mean. Those of the start come first, then those that were added, so
    that no number ever changes.

    Args:
        folder: The folder of a run or session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "pool.json"
        self._hashes = folder / "hashes.json"
        self._identities = folder / "identities.json"
        self._changes = folder / "changes.json"

    @property
    def begun(self) -> bool:
        """Whether it is known which images the pool has."""
        return self.file.is_file()

    @property
    def has_hashes(self) -> bool:
        """Whether it was kept what the images of the start were; earlier versions did not."""
        return self._hashes.is_file()

    def begin(
        self,
        names: Sequence[str] | NDArray[np.str_],
        hashes: Sequence[str] | None,
        identities: Sequence[str] | None,
    ) -> None:
        """Write the images of the start, in the order that the events' numbers mean.

        Args:
            names: (N,) their names.
            hashes: (N,) what each is, see :meth:`.ImageSet.content_hashes`; ``None`` keeps none.
            identities: What the data call identities 0, 1, ...; ``None`` where these are numbers.
        """
        for path in (self._hashes, self._identities, self.file):
            state_before(path).unlink(missing_ok=True)
        self._keep_hashes(hashes)
        if identities is not None:
            write_state(self._identities, {"identities": list(identities)}, indent=None)
        write_state(self.file, {"names": [str(name) for name in names]}, indent=None)

    def delete_details(self) -> None:
        """Delete all but the names."""
        for made in (self._hashes, self._identities, self._changes):
            made.unlink(missing_ok=True)

    def put_back(self) -> None:
        """Put back files that are missing where the state before them is there."""
        for state in (self.file, self._hashes):
            put_back(state)

    def names(self) -> NDArray[np.str_]:
        """Names of the images, (N,).

        Raises:
            InputError: They cannot be read.
        """
        names = [*self._first_names(), *self.changes().names]
        return np.array(names, dtype=np.str_).reshape(-1)

    def content_hashes(self) -> list[str]:
        """What each of the images was when it came, (N,); empty text where that was not kept.

        Raises:
            InputError: They were kept and cannot be read.
        """
        first = self._first_names()
        hashes = [""] * len(first)
        if self.has_hashes:
            hashes = read_state(self._hashes, lambda path: _read_texts(path, "hashes"))
        if len(hashes) != len(first):
            raise InputError(f"{self._hashes}: is no list of {len(first)} texts; {OWN_BACK}")
        return [*hashes, *self.changes().hashes]

    def complete_hashes(self, hashes: Sequence[str] | None) -> None:
        """Keep what each of the images is, (N,), if an earlier version did not; ``None``: nothing."""
        if hashes is not None and not self.has_hashes:
            self._keep_hashes(hashes[: len(self._first_names())])

    def identity_names(self) -> list[str] | None:
        """What the data called identities 0, 1, ... at the start; ``None`` where that was not kept.

        Raises:
            InputError: They were kept and cannot be read.
        """
        if not self._identities.is_file():
            return None
        return read_state(self._identities, lambda path: _read_texts(path, "identities"))

    def changes(self) -> PoolChanges:
        """The images that came and went since the start.

        Raises:
            InputError: They cannot be read.
        """
        return read_changes(self._changes) if self._changes.is_file() else PoolChanges()

    def keep_changes(self, changes: PoolChanges) -> None:
        """Write ``changes.json``, by which images come and go: all at once, or none."""
        write_changes(self._changes, changes)

    def check_names(self, names: NDArray[np.str_]) -> None:
        """See that the pool has images of these names, in this order.

        Raises:
            InputError: It has not.
        """
        before = self.names()
        if not np.array_equal(before, names):
            raise InputError(
                f"{self._folder}: was started with other images ({_first_difference(before, names)}); "
                "go on with the same ones or choose another --out"
            )

    def check_images(self, names: NDArray[np.str_], events: Iterable[Event]) -> None:
        """As :meth:`check_names`, and that the events are about these images, too.

        Raises:
            InputError: It has not, or they are not.
        """
        self.check_names(names)
        for event in events:
            for index, name in ((event.query, event.query_name), (event.candidate, event.candidate_name)):
                present = str(names[index]) if index is not None and index < len(names) else ""
                if name and name != present:
                    raise InputError(
                        f"{self._folder}: its log has image {index} as '{name}', which is now '{present}'; "
                        "go on with the data and the order of the first start"
                    )

    def _first_names(self) -> list[str]:
        return read_state(self.file, lambda path: _read_texts(path, "names"))

    def _keep_hashes(self, hashes: Sequence[str] | None) -> None:
        if hashes is not None:
            write_state(self._hashes, {"hashes": list(hashes)}, indent=None)


def _read_texts(path: Path, name: str) -> list[str]:
    """A list of texts, which earlier versions kept without a name and a digest."""
    content = read_json(path)
    texts = content.get(name) if isinstance(content, dict) else content
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{path}: is no list of {name}; {OWN_BACK}")
    return texts


def _first_difference(before: NDArray[np.str_], now: NDArray[np.str_]) -> str:
    """Where two lists of images differ, in words."""
    if len(before) != len(now):
        return f"pool.json lists {len(before)}, the data {len(now)}"
    place = int(np.argmax(before != now))
    return f"pool.json lists '{before[place]}' as image {place}, the data '{now[place]}'"
