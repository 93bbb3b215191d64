"""What ``config.json`` holds: the settings of a run or session, and where its log is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_al_agents.files import OWN_BACK, read_json, read_state, write_state
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

FORMAT = 2
"""Version of the layout; folders of version 0.1 of the program have none."""


@dataclass(frozen=True)
class Kept:
    """What ``config.json`` holds.

    Attributes:
        settings: The settings of data, model, asking and training.
        run: Name of the run in the log.
        store: Address of the log's database, without a password; ``None`` is a file in the folder.
        fingerprint: Digest of the images and the start weights; ``None`` where it was not taken.
        annotation: Settings of an annotation session, by name; empty before there was one.
        origin: Command, commit, machine and versions of the start.
    """

    settings: RunConfig
    run: str
    store: str | None = None
    fingerprint: str | None = None
    annotation: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, content: Mapping[str, Any]) -> Kept:
        """Make sense of a file's content.

        Args:
            path: The file, for messages.
            content: What :func:`read_content` gave, of this version or a later one.

        Raises:
            InputError: It is of a later version, or makes no sense.
        """
        if content["format"] != FORMAT:
            raise InputError(
                f"{path}: is of format {content['format']!r}, this program reads {FORMAT}; "
                "upgrade reid-active-learning"
            )
        try:
            known = {"format", "run", "store", "fingerprint", "settings", "annotation"}
            if not isinstance(content["store"], str | None):
                raise ValueError("store is no text")
            return cls(
                RunConfig.from_dict(content["settings"]),
                str(content["run"]),
                content["store"],
                content["fingerprint"],
                dict(content["annotation"]),
                {name: value for name, value in content.items() if name not in known},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); put the folder's own back") from error

    def check_fingerprint(self, fingerprint: str, folder: Path) -> None:
        """See that images and start weights are those of the start, where their fingerprint was taken.

        Raises:
            InputError: They are not.
        """
        if self.fingerprint not in (None, fingerprint):
            raise InputError(
                f"{folder}: was started with other images or start weights; "
                "go on with the same ones or choose another --out"
            )

    def write(self, path: Path) -> None:
        """Write the file; the one before is kept beside it."""
        content = {
            "format": FORMAT,
            "run": self.run,
            "store": self.store,
            "fingerprint": self.fingerprint,
            "settings": self.settings.as_dict(),
            "annotation": dict(self.annotation),
            **self.origin,
        }
        write_state(path, content)


def read_content(path: Path) -> dict[str, Any]:
    """The content of a ``config.json``, or of the file that version 0.1 had in its place.

    Raises:
        InputError: It is damaged, and so is the one before, or it is a file of another program.
    """
    return read_state(path, _read_settings)


def _read_settings(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() & {"format", "data"}:  # that of version 0.1
        raise InputError(f"{path}: holds no settings of this program; {OWN_BACK} or begin a new one")
    return content
