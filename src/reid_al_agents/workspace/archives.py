"""Exports that hold images or several tables, as one ZIP file each."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from reid_al_agents.data import ImageSet
from reid_al_agents.files import atomic_write, write_text
from reid_al_agents.log.formats import camtrap_tables, write_identity_folders, write_market1501
from reid_al_agents.workspace.export import Export

ARCHIVES = ("market1501.zip", "identities.zip", "camtrapdp.zip")
"""Names of the files."""


def write_archive(what: str, target: Path, images: ImageSet, export: Export, shown: str = "animal") -> None:
    """Write one of :data:`ARCHIVES`.

    Args:
        what: Which.
        target: The file to write.
        images: The images of the export.
        export: Their identities.
        shown: What they show; see :data:`.camtrap_package.TYPES`.

    Raises:
        InputError: An image cannot be read, the file cannot be written, or there is no identity to write.
    """
    rows = export.remaining
    there, groups = images.subset(rows), export.groups[rows]

    def market(folder: Path) -> None:
        write_market1501(folder, there, groups, confirmed=export.confirmed[rows], link=True)

    def folders(folder: Path) -> None:
        write_identity_folders(folder, there, groups, export.names, link=True)

    def tables(folder: Path) -> None:
        folder.mkdir()
        sure, likely = export.confirmed[rows], export.probabilities[rows]
        for name, text in camtrap_tables(there, groups, export.names, sure, likely, shown).items():
            write_text(folder / name, text)

    makers: dict[str, Callable[[Path], None]] = dict(zip(ARCHIVES, (market, folders, tables), strict=True))
    # Beside the target, so that images are linked, not copied, wherever the file system can.
    with tempfile.TemporaryDirectory(prefix=".archive-", dir=target.parent) as place:
        folder = Path(place) / what.removesuffix(".zip")
        makers[what](folder)
        with atomic_write(target) as file, zipfile.ZipFile(file, "w") as archive:
            for each in sorted(folder.rglob("*")):
                if each.is_file():
                    packed = zipfile.ZIP_DEFLATED if each.suffix == ".csv" else zipfile.ZIP_STORED
                    archive.write(each, each.relative_to(folder.parent), compress_type=packed)
